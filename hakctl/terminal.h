/* SPDX-License-Identifier: MIT */
/* What stdout is, looked at once, before a pager takes its place. */
#ifndef HAK_CTL_TERMINAL_H
#define HAK_CTL_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

enum hak_style { HAK_STYLE_PLAIN, HAK_STYLE_HEADING, HAK_STYLE_GOOD, HAK_STYLE_WARN, HAK_STYLE_BAD };

struct hak_terminal {
	bool is_one;
	bool colour;    /* a terminal that can, and neither NO_COLOR nor TERM=dumb (https://no-color.org) */
	size_t columns; /* 0: no limit, as it is none */
};

const struct hak_terminal *hak_terminal(void);

/* Escape sequences around what has that style; "" where there are no colours. */
const char *hak_style_begin(enum hak_style style);
const char *hak_style_end(enum hak_style style);

/* How many columns a text takes. */
size_t hak_text_columns(const char *text);
/* How many bytes of @text fit @columns. */
size_t hak_text_fit(const char *text, size_t columns);

/* @text to stdout in lines of at most the terminal's width (or 80), each after @indent blanks but the first.
 */
void hak_text_wrap(const char *text, size_t indent);

#endif
