/* SPDX-License-Identifier: MIT */
/* JSON as text: hakmemd's documents go to stdout with every digit as it came, only the white space changes.
 */
#ifndef HAK_CTL_JSON_TEXT_H
#define HAK_CTL_JSON_TEXT_H

#include <stdio.h>

#include "ctl.h"
#include "json_out.h"

/* @text: valid JSON. HAK_JSON_SHORT: one line. HAK_JSON_PRETTY: two blanks a level. */
void hak_json_text_print(FILE *file, const char *text, enum hak_json_style style);

/* A document that is written piece by piece, from behind its "schema" on, for the right style in the end. One
 * at a time. */
struct hak_json *hak_json_text_open(void);
void hak_json_text_close(struct hak_json *json, enum hak_json_style style);
/* And one that is written at once. */
void hak_json_text_printf(enum hak_json_style style, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
