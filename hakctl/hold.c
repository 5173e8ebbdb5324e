/* SPDX-License-Identifier: MIT */
/*
 * hakctl hold MODE [COMMAND...]: the hold lives as long as this program's connection, so it ends with the
 * command, with an interrupt, and with a kill.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call.h"
#include "environment.h"
#include "words.h"

static int take_hold(struct hak_ctl *ctl, const char *mode)
{
	sd_bus_message *reply = NULL;
	int code = hak_call(ctl, "HoldMode", true, &reply, "ssa{sv}", mode,
			    *ctl->reason ? ctl->reason : "hakctl hold", 0);

	sd_bus_message_unref(reply);
	return code;
}

/* The command's own exit code, as a shell would give it. */
static int run_command(char **argv, const sigset_t *before)
{
	int status;
	pid_t child;

	child = fork();
	if (child < 0)
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot start '%s': %s", argv[0], strerror(errno));
	if (child == 0) {
		(void)sigprocmask(SIG_SETMASK, before, NULL); /* a mask that was in force: cannot fail */
		_exit(hak_environment_exec(argv));
	}
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return hak_ctl_fail(HAK_EXIT_FAILED, "cannot wait for '%s': %s", argv[0],
					    strerror(errno));
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int hak_verb_hold(struct hak_ctl *ctl)
{
	char **command = ctl->argv + 1;
	sigset_t signals, before;
	enum hak_mode mode;
	int code, caught;

	code = hak_words_mode(ctl->argv[0], &mode);
	if (code)
		return code;
	/* An interrupt goes to the command too; it ends first, and the hold with it. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &signals, &before); /* valid arguments: cannot fail */
	code = take_hold(ctl, ctl->argv[0]);
	if (code)
		return code;
	if (ctl->argc > 1 && strcmp(*command, "--") == 0)
		command++; /* as it is written before commands elsewhere */
	if (command < ctl->argv + ctl->argc)
		return run_command(command, &before);
	(void)sigwait(&signals, &caught); /* valid arguments: cannot fail */
	return HAK_EXIT_OK;
}
