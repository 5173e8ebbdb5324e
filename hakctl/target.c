/* SPDX-License-Identifier: MIT */
/* See target.h. */
#include "target.h"

#include <stdio.h>
#include <string.h>

enum { PID_DIGITS = 10, CONTEXT_DIGITS = 32 };

static bool consists_of(const char *word, const char *letters)
{
	return *word && word[strspn(word, letters)] == '\0';
}

static bool is_pid(const char *word)
{
	return strlen(word) <= PID_DIGITS && consists_of(word, "0123456789");
}

void hak_target_write(const char *word, char ret_target[HAK_TARGET_CHARS])
{
	if (strchr(word, ':') || strcmp(word, "*") == 0)
		snprintf(ret_target, HAK_TARGET_CHARS, "%s", word);
	else if (is_pid(word))
		snprintf(ret_target, HAK_TARGET_CHARS, "pid:%s", word);
	else if (strlen(word) == CONTEXT_DIGITS && consists_of(word, "0123456789abcdef"))
		snprintf(ret_target, HAK_TARGET_CHARS, "context:%s", word);
	else
		snprintf(ret_target, HAK_TARGET_CHARS, "unit:%s%s", word,
			 strpbrk(word, ".*?[") ? "" : ".service");
}

void hak_target_write_context(const char *word, char ret_target[HAK_TARGET_CHARS])
{
	snprintf(ret_target, HAK_TARGET_CHARS, "%s%s",
		 is_pid(word)                                                         ? "pid:"
		 : strncmp(word, "pid:", 4) == 0 || strncmp(word, "context:", 8) == 0 ? ""
										      : "context:",
		 word);
}
