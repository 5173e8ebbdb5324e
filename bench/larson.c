/* SPDX-License-Identifier: MIT */
/*
 * larson: a simulated server, after the idea of Larson and Krishnan (1998). Each thread holds a table of
 * blocks (sessions) and replaces them at random; after a number of rounds the thread ends and a new one goes
 * on with its table, so blocks are freed by threads that did not allocate them. bench/larson.sh runs the
 * profiles.
 */
#include "workload.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLOTS_MAX = 1 << 16 };

static uint64_t operations = 12000000;
static uint64_t threads = 2;
static uint64_t slots = 1024;
static uint64_t low = 16;
static uint64_t high = 512;
static uint64_t touched;
static uint64_t generations = 100;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "blocks replaced by each line of threads" },
	{ "threads", &threads, "lines of threads that run at once" },
	{ "slots", &slots, "live blocks of each, at most 65536" },
	{ "low", &low, "bytes of the smallest" },
	{ "high", &high, "bytes of the largest" },
	{ "touch", &touched, "bytes of each block that are used, where it has as many; 0: all" },
	{ "generations", &generations, "threads that follow one another in a line" },
	{ 0 },
};

struct line {
	struct bench_rng rng;
	void **table;
	uint64_t done;
	char padding[BENCH_LINE_BYTES - 24];
};

static void *serve(void *argument)
{
	struct line *line = argument;
	uint64_t share = operations / generations;

	for (uint64_t i = 0; i < share; i++) {
		void **slot = &line->table[bench_rng_below(&line->rng, (uint32_t)slots)];
		size_t bytes = bench_rng_between(&line->rng, low, high);

		if (*slot)
			bench_read(*slot);
		free(*slot);
		*slot = bench_alloc(bytes);
		bench_touch_lines(*slot, touched && touched < bytes ? touched : bytes);
	}
	line->done += share;
	return NULL;
}

/* Starts one successor after another, each of which inherits the table. */
static void *run_line(void *argument)
{
	for (uint64_t generation = 0; generation < generations && !bench_time_up(); generation++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, serve, argument)) {
			fprintf(stderr, "larson: cannot start a thread\n");
			exit(1);
		}
		pthread_join(thread, NULL);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct line line[BENCH_THREADS_MAX];
	uint64_t elapsed, done = 0;

	bench_start(argc, argv, "larson", "a server whose threads inherit each other's blocks", arguments);
	if (slots < 1 || slots > SLOTS_MAX)
		slots = SLOTS_MAX;
	if (!generations)
		generations = 1;
	for (size_t i = 0; i < threads && i < BENCH_THREADS_MAX; i++) {
		line[i].rng = bench_rng_seeded(700 + i);
		line[i].table = bench_map(slots * sizeof(void *));
	}
	elapsed = bench_run_threads((unsigned int)threads, run_line, line, sizeof(line[0]));
	for (size_t i = 0; i < threads; i++) {
		done += line[i].done;
		for (size_t j = 0; j < slots; j++)
			free(line[i].table[j]);
	}
	return bench_report(done, elapsed, NULL);
}
