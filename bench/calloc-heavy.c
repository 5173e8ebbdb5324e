/* SPDX-License-Identifier: MIT */
/*
 * calloc-heavy: zeroed blocks of 64 bytes to 1 MiB, of which the program writes a little and checks that the
 * rest is zero; live ones replaced at random. Imitates programs that calloc tables which stay mostly empty
 * (bitmaps, sparse arrays, page tables of emulators). An operation is a calloc.
 */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>

enum { SLOTS = 256 };

static uint64_t operations = 150000;
static uint64_t low = 64;
static uint64_t high = 1 << 20;
static struct bench_latencies latencies;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "callocs" },
	{ "low", &low, "bytes of the smallest" },
	{ "high", &high, "bytes of the largest" },
	{ 0 },
};

static bool use(char *block, size_t bytes, struct bench_rng *rng)
{
	for (unsigned int i = 0; i < 8; i++) {
		char *at = &block[bench_rng_below(rng, (uint32_t)bytes)];

		if (*at != 0 && *at != 1)
			return false;
		*at = 1;
	}
	return true;
}

int main(int argc, char **argv)
{
	static char *slot[SLOTS];
	struct bench_rng rng = bench_rng_seeded(18);
	uint64_t began, before, now, done = 0;

	bench_start(argc, argv, "calloc-heavy", "zeroed blocks that stay mostly empty", arguments);
	began = before = bench_now_nsec();
	while (done < operations && !bench_time_up()) {
		size_t bytes = bench_rng_size(&rng, low, high);
		char **at = &slot[bench_rng_below(&rng, SLOTS)];

		free(*at);
		*at = calloc(1, bytes);
		bench_check(*at, bytes);
		if (!use(*at, bytes, &rng)) {
			fprintf(stderr, "calloc-heavy: calloc(1, %zu) gave memory that is not zero\n", bytes);
			return 1;
		}
		done++;
		now = bench_now_nsec();
		bench_latency_add(&latencies, now - before);
		before = now;
	}
	for (size_t i = 0; i < SLOTS; i++)
		free(slot[i]);
	return bench_report(done, before - began, &latencies);
}
