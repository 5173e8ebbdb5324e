/* SPDX-License-Identifier: MIT */
/*
 * Hundreds of threads that have worked and rest, as in the pools of servers: what each of them keeps for
 * itself, of memory that nothing lives in, is bounded by how many they are.
 */
#include "api.h"

enum { THREADS = 300, ROUNDS = 3, BLOCKS = 600, SIZES = 30, MOST_BYTES = 3000, ALLOWED_KIB = 800 };

static pthread_barrier_t rests, ends;

static void *thread_main(void *unused)
{
	void *block[BLOCKS];

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < BLOCKS; i++) {
			size_t bytes = (size_t)(i % SIZES + 1) * MOST_BYTES / SIZES;

			block[i] = malloc(bytes);
			expect(block[i] != NULL, "malloc failed");
			fill(block[i], bytes, (unsigned)i);
		}
		for (int i = 0; i < BLOCKS; i++)
			free(block[i]);
	}
	pthread_barrier_wait(&rests);
	pthread_barrier_wait(&ends);
	return unused;
}

int main(void)
{
	static pthread_t thread[THREADS];
	long before = status_kib("RssAnon"), after;

	pthread_barrier_init(&rests, NULL, THREADS + 1);
	pthread_barrier_init(&ends, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		expect(pthread_create(&thread[i], NULL, thread_main, NULL) == 0, "no thread");
	pthread_barrier_wait(&rests);
	after = status_kib("RssAnon");
	expect((after - before) / THREADS < ALLOWED_KIB, "%ld KiB a thread", (after - before) / THREADS);
	pthread_barrier_wait(&ends);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
