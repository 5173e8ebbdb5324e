/* SPDX-License-Identifier: MIT */
/*
 * idle: blocks of 64 bytes to 4 MiB are allocated and touched until 1 GiB lives (as many bytes in each
 * doubling of the size), every thousandth is kept, the rest is freed, and the program goes to sleep.
 * rss_1s_kib, rss_5s_kib and rss_10s_kib are its resident memory after that time asleep, kept_kib what it
 * still uses. An operation is a block; the sleep is not in ns_per_op.
 */
#include "workload.h"

#include <stdlib.h>
#include <time.h>

enum { BLOCKS_MAX = 1 << 21, DOUBLINGS = 16, PORTION_BYTES = 1 << 20 };

static uint64_t total_bytes = 1 << 30;
static uint64_t sleep_sec = 10;

static const struct bench_argument arguments[] = {
	{ "bytes", &total_bytes, "bytes allocated" },
	{ "sleep", &sleep_sec, "seconds asleep, at most 10" },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const char *const names[3] = { "rss_1s_kib", "rss_5s_kib", "rss_10s_kib" };
	static const uint64_t marks[3] = { 1, 5, 10 };
	struct bench_rng rng = bench_rng_seeded(22);
	uint64_t began, live = 0, kept = 0, slept = 0;
	size_t count = 0;
	void **block;

	bench_start(argc, argv, "idle", "free 1 GiB, then sleep", arguments);
	block = bench_map(BLOCKS_MAX * sizeof(*block));
	began = bench_now_nsec();
	while (live < total_bytes && count < BLOCKS_MAX) {
		size_t low = (size_t)64 << bench_rng_below(&rng, DOUBLINGS);

		for (uint64_t portion = 0; portion < PORTION_BYTES && count < BLOCKS_MAX;) {
			size_t bytes = bench_rng_between(&rng, low, low * 2);

			block[count] = bench_alloc(bytes);
			bench_touch_pages(block[count++], bytes);
			portion += bytes;
			live += bytes;
			if (count % 1000 == 0)
				kept += bytes;
		}
	}
	for (size_t i = 0; i < count; i++)
		if ((i + 1) % 1000)
			free(block[i]);
	began = bench_now_nsec() - began;
	bench_figure("freed_rss_kib", (double)bench_rss_kib());
	for (unsigned int i = 0; i < 3 && marks[i] <= sleep_sec; i++) {
		struct timespec delay = { .tv_sec = (time_t)(marks[i] - slept) };

		(void)nanosleep(&delay, NULL); /* no signals are expected */
		slept = marks[i];
		bench_figure(names[i], (double)bench_rss_kib());
	}
	bench_figure("kept_kib", (double)kept / 1024);
	return bench_report(count, began, NULL);
}
