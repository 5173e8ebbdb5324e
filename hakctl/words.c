/* SPDX-License-Identifier: MIT */
/* See words.h. */
#include "words.h"

#include <stdio.h>

#include "nearest.h"

/* So few words are all named, each at most 20 letters long; of more the help tells. */
enum { LISTED_MOST = 8, LISTED_CHARS = LISTED_MOST * 26 };

int hak_words_unknown(const char *what, const char *word, const char *prefix, const char *const *words,
		      size_t count)
{
	const char *near = hak_nearest_word(word, words, count);
	char all[LISTED_CHARS] = "";
	size_t length = 0;

	if (near)
		return hak_ctl_fail(HAK_EXIT_USAGE, "unknown %s '%s%s'; did you mean '%s%s'?", what, prefix,
				    word, prefix, near);
	for (size_t i = 0; count <= LISTED_MOST && i < count; i++)
		length += (size_t)snprintf(all + length, sizeof(all) - length, "%s%s",
					   i == 0           ? ""
					   : i + 1 == count ? " and "
							    : ", ",
					   words[i]);
	if (*all)
		return hak_ctl_fail(HAK_EXIT_USAGE, "unknown %s '%s%s'; there are %s", what, prefix, word,
				    all);
	return hak_ctl_fail(HAK_EXIT_USAGE, "unknown %s '%s%s'; 'hakctl help' lists what there is", what,
			    prefix, word);
}

int hak_words_mode(const char *text, enum hak_mode *ret_mode)
{
	const char *names[HAK_MODE_COUNT];

	if (hak_mode_parse(text, ret_mode) == 0)
		return 0;
	for (int i = 0; i < HAK_MODE_COUNT; i++)
		names[i] = hak_mode_name((enum hak_mode)i);
	return hak_words_unknown("mode", text, "", names, HAK_MODE_COUNT);
}
