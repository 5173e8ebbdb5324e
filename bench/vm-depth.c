/* SPDX-License-Identifier: MIT */
/*
 * vm-depth: eight large blocks of 0.6 to 6 MiB live at a time; each operation frees one at random and
 * allocates another of another size, touched. Imitates a server with several large requests under way at
 * once.
 */
#include "workload.h"

#include <stdlib.h>

static uint64_t operations = 40000;
static uint64_t depth = 8;
static uint64_t low = 600 << 10;
static uint64_t high = 6 << 20;
static struct bench_latencies latencies;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "blocks replaced" },
	{ "depth", &depth, "blocks live at once, at most 64" },
	{ "low", &low, "bytes of the smallest" },
	{ "high", &high, "bytes of the largest" },
	{ 0 },
};

int main(int argc, char **argv)
{
	static void *block[64];
	struct bench_rng rng = bench_rng_seeded(2);
	uint64_t began, before, now;
	uint64_t done = 0;

	bench_start(argc, argv, "vm-depth", "large blocks of mixed sizes, replaced at random", arguments);
	if (depth < 1 || depth > 64)
		depth = 64;
	began = before = bench_now_nsec();
	while (done < operations && !bench_time_up()) {
		size_t i = bench_rng_below(&rng, (uint32_t)depth);
		size_t bytes = bench_rng_between(&rng, low, high);

		free(block[i]);
		block[i] = bench_alloc(bytes);
		bench_touch_pages(block[i], bytes);
		done++;
		now = bench_now_nsec();
		bench_latency_add(&latencies, now - before);
		before = now;
	}
	now = bench_now_nsec();
	for (size_t i = 0; i < depth; i++)
		free(block[i]);
	return bench_report(done, now - began, &latencies);
}
