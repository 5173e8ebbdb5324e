/* SPDX-License-Identifier: MIT */
/* See table.h. Without memory a program that prints can only end: it says so and does. */
#include "table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"

enum { GAP = 2, NARROWEST = 12 };

void hak_table_init(struct hak_table *table, const char *align)
{
	*table = (struct hak_table){.columns = strlen(align), .align = align};
}

static void add_owned(struct hak_table *table, enum hak_style style, char *text)
{
	if (table->cells == table->room) {
		table->room = table->room * 2 + 64;
		table->cell = reallocarray(table->cell, table->room, sizeof(*table->cell));
	}
	if (!text || !table->cell)
		hak_ctl_out_of_memory();
	table->cell[table->cells++] = (struct hak_table_cell){text, style};
}

static void add_styled(struct hak_table *table, enum hak_style style, const char *text)
{
	add_owned(table, style, strdup(text && *text ? text : "-"));
}

void hak_table_add(struct hak_table *table, const char *text)
{
	add_styled(table, HAK_STYLE_PLAIN, text);
}

void hak_table_addf(struct hak_table *table, const char *format, ...)
{
	va_list arguments;
	char *text = NULL;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	add_owned(table, HAK_STYLE_PLAIN, text);
}

void hak_table_add_words(struct hak_table *table, const char *const *words)
{
	enum hak_style style = table->cells ? HAK_STYLE_PLAIN : HAK_STYLE_HEADING;

	while (*words)
		add_styled(table, style, *words++);
}

static void measure(const struct hak_table *table, size_t *width)
{
	for (size_t i = 0; i < table->cells; i++) {
		size_t columns = hak_text_columns(table->cell[i].text);

		if (columns > width[i % table->columns])
			width[i % table->columns] = columns;
	}
}

/* Take from the widest column of text, one at a time, until all fit or none can give any more. */
static void narrow(const struct hak_table *table, size_t *width, size_t limit)
{
	size_t all = 0, widest;

	for (size_t i = 0; i < table->columns; i++)
		all += width[i] + (i ? GAP : 0);
	for (; all > limit; all--) {
		widest = table->columns;
		for (size_t i = 0; i < table->columns; i++)
			if (table->align[i] == 'l' && width[i] > NARROWEST &&
			    (widest == table->columns || width[i] >= width[widest]))
				widest = i;
		if (widest == table->columns)
			return;
		width[widest]--;
	}
}

/* @room: columns up to the terminal's edge. What lies beyond it is not there. */
static void put_cell(const struct hak_table *table, size_t index, size_t width, size_t room)
{
	const struct hak_table_cell *cell = &table->cell[index];
	size_t columns = hak_text_columns(cell->text);
	bool right = table->align[index % table->columns] == 'r';
	bool cut;
	int bytes, blanks;

	width = width < room ? width : room;
	cut = columns > width;
	bytes = (int)(cut ? hak_text_fit(cell->text, width - 1) : strlen(cell->text));
	blanks = (int)(cut ? 0 : width - columns);
	printf("%*s%s%.*s%s%s", right ? blanks : 0, "", hak_style_begin(cell->style), bytes, cell->text,
	       cut ? "…" : "", hak_style_end(cell->style));
	if ((index + 1) % table->columns && room > width + GAP)
		printf("%*s", (right ? 0 : blanks) + GAP, "");
}

static void put_row(const struct hak_table *table, size_t first, const size_t *width, size_t limit)
{
	size_t at = 0;

	for (size_t i = 0; i < table->columns && at < limit; i++) {
		put_cell(table, first + i, width[i], limit - at);
		at += width[i] + GAP;
	}
	putchar('\n');
}

void hak_table_print(const struct hak_table *table)
{
	size_t width[HAK_TABLE_COLUMNS] = {0}, limit = hak_terminal()->columns;

	measure(table, width);
	if (limit)
		narrow(table, width, limit);
	for (size_t i = 0; i < table->cells; i += table->columns)
		put_row(table, i, width, limit ? limit : SIZE_MAX);
}

void hak_table_deinit(struct hak_table *table)
{
	for (size_t i = 0; i < table->cells; i++)
		free(table->cell[i].text);
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
