/* SPDX-License-Identifier: MIT */
/* See table.h. Without memory a program that prints can only end: it says so and does. */
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl.h"

enum { GAP = 2 };

void hak_table_init(struct hak_table *table, const char *align)
{
	*table = (struct hak_table){.columns = strlen(align), .align = align};
}

static void add_owned(struct hak_table *table, char *text)
{
	if (table->cells == table->room) {
		table->room = table->room * 2 + 64;
		table->cell = reallocarray(table->cell, table->room, sizeof(*table->cell));
	}
	if (!text || !table->cell)
		exit(hak_ctl_fail(HAK_EXIT_FAILED, "out of memory"));
	table->cell[table->cells++] = text;
}

void hak_table_add(struct hak_table *table, const char *text)
{
	add_owned(table, strdup(text && *text ? text : "-"));
}

void hak_table_addf(struct hak_table *table, const char *format, ...)
{
	va_list arguments;
	char *text = NULL;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	add_owned(table, text);
}

/* 0: no limit, as output is not for a terminal. */
static size_t terminal_columns(void)
{
	struct winsize size;
	const char *columns = getenv("COLUMNS");

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (columns && atoi(columns) > 0)
		return (size_t)atoi(columns);
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 80;
}

/* One cell at @at of a line, with blanks up to the next. Return: where that begins. */
static size_t put_cell(const struct hak_table *table, size_t column, const char *text, size_t width,
		       size_t at, char *line)
{
	size_t length = strlen(text), before = table->align[column] == 'r' ? width - length : 0;
	size_t all = width + (column + 1 < table->columns ? GAP : 0);

	memset(line + at, ' ', all);
	memcpy(line + at + before, text, length);
	return at + all;
}

void hak_table_print(const struct hak_table *table)
{
	size_t width[HAK_TABLE_COLUMNS] = {0}, limit = terminal_columns(), all = 0, at = 0;
	char *line;

	for (size_t i = 0; i < table->cells; i++) {
		size_t length = strlen(table->cell[i]);

		if (length > width[i % table->columns])
			width[i % table->columns] = length;
	}
	for (size_t i = 0; i < table->columns; i++)
		all += width[i] + GAP;
	line = malloc(all + 1);
	if (!line)
		exit(hak_ctl_fail(HAK_EXIT_FAILED, "out of memory"));
	for (size_t i = 0; i < table->cells; i++) {
		size_t column = i % table->columns;

		at = put_cell(table, column, table->cell[i], width[column], column ? at : 0, line);
		if (column + 1 < table->columns)
			continue;
		if (limit && at > limit)
			at = limit;
		while (at > 0 && line[at - 1] == ' ')
			at--;
		printf("%.*s\n", (int)at, line);
	}
	free(line);
}

void hak_table_deinit(struct hak_table *table)
{
	for (size_t i = 0; i < table->cells; i++)
		free(table->cell[i]);
	free(table->cell);
	*table = (struct hak_table){.columns = 0};
}

void hak_table_bytes(double bytes, char ret_text[HAK_TABLE_NUMBER_CHARS])
{
	static const char units[] = "BKMGTPE";
	size_t unit = 0;

	while (bytes >= 999.5 && unit + 2 < sizeof(units)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(ret_text, HAK_TABLE_NUMBER_CHARS, unit && bytes < 9.95 ? "%.1f%c" : "%.0f%c", bytes,
		 units[unit]);
}
