/* SPDX-License-Identifier: MIT */
/*
 * vm: a block of 2 MiB is allocated, a word of each page written, and the block freed; again and again.
 * Imitates programs that take one large buffer per request (image decoders, query executors, interpreters'
 * stacks).
 *
 * With live=1 the pages are touched and never given back: the price of touching alone, the floor of this
 * scenario.
 */
#include "workload.h"

#include <stdlib.h>

static uint64_t operations = 100000;
static uint64_t block = 2 << 20;
static uint64_t live;
static struct bench_latencies latencies;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "blocks allocated and freed" },
	{ "block", &block, "bytes of a block" },
	{ "live", &live, "1: keep one block and only touch it" },
	{ 0 },
};

int main(int argc, char **argv)
{
	uint64_t began, before, now;
	uint64_t done = 0;
	void *kept = NULL;

	bench_start(argc, argv, "vm", "allocate, touch and free one large block", arguments);
	if (live)
		kept = bench_alloc(block);
	began = before = bench_now_nsec();
	while (done < operations && !bench_time_up()) {
		void *memory = kept ? kept : bench_alloc(block);

		bench_touch_pages(memory, block);
		if (!kept)
			free(memory);
		done++;
		now = bench_now_nsec();
		bench_latency_add(&latencies, now - before);
		before = now;
	}
	now = bench_now_nsec();
	free(kept);
	return bench_report(done, now - began, &latencies);
}
