/* SPDX-License-Identifier: MIT */
/*
 * Text that strangers wrote, made safe to show: names of files, programs and processes hold any bytes, and
 * must not begin a line of a journal, with a priority of their choice, nor speak to a terminal.
 */
#ifndef HAK_STRANGE_TEXT_H
#define HAK_STRANGE_TEXT_H

#include <stdio.h>

/* Control characters become '?'. */
void hak_make_printable(char *text);

/* As a string of JSON, quotes included: UTF-8, whatever is in it. */
void hak_json_put_string(FILE *file, const char *value);

#endif
