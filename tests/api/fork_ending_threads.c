/* SPDX-License-Identifier: MIT */
/*
 * Threads end all the time, with full bins, while the process forks. A child that found a bin half given back
 * and gave it back once more would end with "double free".
 */
#include "api.h"

#include <stdatomic.h>
#include <sys/wait.h>

enum { STARTERS = 2, FORKS = 400, BLOCKS = 1500 };
static atomic_bool stop;

static void *fill_bins(void *unused)
{
	void *block[BLOCKS];

	for (unsigned i = 0; i < BLOCKS; i++) {
		block[i] = malloc(16 + i % 60 * 32);
		expect(block[i] != NULL, "malloc failed");
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		free(block[i]);
	return unused;
}

static void *start_threads(void *unused)
{
	while (!atomic_load(&stop)) {
		pthread_t thread;

		expect(pthread_create(&thread, NULL, fill_bins, NULL) == 0, "pthread_create failed");
		pthread_join(thread, NULL);
	}
	return unused;
}

int main(void)
{
	pthread_t starter[STARTERS];

	for (unsigned i = 0; i < STARTERS; i++)
		expect(pthread_create(&starter[i], NULL, start_threads, NULL) == 0, "pthread_create failed");
	for (unsigned i = 0; i < FORKS; i++) {
		pid_t child = fork();
		int status = 0;

		expect(child >= 0, "fork failed");
		if (child == 0) {
			fill_bins(NULL);
			_exit(0);
		}
		expect(waitpid(child, &status, 0) == child && status == 0, "a forked child failed");
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < STARTERS; i++)
		pthread_join(starter[i], NULL);
	return 0;
}
