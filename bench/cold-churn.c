/* SPDX-License-Identifier: MIT */
/*
 * cold-churn: blocks of 4 KiB to 1 MiB, log-uniform, are touched once, lie for a long while and are freed in
 * the order in which they came; sizes seldom repeat soon. Imitates buffers of a message queue or a write-
 * behind cache: by the time a block is freed it is cold, and what is allocated next has another size.
 */
#include "workload.h"

#include <stdlib.h>

enum { DEPTH_MAX = 4096 };

static uint64_t operations = 150000;
static uint64_t depth = 256;
static uint64_t low = 4 << 10;
static uint64_t high = 1 << 20;
static struct bench_latencies latencies;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "blocks that pass through the queue" },
	{ "depth", &depth, "length of the queue, at most 4096" },
	{ "low", &low, "bytes of the smallest" },
	{ "high", &high, "bytes of the largest" },
	{ 0 },
};

int main(int argc, char **argv)
{
	static void *queue[DEPTH_MAX];
	struct bench_rng rng = bench_rng_seeded(3);
	uint64_t began, before, now;
	uint64_t done = 0;

	bench_start(argc, argv, "cold-churn", "a queue of buffers that are cold when freed", arguments);
	if (depth < 1 || depth > DEPTH_MAX)
		depth = DEPTH_MAX;
	began = before = bench_now_nsec();
	while (done < operations && !bench_time_up()) {
		void **oldest = &queue[done % depth];
		size_t bytes = bench_rng_size(&rng, low, high);

		if (*oldest) {
			bench_read(*oldest);
			free(*oldest);
		}
		*oldest = bench_alloc(bytes);
		bench_touch_pages(*oldest, bytes);
		done++;
		now = bench_now_nsec();
		bench_latency_add(&latencies, now - before);
		before = now;
	}
	now = bench_now_nsec();
	for (size_t i = 0; i < depth; i++)
		free(queue[i]);
	return bench_report(done, now - began, &latencies);
}
