/* SPDX-License-Identifier: MIT */
/*
 * What the daemon knows, as JSON: why a mode is in force, what was learned, what came of a job. Statistics
 * and the comparison of live processes with what is published are in report_walk.h. Pure readers of the
 * manager, except that they look a process's name up in /proc. Each returns a sealed memfd at offset 0, or
 * -errno.
 *
 * Who may see what: a process's own user and root see all of it; others see that it exists, its context and
 * its policy, and nothing that tells who or what it is ("redacted": true).
 */
#ifndef HAK_REPORT_H
#define HAK_REPORT_H

#include "jobs.h"
#include "json_out.h"
#include "manager.h"

enum { HAK_REPORT_SCHEMA = 1 };

struct hak_viewer {
	uid_t uid;
	bool privileged; /* sees everybody's processes */
};

/* What came of an ended job, process by process; those that the viewer may not know are left out. */
int hak_report_job(const struct hak_job *job, const struct hak_viewer *viewer);

static inline bool hak_viewer_sees(const struct hak_viewer *viewer, const struct hak_client *client)
{
	return viewer->privileged || viewer->uid == client->uid;
}

/* ---- shared by report_*.c ---------------------------------------------------------------------------- */

/* Begin a document, which fclose() of its file throws away. Return: 0, or why not. */
int hak_report_begin(struct hak_json *json, const char *name);
/* End the document. Return: the descriptor, or why not; the file is gone either way. */
int hak_report_close(struct hak_json *json);
void hak_report_policy(struct hak_json *json, const char *key, const struct hak_policy *policy);
/* pid, comm, exe, uid, unit, scope, context, … of a process; nulls where the viewer may not know. */
void hak_report_process(struct hak_json *json, const struct hak_slot *slot, const struct hak_viewer *viewer);
/* The policy that is published for a client. */
struct hak_policy hak_report_expected(const struct hak_manager *manager, const struct hak_client *client);
/* A context's phase, strategy in force, reason, and each strategy's rating and verdict. */
void hak_report_learned(struct hak_json *json, const char *key, struct hak_manager *manager,
			const struct hak_learned *learned, const struct hak_viewer *viewer);
void hak_report_pins(struct hak_json *json, const char *key, uint32_t pinned);

#endif
