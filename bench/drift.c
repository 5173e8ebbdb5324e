/* SPDX-License-Identifier: MIT */
/*
 * drift: sizes move over time. 64 MiB are live; in each of 24 phases a random part of the blocks is freed
 * and blocks of this phase's sizes take their place until as many bytes live again. Imitates a server whose
 * traffic changes over the day. rss_per_live is what sparse slabs, or holes that nothing fits, cost at the
 * end; rss_per_live_max at worst. An operation is a block allocated.
 */
#include "workload.h"

#include <math.h>
#include <stdlib.h>

static uint64_t live_bytes = 64 << 20;
static uint64_t phases = 24;
static uint64_t percent = 75;
static uint64_t low = 24;
static uint64_t high = 1024;

static const struct bench_argument arguments[] = {
	{ "live", &live_bytes, "bytes live" },
	{ "phases", &phases, "phases" },
	{ "percent", &percent, "of the live blocks freed at the start of a phase" },
	{ "low", &low, "bytes of the smallest in the first phase" },
	{ "high", &high, "bytes of the smallest in the last phase" },
	{ 0 },
};

static struct slot {
	void *block;
	size_t bytes;
} *table;
static size_t count; /* slots in use: [0, count) */
static size_t room;  /* slots there are */
static uint64_t live;
static uint64_t done;

static void fill(struct bench_rng *rng, size_t smallest)
{
	while (live < live_bytes && count < room) {
		size_t bytes = bench_rng_between(rng, smallest, smallest * 2);
		struct slot *slot = &table[count++];

		slot->block = bench_alloc(bytes);
		slot->bytes = bytes;
		bench_touch_lines(slot->block, bytes);
		live += bytes;
		done++;
	}
}

static void free_some(struct bench_rng *rng)
{
	for (size_t i = 0; i < count;) {
		if (bench_rng_below(rng, 100) >= percent) {
			i++;
			continue;
		}
		live -= table[i].bytes;
		free(table[i].block);
		table[i] = table[--count];
	}
}

int main(int argc, char **argv)
{
	struct bench_rng rng = bench_rng_seeded(15);
	double per_live = 0, worst = 0;
	uint64_t began, base_kib;

	bench_start(argc, argv, "drift", "block sizes move over 24 phases", arguments);
	if (low < 16)
		low = 16;
	room = live_bytes / low + 1;
	table = bench_map(room * sizeof(*table));
	base_kib = bench_rss_kib();
	began = bench_now_nsec();
	for (uint64_t phase = 0; phase < phases && !bench_time_up(); phase++) {
		double step = (double)phase / (double)(phases > 1 ? phases - 1 : 1);

		/* From low to high by equal factors. */
		free_some(&rng);
		fill(&rng, (size_t)((double)low * pow((double)high / (double)low, step)));
		per_live = (double)(bench_rss_kib() - base_kib) * 1024 / (double)live;
		worst = per_live > worst ? per_live : worst;
	}
	began = bench_now_nsec() - began;
	bench_figure("rss_per_live", per_live);
	bench_figure("rss_per_live_max", worst);
	for (size_t i = 0; i < count; i++)
		free(table[i].block);
	return bench_report(done, began, NULL);
}
