/* SPDX-License-Identifier: MIT */
/*
 * prodcons: one thread allocates blocks and fills them, another reads and frees them: every free is remote.
 * With both=1 two such pairs run against each other, each thread producing for the other and consuming from
 * it, as the stages of a pipeline do. Blocks travel in batches of 64 through a small ring, so that the hand-
 * over costs little. An operation is a block.
 */
#include "workload.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { BATCH = 64, RING = 64 };

static uint64_t operations = 10000000;
static uint64_t both;
static uint64_t low = 16;
static uint64_t high = 256;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "blocks, in each direction" },
	{ "both", &both, "1: each of the two threads produces and consumes" },
	{ "low", &low, "bytes of the smallest" },
	{ "high", &high, "bytes of the largest" },
	{ 0 },
};

/*
 * One producer writes head: release after the batch is in, acquire by the consumer. One consumer writes tail:
 * release after the batch is out, acquire by the producer.
 */
static struct ring {
	_Alignas(BENCH_LINE_BYTES) _Atomic uint64_t head;
	_Alignas(BENCH_LINE_BYTES) _Atomic uint64_t tail;
	_Alignas(BENCH_LINE_BYTES) void *batch[RING][BATCH];
} ring[2];

static struct party {
	struct ring *to, *from;
	struct bench_rng rng;
} party[2];

static bool try_produce(struct ring *to, struct bench_rng *rng)
{
	uint64_t head = atomic_load_explicit(&to->head, memory_order_relaxed); /* only we write it */

	if (head - atomic_load_explicit(&to->tail, memory_order_acquire) == RING)
		return false;
	for (unsigned int i = 0; i < BATCH; i++) {
		size_t bytes = bench_rng_between(rng, low, high);

		to->batch[head % RING][i] = bench_alloc(bytes);
		bench_touch_lines(to->batch[head % RING][i], bytes);
	}
	atomic_store_explicit(&to->head, head + 1, memory_order_release);
	return true;
}

static bool try_consume(struct ring *from)
{
	uint64_t tail = atomic_load_explicit(&from->tail, memory_order_relaxed); /* only we write it */

	if (tail == atomic_load_explicit(&from->head, memory_order_acquire))
		return false;
	for (unsigned int i = 0; i < BATCH; i++) {
		bench_read(from->batch[tail % RING][i]);
		free(from->batch[tail % RING][i]);
	}
	atomic_store_explicit(&from->tail, tail + 1, memory_order_release);
	return true;
}

static void *run(void *argument)
{
	struct party *self = argument;
	uint64_t produce = self->to ? operations / BATCH : 0;
	uint64_t consume = self->from ? operations / BATCH : 0;

	while (produce || consume) {
		bool moved = false;

		if (produce && try_produce(self->to, &self->rng)) {
			produce--;
			moved = true;
		}
		if (consume && try_consume(self->from)) {
			consume--;
			moved = true;
		}
		if (!moved)
			sched_yield();
	}
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t elapsed;

	bench_start(argc, argv, "prodcons", "blocks allocated by one thread, freed by another", arguments);
	party[0] = (struct party){ &ring[0], both ? &ring[1] : NULL, bench_rng_seeded(80) };
	party[1] = (struct party){ both ? &ring[1] : NULL, &ring[0], bench_rng_seeded(81) };
	elapsed = bench_run_threads(2, run, party, sizeof(party[0]));
	return bench_report(operations / BATCH * BATCH * (both ? 2 : 1), elapsed, NULL);
}
