/* SPDX-License-Identifier: MIT */
/*
 * pair: malloc and free of one size, at once, nothing else: made for counting instructions.
 * bench/instructions runs it under callgrind with two counts of operations, and once more with empty=1 (the
 * loop without its calls); the differences leave the instructions of one pair.
 */
#include "workload.h"

#include <stdlib.h>

static uint64_t operations = 50000000;
static uint64_t size = 64;
static uint64_t empty;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "pairs" },
	{ "size", &size, "bytes of a block" },
	{ "empty", &empty, "1: the loop alone" },
	{ 0 },
};

int main(int argc, char **argv)
{
	void *volatile place = NULL;
	uint64_t began;

	bench_start(argc, argv, "pair", "malloc and free of one size, at once", arguments);
	began = bench_now_nsec();
	if (empty) {
		for (uint64_t i = 0; i < operations; i++)
			place = (void *)i;
	} else {
		for (uint64_t i = 0; i < operations; i++) {
			place = malloc(size);
			free(place);
		}
	}
	return bench_report(operations, bench_now_nsec() - began, NULL);
}
