/* SPDX-License-Identifier: MIT */
/* Words that people type, and the right one for a wrong one. */
#ifndef HAK_CTL_WORDS_H
#define HAK_CTL_WORDS_H

#include "ctl.h"

/* "unknown WHAT 'PREFIXWORD'; did you mean 'PREFIXnear'?" on stderr. @prefix: what stands before the word
 * where it is typed. Return: HAK_EXIT_USAGE. */
int hak_words_unknown(const char *what, const char *word, const char *prefix, const char *const *words,
		      size_t count);

/* A mode's name. Return: 0; HAK_EXIT_USAGE after a line that names the nearest right one. */
int hak_words_mode(const char *text, enum hak_mode *ret_mode);

#endif
