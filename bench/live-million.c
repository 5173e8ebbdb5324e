/* SPDX-License-Identifier: MIT */
/*
 * live-million: a million small blocks are allocated, all live, then freed in random order; several times
 * over. Imitates loading and dropping a large in-memory data set: nothing is warm, and free meets a cold
 * line each time. An operation is a block; fill_ns and free_ns are the two halves.
 */
#include "workload.h"

#include <stdlib.h>

static uint64_t blocks = 1000000;
static uint64_t rounds = 5;
static uint64_t low = 16;
static uint64_t high = 128;

static const struct bench_argument arguments[] = {
	{ "blocks", &blocks, "live blocks" },
	{ "rounds", &rounds, "repetitions" },
	{ "low", &low, "bytes of the smallest" },
	{ "high", &high, "bytes of the largest" },
	{ 0 },
};

int main(int argc, char **argv)
{
	struct bench_rng rng = bench_rng_seeded(20);
	uint64_t fill_nsec = 0, free_nsec = 0, round = 0;
	double filled_kib = 0;
	void **block;

	bench_start(argc, argv, "live-million", "a million live blocks freed in random order", arguments);
	block = bench_map(blocks * sizeof(*block));
	for (; round < rounds && !bench_time_up(); round++) {
		uint64_t began = bench_now_nsec();

		for (size_t i = 0; i < blocks; i++) {
			size_t bytes = bench_rng_between(&rng, low, high);

			block[i] = bench_alloc(bytes);
			bench_touch_lines(block[i], bytes);
		}
		fill_nsec += bench_now_nsec() - began;
		filled_kib = (double)bench_rss_kib();
		for (size_t i = blocks; i > 1; i--) { /* shuffle, outside the clock */
			size_t j = bench_rng_below(&rng, (uint32_t)i);
			void *swap = block[j];

			block[j] = block[i - 1];
			block[i - 1] = swap;
		}
		began = bench_now_nsec();
		for (size_t i = 0; i < blocks; i++)
			free(block[i]);
		free_nsec += bench_now_nsec() - began;
	}
	bench_figure("fill_ns", (double)fill_nsec / (double)(round * blocks));
	bench_figure("free_ns", (double)free_nsec / (double)(round * blocks));
	bench_figure("filled_kib", filled_kib);
	return bench_report(round * blocks, fill_nsec + free_nsec, NULL);
}
