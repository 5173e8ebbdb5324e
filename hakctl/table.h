/* SPDX-License-Identifier: MIT */
/* Columns that fit the terminal, and numbers as people read them. */
#ifndef HAK_CTL_TABLE_H
#define HAK_CTL_TABLE_H

#include <stddef.h>

#include "terminal.h"

enum { HAK_TABLE_COLUMNS = 16, HAK_TABLE_NUMBER_CHARS = 24 };

struct hak_table_cell {
	char *text; /* owned */
	enum hak_style style;
};

struct hak_table {
	size_t columns;
	const char *align;           /* one letter a column: 'l' or 'r' */
	struct hak_table_cell *cell; /* row by row, the heading first */
	size_t cells, room;
};

void hak_table_init(struct hak_table *table, const char *align);
/* Copies @text; NULL prints as "-". The first row is the heading. */
void hak_table_add(struct hak_table *table, const char *text);
void hak_table_addf(struct hak_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A row of words, such as the heading; @words ends with NULL. */
void hak_table_add_words(struct hak_table *table, const char *const *words);
/*
 * To stdout. Where the terminal is too narrow, columns of text ('l') give way, the widest first, and what
 * they lose is marked with "…"; what is still too much ends at the terminal's edge.
 */
void hak_table_print(const struct hak_table *table);
void hak_table_deinit(struct hak_table *table);

/* "1.5M": powers of 1024, three digits. */
void hak_table_bytes(double bytes, char ret_text[HAK_TABLE_NUMBER_CHARS]);

#endif
