/* SPDX-License-Identifier: MIT */
/* JSON as text: hakmemd's documents go to stdout with every digit as it came, only the white space changes.
 */
#ifndef HAK_CTL_JSON_TEXT_H
#define HAK_CTL_JSON_TEXT_H

#include <stdio.h>

#include "ctl.h"

/* @text: valid JSON. HAK_JSON_SHORT: one line. HAK_JSON_PRETTY: two blanks a level. */
void hak_json_text_print(FILE *file, const char *text, enum hak_json_style style);

/* A string with its quotes, escaped. */
void hak_json_text_string(FILE *file, const char *text);

#endif
