/* SPDX-License-Identifier: MIT */
/* See terminal.h. */
#include "terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { USUAL_COLUMNS = 80, LEAST_WRAP = 20 };

static size_t columns_of_terminal(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns && atoi(columns) > 0)
		return (size_t)atoi(columns);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return USUAL_COLUMNS;
}

const struct hak_terminal *hak_terminal(void)
{
	static struct hak_terminal terminal;
	static bool looked;
	const char *no_colour = getenv("NO_COLOR"), *kind = getenv("TERM");

	if (looked)
		return &terminal;
	looked = true;
	terminal.is_one = isatty(STDOUT_FILENO);
	if (terminal.is_one) {
		terminal.colour = !(no_colour && *no_colour) && kind && *kind && strcmp(kind, "dumb") != 0;
		terminal.columns = columns_of_terminal();
	}
	return &terminal;
}

const char *hak_style_begin(enum hak_style style)
{
	static const char *const sequences[] = {"", "\033[1m", "\033[32m", "\033[33m", "\033[1;31m"};

	return hak_terminal()->colour ? sequences[style] : "";
}

const char *hak_style_end(enum hak_style style)
{
	return style != HAK_STYLE_PLAIN && hak_terminal()->colour ? "\033[0m" : "";
}

/* The character at @text: its bytes, its columns. What is no character of the locale counts as one column. */
static size_t next_character(const char *text, size_t *ret_columns)
{
	mbstate_t state = {0};
	wchar_t wide;
	size_t bytes = mbrtowc(&wide, text, MB_CUR_MAX, &state);
	int columns;

	*ret_columns = 1;
	if (bytes == 0 || bytes == (size_t)-1 || bytes == (size_t)-2)
		return 1;
	columns = wcwidth(wide);
	*ret_columns = columns < 0 ? 1 : (size_t)columns;
	return bytes;
}

size_t hak_text_columns(const char *text)
{
	size_t all = 0, columns;

	while (*text) {
		text += next_character(text, &columns);
		all += columns;
	}
	return all;
}

size_t hak_text_fit(const char *text, size_t columns)
{
	const char *at = text;
	size_t width;

	while (*at) {
		size_t bytes = next_character(at, &width);

		if (width > columns)
			break;
		columns -= width;
		at += bytes;
	}
	return (size_t)(at - text);
}

void hak_text_wrap(const char *text, size_t indent)
{
	size_t all = hak_terminal()->columns ? hak_terminal()->columns : USUAL_COLUMNS;
	size_t room = all > indent + LEAST_WRAP ? all - indent : LEAST_WRAP;

	for (;;) {
		size_t fit = hak_text_fit(text, room), cut = fit;

		if (text[fit]) {
			while (cut > 0 && text[cut] != ' ')
				cut--;
			cut = cut ? cut : fit;
		}
		printf("%.*s\n", (int)cut, text);
		text += cut;
		text += strspn(text, " ");
		if (!*text)
			return;
		printf("%*s", (int)indent, "");
	}
}
