/* SPDX-License-Identifier: MIT */
/* Checks of hakctl doctor: doctor_machine.c and doctor_process.c find, doctor.c tells. */
#ifndef HAK_CTL_DOCTOR_H
#define HAK_CTL_DOCTOR_H

#include <cjson/cJSON.h>

#include "ctl.h"

enum hak_check_state {
	HAK_CHECK_OK,
	HAK_CHECK_NOTE,    /* works, and costs something that one may want to know */
	HAK_CHECK_MISSING, /* amiss: doctor exits HAK_EXIT_NO */
};

struct hak_check {
	const char *name; /* a literal */
	enum hak_check_state state;
	char *text; /* owned: what is so; "" where all is well */
	char *mend; /* owned: what to do; "" where nothing helps */
};

struct hak_doctor {
	struct hak_check *check; /* owned */
	size_t count, room;
};

/* @mend: a literal, or "". The text is formatted. */
void hak_doctor_add(struct hak_doctor *doctor, const char *name, enum hak_check_state state, const char *mend,
		    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The kernel, memory settings, directories: without hakmemd. */
void hak_doctor_machine(struct hak_doctor *doctor, const struct hak_ctl *ctl);
/* What hakmemd says of itself. @document: DumpStats. */
void hak_doctor_daemon(struct hak_doctor *doctor, const cJSON *document);
/* Units whose processes run a library that was replaced since, or are not known to hakmemd. @document:
 * DumpStats; NULL where hakmemd does not run. */
void hak_doctor_units(struct hak_doctor *doctor, const cJSON *document);
/* One process: is it preloaded, is it known, and why not. @document: NULL where hakmemd does not run. */
void hak_doctor_process(struct hak_doctor *doctor, const struct hak_ctl *ctl, uint64_t pid,
			const cJSON *document);

/* The first line of a file, without its end. Return: could it be read? */
bool hak_doctor_read_line(const char *path, char *ret_text, size_t room);
/* --runtime-dir, else as 'run' would set it. */
const char *hak_doctor_runtime_dir(const struct hak_ctl *ctl);

#endif
