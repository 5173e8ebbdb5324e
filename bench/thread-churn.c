/* SPDX-License-Identifier: MIT */
/*
 * thread-churn: thousands of short threads. Each allocates a few hundred small blocks and a buffer, frees
 * most of them and leaves the rest to the main thread, which frees them after the thread has ended. Imitates
 * a server with a thread per connection, and finds allocators that are slow to set a thread up, or leak its
 * heap. An operation is a thread.
 */
#include "workload.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCKS = 200, LEFT = 20, WIDTH = 4 };

static uint64_t operations = 12000;
static struct bench_latencies latencies;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "threads, four at a time" },
	{ 0 },
};

static struct connection {
	struct bench_rng rng;
	void *left[LEFT];
} connection[WIDTH];

static void *serve(void *argument)
{
	struct connection *self = argument;
	void *block[BLOCKS];
	char *buffer = bench_alloc(16 << 10);

	bench_touch_lines(buffer, 16 << 10);
	for (unsigned int i = 0; i < BLOCKS; i++) {
		size_t bytes = bench_rng_size(&self->rng, 16, 1023);

		block[i] = bench_alloc(bytes);
		bench_touch_lines(block[i], bytes);
	}
	for (unsigned int i = 0; i < LEFT; i++)
		self->left[i] = block[i];
	for (unsigned int i = LEFT; i < BLOCKS; i++)
		free(block[i]);
	free(buffer);
	return NULL;
}

int main(int argc, char **argv)
{
	uint64_t began, done = 0, early_kib = 0;

	bench_start(argc, argv, "thread-churn", "short threads, four at a time", arguments);
	for (size_t i = 0; i < WIDTH; i++)
		connection[i].rng = bench_rng_seeded(100 + i);
	began = bench_now_nsec();
	while (done < operations && !bench_time_up()) {
		pthread_t thread[WIDTH];
		uint64_t before = bench_now_nsec();

		for (size_t i = 0; i < WIDTH; i++) {
			if (pthread_create(&thread[i], NULL, serve, &connection[i])) {
				fprintf(stderr, "thread-churn: cannot start a thread\n");
				return 1;
			}
		}
		for (size_t i = 0; i < WIDTH; i++) {
			pthread_join(thread[i], NULL);
			for (size_t j = 0; j < LEFT; j++)
				free(connection[i].left[j]);
		}
		done += WIDTH;
		bench_latency_add(&latencies, (bench_now_nsec() - before) / WIDTH);
		if (done == 400)
			early_kib = bench_rss_kib();
	}
	began = bench_now_nsec() - began;
	if (early_kib)
		bench_figure("rss_growth", (double)bench_rss_kib() / (double)early_kib);
	return bench_report(done, began, &latencies);
}
