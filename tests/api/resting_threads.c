/* SPDX-License-Identifier: MIT */
/*
 * Hundreds of threads that have worked and rest, as in the pools of servers: what each of them keeps for
 * itself, of memory that nothing lives in, is bounded by how many they are. Those that come later, in ever
 * smaller numbers, take over what the first ones had.
 */
#include "api.h"

enum { THREADS = 300, ROUNDS = 3, BLOCKS = 600, SIZES = 30, ALLOWED_KIB = 800 };

static pthread_barrier_t rests, ends;

/* From 1 to 2,524 bytes, with more small ones. */
static size_t size_of(int i)
{
	return (size_t)(i % SIZES) * (size_t)(i % SIZES) * 3 + 1;
}

static void work(void)
{
	void *block[BLOCKS];

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < BLOCKS; i++) {
			size_t bytes = size_of(i);

			block[i] = malloc(bytes);
			expect(block[i] != NULL, "malloc failed");
			fill(block[i], bytes, (unsigned)i);
		}
		for (int i = 0; i < BLOCKS; i++) {
			expect(filled(block[i], size_of(i), (unsigned)i), "block %d was overwritten", i);
			free(block[i]);
		}
	}
}

static void *thread_main(void *unused)
{
	work();
	pthread_barrier_wait(&rests);
	pthread_barrier_wait(&ends);
	return unused;
}

static void run(int threads)
{
	static pthread_t thread[THREADS];
	long before = status_kib("RssAnon"), grown;

	pthread_barrier_init(&rests, NULL, (unsigned)threads + 1);
	pthread_barrier_init(&ends, NULL, (unsigned)threads + 1);
	for (int i = 0; i < threads; i++)
		expect(pthread_create(&thread[i], NULL, thread_main, NULL) == 0, "no thread");
	pthread_barrier_wait(&rests);
	grown = status_kib("RssAnon") - before;
	expect(grown / THREADS < ALLOWED_KIB, "%ld KiB a thread", grown / THREADS);
	pthread_barrier_wait(&ends);
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
}

int main(void)
{
	for (int threads = THREADS; threads; threads /= 3)
		run(threads);
	return 0;
}
