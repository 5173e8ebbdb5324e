/* SPDX-License-Identifier: MIT */
/*
 * A program interrupted by signals all the time: handlers run on an alternate stack and fork, and the
 * interrupted calls go on. malloc itself is not called in a handler: nobody promises that.
 */
#include "api.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

static volatile sig_atomic_t interruptions;

static void on_alarm(int number)
{
	(void)number;
	interruptions++;
	if (interruptions % 50 == 0) {
		pid_t child = vfork();

		if (child == 0)
			_exit(0);
		if (child > 0)
			waitpid(child, NULL, 0);
	}
}

int main(void)
{
	struct itimerval every = {{0, 300}, {0, 300}};
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_ONSTACK | SA_RESTART};
	stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
	enum { BLOCKS = 500 };
	static void *block[BLOCKS];
	static size_t size[BLOCKS];
	uint32_t state = 7;

	expect(stack.ss_sp != NULL && sigaltstack(&stack, NULL) == 0, "no alternate stack");
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (long step = 0; interruptions < 600 && step < 50000000; step++) {
		unsigned i = random_next(&state) % BLOCKS;

		if (block[i] != NULL) {
			expect(filled(block[i], size[i] < 64 ? size[i] : 64, i), "block overwritten");
			free(block[i]);
		}
		size[i] = random_next(&state) % (i == 0 ? 2000000 : 2000) + 1;
		block[i] = malloc(size[i]);
		expect(block[i] != NULL, "malloc failed");
		fill(block[i], size[i] < 64 ? size[i] : 64, i);
	}
	expect(interruptions >= 600, "%d interruptions only", (int)interruptions);
	return 0;
}
