/* SPDX-License-Identifier: MIT */
/* See agent.h. */
#include "agent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGENT "/usr/bin/pkttyagent"

enum { REGISTER_MSEC = 5000 };

static pid_t agent; /* 0: none */

/* It closes @notify_fd once polkit knows it. Stays with us even where we are killed. */
static void become_agent(int notify_fd, pid_t parent)
{
	sigset_t none;
	char number[16];

	/* `hold` blocks the signal that ends it, and a mask outlives exec. */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* valid arguments: cannot fail */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* valid arguments: cannot fail */
	if (getppid() != parent)
		_exit(1);
	snprintf(number, sizeof(number), "%d", dup(notify_fd)); /* a copy that exec does not close */
	execl(AGENT, AGENT, "--notify-fd", number, "--fallback", NULL);
	_exit(127);
}

bool hak_agent_open(const struct hak_ctl *ctl)
{
	struct pollfd notify = {.events = POLLHUP};
	pid_t self = getpid();
	int ends[2];

	if (agent || ctl->no_agent || geteuid() == 0 || strcmp(ctl->bus_name, "system") != 0 ||
	    !isatty(STDIN_FILENO) || access(AGENT, X_OK) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return agent != 0;
	agent = fork();
	if (agent == 0)
		become_agent(ends[1], self);
	close(ends[1]);
	notify.fd = ends[0];
	if (agent > 0)
		(void)poll(&notify, 1, REGISTER_MSEC); /* without it polkit refuses, and says why */
	close(ends[0]);
	agent = agent > 0 ? agent : 0;
	return agent != 0;
}

void hak_agent_close(void)
{
	if (!agent)
		return;
	(void)kill(agent, SIGTERM); /* our own child, not waited for yet: it is there */
	(void)kill(agent, SIGCONT);
	(void)waitpid(agent, NULL, 0);
	agent = 0;
}
