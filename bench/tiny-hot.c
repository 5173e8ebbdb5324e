/* SPDX-License-Identifier: MIT */
/*
 * tiny-hot: blocks of 16, 32 and 64 bytes, allocated and freed at once or after a few others, always warm.
 * Imitates the temporaries of an interpreter or of C++ code: the pure cost of the fast path. An operation is
 * a pair.
 */
#include "workload.h"

#include <stdlib.h>

enum { WINDOW = 64 };

static uint64_t operations = 100000000;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "pairs of malloc and free" },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const size_t sizes[4] = { 16, 32, 64, 32 };
	static uint64_t *window[WINDOW];
	uint64_t began, done = 0;

	bench_start(argc, argv, "tiny-hot", "16, 32 and 64 bytes, always warm", arguments);
	began = bench_now_nsec();
	while (done < operations && !bench_time_up()) {
		for (unsigned int i = 0; i < 4096; i++) {
			uint64_t **slot = &window[i % WINDOW];
			uint64_t *temporary;

			/* A temporary that lives for a moment, and one that lives for 64 operations. */
			temporary = bench_alloc(sizes[i % 4]);
			temporary[0] = i;
			free(*slot);
			*slot = bench_alloc(sizes[(i + 1) % 4]);
			(*slot)[0] = temporary[0];
			(*slot)[1] = i;
			free(temporary);
		}
		done += (uint64_t)2 * 4096;
	}
	began = bench_now_nsec() - began;
	for (size_t i = 0; i < WINDOW; i++)
		free(window[i]);
	return bench_report(done, began, NULL);
}
