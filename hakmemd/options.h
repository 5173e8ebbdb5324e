/* SPDX-License-Identifier: MIT */
/* The daemon's command line. */
#ifndef HAK_OPTIONS_H
#define HAK_OPTIONS_H

#include <stdbool.h>

enum hak_options_action {
	HAK_ACTION_RUN,
	HAK_ACTION_CHECK_CONFIG,
	HAK_ACTION_PREPARE, /* make the segment, so that processes older than the daemon obey it, too */
	HAK_ACTION_LEAVE,   /* say for a daemon that died that there is none */
	HAK_ACTION_HELP,
	HAK_ACTION_VERSION,
};

struct hak_options {
	enum hak_options_action action;
	bool user;
	bool config_given; /* then it has to exist */
	const char *bus; /* never NULL after hak_options_parse(), as those below; all of them stay */
	const char *runtime_dir;
	const char *state_dir;
	const char *config;
};

/**
 * hak_options_parse() - fill @ret_options from argv and the environment's XDG directories
 * Says on stderr what is wrong. Return: 0; -EINVAL, -ENOMEM.
 */
int hak_options_parse(int argc, char **argv, struct hak_options *ret_options);
void hak_options_help(void);

#endif
