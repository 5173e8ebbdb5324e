/* SPDX-License-Identifier: MIT */
/*
 * A thread registers fork handlers, more than libc has room for at first, while another forks: libc then
 * allocates with their list locked, and fork locks that list again after each prepare handler has run.
 */
#include "api.h"

#include <stdatomic.h>
#include <sys/wait.h>

enum { ROUNDS = 15, HANDLERS = 400, ALLOCATORS = 4, BLOCKS = 64, MOST_BYTES = 40000 };

static _Atomic bool done;

/* They make fork wait for locks. */
static void *allocate_on(void *unused)
{
	void *block[BLOCKS] = {NULL};
	uint32_t state = (uint32_t)gettid();

	while (!done) {
		uint32_t random = random_next(&state);

		free(block[random % BLOCKS]);
		block[random % BLOCKS] = malloc(random / BLOCKS % MOST_BYTES);
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		free(block[i]);
	return unused;
}

static void *fork_on(void *unused)
{
	int status;

	while (!done) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		expect(waitpid(child, &status, 0) == child && status == 0, "a child ended with %d", status);
	}
	return unused;
}

static void run_round(void)
{
	pthread_t thread[ALLOCATORS + 1];

	alarm(60); /* who waits for ever */
	for (unsigned i = 0; i <= ALLOCATORS; i++) {
		void *(*work)(void *) = i < ALLOCATORS ? allocate_on : fork_on;

		expect(pthread_create(&thread[i], NULL, work, NULL) == 0, "no thread");
	}
	for (unsigned i = 0; i < HANDLERS; i++) {
		expect(pthread_atfork(NULL, NULL, NULL) == 0, "no handlers");
		usleep(100);
	}
	done = true;
	for (unsigned i = 0; i <= ALLOCATORS; i++)
		pthread_join(thread[i], NULL);
}

int main(void)
{
	int status;

	/* Each in a process that has no handlers yet. */
	for (unsigned i = 0; i < ROUNDS; i++) {
		pid_t child = fork();

		if (child == 0) {
			run_round();
			_exit(0);
		}
		expect(waitpid(child, &status, 0) == child && status == 0, "it ended with %d", status);
	}
	return 0;
}
