/* SPDX-License-Identifier: MIT */
/*
 * live-million: a million small blocks are allocated, all live, then freed in random order; several times
 * over. Imitates loading and dropping a large in-memory data set: nothing is warm, and free meets a cold
 * line each time. With order=1 they are freed as they were allocated, with order=2 the last first, as what a
 * request or a compiler's pass leaves often is. An operation is a block; fill_ns and free_ns are the halves.
 */
#include "workload.h"

#include <stdlib.h>

static uint64_t blocks = 1000000;
static uint64_t rounds = 5;
static uint64_t low = 16;
static uint64_t high = 128;
static uint64_t order;

static const struct bench_argument arguments[] = {
	{ "blocks", &blocks, "live blocks" },
	{ "rounds", &rounds, "repetitions" },
	{ "low", &low, "bytes of the smallest" },
	{ "high", &high, "bytes of the largest" },
	{ "order", &order, "of the frees: 0: random, 1: of allocation, 2: the reverse" },
	{ 0 },
};

static void swap(void **a, void **b)
{
	void *kept = *a;

	*a = *b;
	*b = kept;
}

static void put_in_order(void **block, struct bench_rng *rng)
{
	if (order == 0)
		for (size_t i = blocks; i > 1; i--)
			swap(&block[bench_rng_below(rng, (uint32_t)i)], &block[i - 1]);
	if (order == 2)
		for (size_t i = 0; i < blocks / 2; i++)
			swap(&block[i], &block[blocks - 1 - i]);
}

int main(int argc, char **argv)
{
	struct bench_rng rng = bench_rng_seeded(20);
	uint64_t fill_nsec = 0, free_nsec = 0, round = 0;
	double filled_kib = 0;
	void **block;

	bench_start(argc, argv, "live-million", "a million live blocks, all freed", arguments);
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
		put_in_order(block, &rng); /* outside the clock */
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
