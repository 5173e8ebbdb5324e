/* SPDX-License-Identifier: MIT */
/*
 * A process of one thread forks, and signal handlers that interrupt it there fork and allocate as well: fork
 * is one of the calls that they may make, and one that allocates nothing.
 */
#include "api.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { FORKS = 400, SIGNAL_USEC = 100 };

static volatile sig_atomic_t interruptions;

static void fork_once(void)
{
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	while (waitpid(child, &status, 0) < 0)
		expect(errno == EINTR, "no child to wait for: %d", errno);
	expect(status == 0, "a child ended with %d", status);
}

static void on_signal(int number)
{
	void *block = malloc(100);
	int saved_errno = errno;

	(void)number;
	expect(block != NULL, "malloc failed");
	fork_once();
	free(block);
	interruptions++;
	errno = saved_errno;
}

int main(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	pid_t sender;

	alarm(60); /* who waits for ever */
	free(malloc(1));
	sigaction(SIGUSR1, &action, NULL);
	sender = fork();
	if (sender == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (kill(getppid(), SIGUSR1) == 0)
			usleep(SIGNAL_USEC);
		_exit(0);
	}
	for (unsigned i = 0; i < FORKS || interruptions < FORKS; i++)
		fork_once();
	kill(sender, SIGKILL);
	return 0;
}
