/* SPDX-License-Identifier: MIT */
/* What went wrong, in one line: on stderr, or where somebody catches it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl.h"

static char *caught;
static size_t caught_room;

void hak_ctl_catch(char *text, size_t room)
{
	caught = text;
	caught_room = room;
}

int hak_ctl_fail(int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (caught) {
		vsnprintf(caught, caught_room, format, arguments);
	} else {
		fputs("hakctl: ", stderr);
		vfprintf(stderr, format, arguments);
		putc('\n', stderr);
	}
	va_end(arguments);
	return code;
}

void hak_ctl_out_of_memory(void)
{
	exit(hak_ctl_fail(HAK_EXIT_FAILED, "out of memory"));
}
