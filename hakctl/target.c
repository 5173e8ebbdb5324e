/* SPDX-License-Identifier: MIT */
/* See target.h. */
#include "target.h"

#include <stdio.h>
#include <string.h>

enum { CONTEXT_DIGITS = 32 };

static bool consists_of(const char *word, const char *letters)
{
	return *word && word[strspn(word, letters)] == '\0';
}

static bool is_context(const char *word)
{
	return strlen(word) == CONTEXT_DIGITS && consists_of(word, "0123456789abcdef");
}

/* Numbers that no process can have, too: hakmemd says so. */
static bool is_pid(const char *word)
{
	return consists_of(word, "0123456789") && !is_context(word);
}

void hak_target_write(const char *word, char ret_target[HAK_TARGET_CHARS])
{
	if (strchr(word, ':') || strcmp(word, "*") == 0)
		snprintf(ret_target, HAK_TARGET_CHARS, "%s", word);
	else if (is_pid(word))
		snprintf(ret_target, HAK_TARGET_CHARS, "pid:%s", word);
	else if (is_context(word))
		snprintf(ret_target, HAK_TARGET_CHARS, "context:%s", word);
	else
		snprintf(ret_target, HAK_TARGET_CHARS, "unit:%s%s", word,
			 !*word || strpbrk(word, ".*?[") ? "" : ".service");
}

void hak_target_write_context(const char *word, char ret_target[HAK_TARGET_CHARS])
{
	snprintf(ret_target, HAK_TARGET_CHARS, "%s%s",
		 is_pid(word)                                                         ? "pid:"
		 : strncmp(word, "pid:", 4) == 0 || strncmp(word, "context:", 8) == 0 ? ""
										      : "context:",
		 word);
}
