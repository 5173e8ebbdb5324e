/* SPDX-License-Identifier: MIT */
/* The two texts that tallies.c keeps: the snapshot and the journal's lines. Pure; for tallies.c and its test.
 */
#ifndef HAK_TALLIES_FILE_H
#define HAK_TALLIES_FILE_H

#include <cjson/cJSON.h>

#include "tallies.h"

enum { HAK_TALLIES_LINE_BYTES = 2048 };

/* "CRC NAME SLOT CLAIMS INDEX:VALUE… faults:VALUE @UNIT\n", what is zero left out. Return: its length. */
size_t hak_tallies_line_format(const struct hak_tallies_record *record,
			       char ret_line[HAK_TALLIES_LINE_BYTES]);
/* @line: without its newline. Return: 0, -EBADMSG. */
int hak_tallies_line_parse(const char *line, struct hak_tallies_record *ret_record);

/* The caller frees the text; NULL: no memory. */
char *hak_tallies_snapshot_format(const struct hak_tallies *tallies, uint64_t generation,
				  const struct hak_tallies_file *files, size_t count);
/* Fills generation, sums, files. Return: 0, -EBADMSG, -ENOMEM. */
int hak_tallies_snapshot_parse(const cJSON *root, struct hak_tallies *tallies);

#endif
