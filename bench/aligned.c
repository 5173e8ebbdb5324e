/* SPDX-License-Identifier: MIT */
/*
 * aligned: posix_memalign and aligned_alloc with alignments of 16 bytes to 4 KiB (one in 256: 64 KiB), sizes
 * of 16 bytes to 16 KiB; live blocks replaced at random. Imitates vector code, databases with page-aligned
 * buffers and C++ over-aligned new. An operation is a block.
 */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>

enum { SLOTS = 4096 };

static uint64_t operations = 6000000;
static uint64_t high = 16 << 10;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "blocks" },
	{ "high", &high, "bytes of the largest" },
	{ 0 },
};

static void *alloc_aligned(struct bench_rng *rng)
{
	size_t alignment = (size_t)16 << bench_rng_below(rng, 9);
	size_t bytes = bench_rng_size(rng, 16, high);
	void *block = NULL;

	if (bench_rng_below(rng, 256) == 0)
		alignment = 64 << 10;
	if (bytes & 1)
		block = aligned_alloc(alignment, bytes + (alignment - bytes % alignment));
	else if (posix_memalign(&block, alignment, bytes))
		block = NULL;
	bench_check(block, bytes);
	if ((uintptr_t)block % alignment) {
		fprintf(stderr, "aligned: %p is not a multiple of %zu\n", block, alignment);
		exit(1);
	}
	bench_touch_lines(block, bytes);
	return block;
}

int main(int argc, char **argv)
{
	static void *slot[SLOTS];
	struct bench_rng rng = bench_rng_seeded(19);
	uint64_t began, done = 0;

	bench_start(argc, argv, "aligned", "blocks with alignments up to 64 KiB", arguments);
	if (high < 32)
		high = 32;
	began = bench_now_nsec();
	while (done < operations && !bench_time_up()) {
		for (unsigned int i = 0; i < 1024; i++) {
			void **at = &slot[bench_rng_below(&rng, SLOTS)];

			free(*at);
			*at = alloc_aligned(&rng);
		}
		done += 1024;
	}
	began = bench_now_nsec() - began;
	for (size_t i = 0; i < SLOTS; i++)
		free(slot[i]);
	return bench_report(done, began, NULL);
}
