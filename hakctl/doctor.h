/* SPDX-License-Identifier: MIT */
/* What hakctl doctor looks at; each adds what it finds to the checks. */
#ifndef HAK_CTL_DOCTOR_H
#define HAK_CTL_DOCTOR_H

#include <cjson/cJSON.h>

#include "checks.h"

/* The kernel, memory settings, directories: without hakmemd. */
void hak_doctor_machine(struct hak_checks *checks, const struct hak_ctl *ctl);
/* What hakmemd says of itself. @document: DumpStats. */
void hak_doctor_daemon(struct hak_checks *checks, const cJSON *document);
/* Units whose processes run a library that was replaced since, or are not known to hakmemd. @document:
 * DumpStats; NULL where hakmemd does not run. */
void hak_doctor_units(struct hak_checks *checks, const cJSON *document);
/* One process: is it preloaded, is it known, and why not. @document: NULL where hakmemd does not run. */
void hak_doctor_process(struct hak_checks *checks, const struct hak_ctl *ctl, uint64_t pid,
			const cJSON *document);

/* In doctor_machine.c, for units as well: the first line of a file, without its end. Return: could it be
 * read? */
bool hak_doctor_read_line(const char *path, char *ret_text, size_t room);

#endif
