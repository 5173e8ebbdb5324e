/* SPDX-License-Identifier: MIT */
/*
 * mir: a compiler's middle end. For each function one to six arenas of 256 KiB are taken, filled from the
 * front to a random height, and all given back at its end; every sixteenth function leaves one behind for a
 * while (an inline candidate). An operation is one arena.
 */
#include "workload.h"

#include <stdlib.h>
#include <string.h>

enum { ARENAS_MAX = 6, KEPT = 32 };

static uint64_t operations = 150000;
static uint64_t arena_bytes = 256 << 10;
static struct bench_latencies latencies;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "arenas" },
	{ "arena", &arena_bytes, "bytes of an arena" },
	{ 0 },
};

/* Nodes are written one after another, as a bump allocator does. */
static void *fill_arena(struct bench_rng *rng)
{
	char *arena = bench_alloc(arena_bytes);

	memset(arena, 0x5a, bench_rng_between(rng, 64, arena_bytes));
	return arena;
}

int main(int argc, char **argv)
{
	static void *kept[KEPT];
	struct bench_rng rng = bench_rng_seeded(5);
	uint64_t began, done = 0, functions = 0;

	bench_start(argc, argv, "mir", "arenas of 256 KiB, a few per compiled function", arguments);
	began = bench_now_nsec();
	while (done < operations && !bench_time_up()) {
		void *arena[ARENAS_MAX];
		size_t count = bench_rng_between(&rng, 1, ARENAS_MAX);
		uint64_t before = bench_now_nsec();

		for (size_t i = 0; i < count; i++)
			arena[i] = fill_arena(&rng);
		if (functions++ % 16 == 0) {
			void **slot = &kept[bench_rng_below(&rng, KEPT)];
			void *old = *slot;

			*slot = arena[0];
			arena[0] = old;
		}
		for (size_t i = count; i-- > 0;)
			free(arena[i]);
		done += count;
		bench_latency_add(&latencies, (bench_now_nsec() - before) / count);
	}
	began = bench_now_nsec() - began;
	for (size_t i = 0; i < KEPT; i++)
		free(kept[i]);
	return bench_report(done, began, &latencies);
}
