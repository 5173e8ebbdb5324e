/* SPDX-License-Identifier: MIT */
/*
 * A document about processes, or contexts, that is written some of them at a time, so that whoever asks about
 * 10,000 keeps nobody waiting. What comes or goes meanwhile may be in it or not. One thread.
 */
#ifndef HAK_REPORT_WALK_H
#define HAK_REPORT_WALK_H

#include <dirent.h>

#include "report.h"
#include "target.h"
#include "waiter.h"

enum hak_verify {
	HAK_VERIFY_MATCH,
	HAK_VERIFY_DIFFERS,
	HAK_VERIFY_PINNED,
	HAK_VERIFY_ASLEEP,
	HAK_VERIFY_STOPPED,
	HAK_VERIFY_LOST,
	HAK_VERIFY_BEHIND,
	HAK_VERIFY_COUNT
};

struct hak_report_walk;

/* What a document says: of processes, or of contexts. */
struct hak_report_kind {
	const char *name; /* of its memfd */
	void (*begin)(struct hak_report_walk *walk);
	void (*process)(struct hak_report_walk *walk, const struct hak_slot *slot);
	void (*context)(struct hak_report_walk *walk, struct hak_learned *learned);
	/* Contexts that are not in memory, until the time is up. Return: false: there are more. */
	bool (*others)(struct hak_report_walk *walk, uint64_t until_usec);
	void (*end)(struct hak_report_walk *walk);
};

extern const struct hak_report_kind hak_report_stats;   /* docs/schema/stats.json */
extern const struct hak_report_kind hak_report_explain; /* docs/schema/explain.json */
extern const struct hak_report_kind hak_report_verify;  /* of those that a waiter has waited for */
extern const struct hak_report_kind hak_report_ratings; /* docs/schema/ratings.json */
extern const struct hak_report_kind hak_report_export;  /* all tallies, as exchange.h has them */

/* From its caller: kind, manager, viewer, and what they need of the rest. */
struct hak_report_walk {
	const struct hak_report_kind *kind;
	struct hak_json json;
	struct hak_manager *manager; /* borrowed */
	struct hak_target target;    /* processes that it is about */
	struct hak_viewer viewer;
	uint64_t limit;        /* so many processes more at most */
	bool brief;            /* of each what hakctl's tables need */
	struct hak_key context; /* the only one; zero: all */
	const struct hak_waiter *waiter; /* verify's; borrowed */
	uint64_t refresh_usec; /* that is to be spent on fresh samples, before it is written */
	/* Of the next slot: its client's id, times HAK_TELEMETRY_SLOTS_MAX, and its index; of contexts: the
	 * next hash. */
	uint64_t place;
	bool begun;
	uint64_t counts[HAK_VERIFY_COUNT];
	uint64_t number; /* of the export */
	DIR *directory;  /* owned; of contexts that are on the disk alone; NULL: not yet */
};

enum { HAK_REPORT_PAGE = 256 }; /* processes that may be looked at anew in one go: about 5 ms */

/* Begin the document, and look anew at what it will be about. Return: 0; -ESRCH where the target is not "*"
 * and no process matches; or why not. */
int hak_report_open(struct hak_report_walk *walk);

/**
 * hak_report_go_on() - write on, for some milliseconds
 * Return: -EAGAIN: call it again; else the descriptor of the whole document or why there is none, and the
 * walk is gone.
 */
int hak_report_go_on(struct hak_report_walk *walk);
/* Give it up before that. */
void hak_report_drop(struct hak_report_walk *walk);

#endif
