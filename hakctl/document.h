/* SPDX-License-Identifier: MIT */
/* hakmemd's JSON documents, for verbs that print them for people. */
#ifndef HAK_CTL_DOCUMENT_H
#define HAK_CTL_DOCUMENT_H

#include <cjson/cJSON.h>

#include "ctl.h"

/**
 * hak_document_parse() - for people: control characters in its strings become question marks
 * The names of programs and files in it are other users', and must not speak to the terminal of whoever
 * looks. The caller deletes. Return: NULL where it is no JSON.
 */
cJSON *hak_document_parse(const char *text);

enum { HAK_DOCUMENT_TARGET_CHARS = 16 };

/* Of a verb that takes [PID]: "pid:PID", or "*" for all. Return: 0, or HAK_EXIT_USAGE after a line on stderr.
 */
int hak_document_target(const struct hak_ctl *ctl, char ret_target[HAK_DOCUMENT_TARGET_CHARS]);

/**
 * hak_document_get() - ask, print where --json was given, parse otherwise
 * @ret_root: NULL where it was printed. The caller deletes.
 * @always:   parse even where it was printed
 * Return: 0, or the exit code.
 */
int hak_document_get(struct hak_ctl *ctl, const char *member, const char *target, bool always,
		     cJSON **ret_root);

/* An array of processes in the order of their ids; as hakmemd knows them they stand as they came. */
void hak_document_sort(cJSON *processes);

/* Members of an object; "-" and 0 where they are null or absent. */
const char *hak_document_text(const cJSON *object, const char *name);
double hak_document_number(const cJSON *object, const char *name);
/* Is it there, and true? */
bool hak_document_is(const cJSON *object, const char *name);

/* Does its environment fix the mode of a process? */
bool hak_document_is_pinned(const cJSON *process);

#endif
