/* SPDX-License-Identifier: MIT */
/* See pager.h. */
#include "pager.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "terminal.h"

static pid_t pager_pid;

static void become_pager(const char *pager, const int ends[2])
{
	(void)dup2(ends[0], STDIN_FILENO); /* descriptors that we just made: cannot fail */
	close(ends[0]);
	close(ends[1]);
	(void)setenv("LESS", "FRSX", 0); /* ends at once where all fits; if this fails less waits for a key */
	(void)setenv("LESSSECURE", "1", 1); /* what it shows came from other users' processes */
	execlp("sh", "sh", "-c", pager, (char *)NULL);
	_exit(127);
}

void hak_pager_open(const struct hak_ctl *ctl)
{
	const char *pager = getenv("PAGER");
	int ends[2];

	if (ctl->no_pager || !hak_terminal()->is_one || pager_pid)
		return;
	if (!pager)
		pager = "less";
	if (!*pager || strcmp(pager, "cat") == 0 || pipe(ends) < 0)
		return;
	fflush(stdout);
	pager_pid = fork();
	if (pager_pid == 0)
		become_pager(pager, ends);
	close(ends[0]);
	if (pager_pid > 0)
		(void)dup2(ends[1], STDOUT_FILENO); /* as above */
	else
		pager_pid = 0;
	close(ends[1]);
	/* The pager may end before we have told everything. */
	(void)signal(SIGPIPE, SIG_DFL);
}

void hak_pager_close(void)
{
	if (!pager_pid)
		return;
	fclose(stdout);
	while (waitpid(pager_pid, NULL, 0) < 0 && errno == EINTR)
		; /* ECHILD: whoever started us has children reaped by the kernel */
	pager_pid = 0;
}
