/* SPDX-License-Identifier: MIT */
/* hakctl's options: one table for the command line, the help, and `hakctl help --json`. */
#ifndef HAK_CTL_OPTIONS_H
#define HAK_CTL_OPTIONS_H

#include "ctl.h"

struct hak_option {
	const char *name;
	const char *value; /* "=X" needs one, "[=X]" may have one, "" has none */
	unsigned bit;      /* enum hak_ctl_option */
	const char *help;
	int (*take)(struct hak_ctl *ctl, const char *value); /* return: 0, or an exit code after a line */
	size_t member; /* of struct hak_ctl, where @take is NULL: const char *, or bool without a value */
};

extern const struct hak_option hak_options[]; /* ends with a NULL name */

/**
 * hak_options_take() - options among @argv[1] and later, or only up to the first other word
 * @first_word: stop there
 * @seen: bits of those that were there are added
 * @ret_next: index of the first word that is none
 * Return: 0, or an exit code after a line on stderr.
 */
int hak_options_take(struct hak_ctl *ctl, int argc, char **argv, bool first_word, unsigned *seen,
		     int *ret_next);

#endif
