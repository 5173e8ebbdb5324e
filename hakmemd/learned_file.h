/* SPDX-License-Identifier: MIT */
/*
 * What was learned of a context, as text: STATE_DIR/contexts/HEX.json, one file a context, and the list of
 * tallies that export and import exchange. 64-bit integers are strings. Versioned by "schema": a file of a
 * later schema is refused and left alone, members that this version does not know are ignored.
 */
#ifndef HAK_LEARNED_FILE_H
#define HAK_LEARNED_FILE_H

#include "json_file.h"
#include "learned.h"

#define HAK_LEARNED_DIRECTORY "contexts"
enum { HAK_LEARNED_SCHEMA = 1, HAK_LEARNED_NAME_CHARS = HAK_CONTEXT_HEX_CHARS + 5 };

/* "HEX.json". */
void hak_learned_file_name(const struct hak_key *context, char ret_name[HAK_LEARNED_NAME_CHARS + 1]);

/* Return: the text, the caller frees; NULL without memory. */
char *hak_learned_format(const struct hak_learned *learned);

/* Return: 0; -ENOENT; -EBADMSG (damaged), -EPROTONOSUPPORT (a later schema), -ENOMEM, or why it could not be
 * read. */
int hak_learned_load(int directory_fd, const struct hak_key *context, struct hak_learned **ret_learned);

/* Its names and tallies alone, as members; and back: the names, and one of the tallies. Return: 0; -EBADMSG.
 */
void hak_learned_put(struct hak_json *json, const struct hak_learned *learned);
void hak_learned_take_names(const cJSON *object, struct hak_learned *learned);
int hak_learned_parse_tally(const cJSON *item, struct hak_tally_entry *ret_entry);

#endif
