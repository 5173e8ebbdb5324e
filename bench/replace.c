/* SPDX-License-Identifier: MIT */
/*
 * replace: a table of live blocks; each operation frees one at random and allocates another in its place.
 * The scenarios `mixed` (8 B to 64 KiB, log-uniform: most are small, most bytes are in the large ones) and
 * `random-mixed` (16 to 1024 bytes, uniform) are this program with other arguments, and so is `frag-churn`:
 * 64 MiB live, replaced for a long time, where the figure rss_per_live tells what fragmentation costs.
 * `connections` comes and goes at a server's pace: time passes between them.
 */
#include "workload.h"

#include <stdlib.h>
#include <time.h>

enum { SLOTS_MAX = 1 << 22, BATCH = 2048, PACED_BATCH = 64 };

static uint64_t operations = 40000000;
static uint64_t slots = 4096;
static uint64_t low = 16;
static uint64_t high = 1024;
static uint64_t logarithmic;
static uint64_t live_bytes;
static uint64_t touched;
static uint64_t pause_msec;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "blocks replaced" },
	{ "slots", &slots, "live blocks, at most 4M" },
	{ "live", &live_bytes, "instead of slots: live bytes to aim at" },
	{ "low", &low, "bytes of the smallest" },
	{ "high", &high, "bytes of the largest" },
	{ "touch", &touched, "bytes of each block that are used, where it has as many; 0: all" },
	{ "pause", &pause_msec, "milliseconds after each 64, which are not counted" },
	{ "log", &logarithmic, "1: each doubling of the size equally likely" },
	{ 0 },
};

static struct slot {
	void *block;
	size_t bytes;
} *table;
static uint64_t live;

static void replace(struct slot *slot, struct bench_rng *rng)
{
	size_t bytes = logarithmic ? bench_rng_size(rng, low, high) : bench_rng_between(rng, low, high);

	if (slot->block) {
		bench_read(slot->block);
		free(slot->block);
	}
	live += bytes - slot->bytes;
	slot->block = bench_alloc(bytes);
	slot->bytes = bytes;
	bench_touch_lines(slot->block, touched && touched < bytes ? touched : bytes);
}

/* Return: for how long. */
static uint64_t sleep_awhile(void)
{
	const struct timespec time = {(time_t)(pause_msec / 1000), (long)(pause_msec % 1000) * 1000000};
	uint64_t began = bench_now_nsec();

	(void)nanosleep(&time, NULL); /* cut short it is a shorter pause */
	return bench_now_nsec() - began;
}

int main(int argc, char **argv)
{
	struct bench_rng rng = bench_rng_seeded(6);
	uint64_t began, done = 0, base_kib, room, batch;

	bench_start(argc, argv, "replace", "live blocks replaced at random", arguments);
	if (low < 1 || high < low)
		low = high;
	if (live_bytes)
		slots = live_bytes / low + 1;
	if (slots < 1 || slots > SLOTS_MAX)
		slots = SLOTS_MAX;
	room = slots;
	table = bench_map(room * sizeof(*table));
	base_kib = bench_rss_kib();
	if (live_bytes) {
		for (slots = 0; slots < room && live < live_bytes; slots++)
			replace(&table[slots], &rng);
	}
	batch = pause_msec ? PACED_BATCH : BATCH;
	began = bench_now_nsec();
	while (done < operations && !bench_time_up()) {
		for (unsigned int i = 0; i < batch; i++)
			replace(&table[bench_rng_below(&rng, (uint32_t)slots)], &rng);
		done += batch;
		if (pause_msec)
			began += sleep_awhile();
	}
	began = bench_now_nsec() - began;
	bench_figure("live_kib", (double)live / 1024);
	bench_figure("rss_per_live", (double)(bench_rss_kib() - base_kib) * 1024 / (double)live);
	for (size_t i = 0; i < slots; i++)
		free(table[i].block);
	return bench_report(done, began, NULL);
}
