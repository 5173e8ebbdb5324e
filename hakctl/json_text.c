/* SPDX-License-Identifier: MIT */
/* See json_text.h. Knows strings from the rest, and brackets. */
#include "json_text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

static void new_line(FILE *file, enum hak_json_style style, int depth)
{
	if (style == HAK_JSON_PRETTY)
		fprintf(file, "\n%*s", 2 * depth, "");
}

/* The string that begins at @at, quotes included. Return: where it ends. */
static const char *put_string(FILE *file, const char *at)
{
	const char *end = at + 1;

	while (*end && *end != '"')
		end += *end == '\\' && end[1] ? 2 : 1;
	end += *end == '"';
	fwrite_unlocked(at, 1, (size_t)(end - at), file); /* one thread */
	return end;
}

static const char *skip_space(const char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

void hak_json_text_print(FILE *file, const char *text, enum hak_json_style style)
{
	int depth = 0;

	for (const char *at = skip_space(text); *at; at = skip_space(at)) {
		if (*at == '"') {
			at = put_string(file, at);
			continue;
		}
		if (*at == '}' || *at == ']')
			new_line(file, style, --depth);
		putc_unlocked(*at, file);
		if ((*at == '{' || *at == '[') && *skip_space(at + 1) != (*at == '{' ? '}' : ']')) {
			new_line(file, style, ++depth);
		} else if (*at == '{' || *at == '[') {
			at = skip_space(at + 1);
			putc_unlocked(*at, file);
		} else if (*at == ',') {
			new_line(file, style, depth);
		} else if (*at == ':' && style == HAK_JSON_PRETTY) {
			putc_unlocked(' ', file);
		}
		at++;
	}
	putc_unlocked('\n', file);
}

static struct hak_json opened;
static char *opened_text;
static size_t opened_length;

static FILE *open_text(void)
{
	FILE *file = open_memstream(&opened_text, &opened_length);

	return file ? file : stdout; /* without memory: as it comes */
}

static void close_text(FILE *file, enum hak_json_style style)
{
	if (file == stdout)
		return;
	if (fclose(file) == 0)
		hak_json_text_print(stdout, opened_text, style);
	free(opened_text);
	opened_text = NULL;
}

struct hak_json *hak_json_text_open(void)
{
	opened = (struct hak_json){.file = open_text()};
	hak_json_begin(&opened, NULL, '{');
	hak_json_u64(&opened, "schema", 1);
	return &opened;
}

void hak_json_text_close(struct hak_json *json, enum hak_json_style style)
{
	hak_json_end(json, '}');
	close_text(json->file, style);
}

void hak_json_text_printf(enum hak_json_style style, const char *format, ...)
{
	FILE *file = open_text();
	va_list arguments;

	va_start(arguments, format);
	vfprintf(file, format, arguments);
	va_end(arguments);
	close_text(file, style);
}
