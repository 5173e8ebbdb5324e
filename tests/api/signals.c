/* SPDX-License-Identifier: MIT */
/*
 * A program interrupted by signals all the time: handlers run on an alternate stack and fork, and the
 * interrupted calls go on, in both processes. malloc itself is not called in a handler: nobody promises that.
 */
#include "api.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { INTERRUPTIONS = 600, CHILD_INTERRUPTIONS = INTERRUPTIONS - 10 };

static volatile sig_atomic_t interruptions;
static pid_t main_pid;

static void on_alarm(int number)
{
	struct itimerval soon = {{0, 300}, {0, 300}};
	int status = 0;

	(void)number;
	interruptions++;
	if (getpid() == main_pid && interruptions % 3 == 0) {
		pid_t child = interruptions % 50 ? fork() : vfork();

		if (child == 0 && interruptions % 99)
			_exit(0);
		if (child == 0) { /* goes on for a while: timers are not inherited */
			interruptions = CHILD_INTERRUPTIONS;
			setitimer(ITIMER_REAL, &soon, NULL);
			return;
		}
		expect(waitpid(child, &status, 0) == child && status == 0, "a child ended with %d", status);
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
	main_pid = getpid();
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (long step = 0; interruptions < INTERRUPTIONS && step < 50000000; step++) {
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
	expect(interruptions >= INTERRUPTIONS, "%d interruptions only", (int)interruptions);
	return 0;
}
