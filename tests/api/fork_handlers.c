/* SPDX-License-Identifier: MIT */
/*
 * Handlers that allocate in pthread_atfork(), registered before any constructor has run, as a library's
 * constructor may that runs before a preloaded one's, and by main.
 */
#include "api.h"

#include <sys/wait.h>

enum { BLOCKS = 2000, FORKS = 20 };

static int runs;

static void allocate(void)
{
	static void *block[BLOCKS];

	for (unsigned i = 0; i < BLOCKS; i++)
		block[i] = malloc(i * 20);
	for (unsigned i = 0; i < BLOCKS; i++)
		free(block[i]);
	runs++;
}

static void register_handlers(void)
{
	expect(pthread_atfork(allocate, allocate, allocate) == 0, "no handlers");
}

/* Before the constructors of all libraries. */
__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = register_handlers;

int main(void)
{
	int status;

	register_handlers();
	alarm(60); /* who waits for ever */
	for (unsigned i = 0; i < FORKS; i++) {
		pid_t child = fork();

		if (child == 0) {
			allocate();
			_exit(0);
		}
		expect(waitpid(child, &status, 0) == child && status == 0, "the child ended with %d", status);
	}
	expect(runs == FORKS * 4, "%d runs", runs);
	return 0;
}
