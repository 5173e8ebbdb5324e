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

struct hak_report_walk {
	struct hak_report report;
	struct hak_manager *manager; /* borrowed */
	struct hak_target target;
	struct hak_viewer viewer;
	uint64_t limit;        /* so many processes more at most */
	uint64_t refresh_usec; /* that is to be spent on fresh samples, before it is written */
	/* Of the next slot: its client's id, times HAK_TELEMETRY_SLOTS_MAX, and its index; of contexts: the
	 * next hash. */
	uint64_t place;
	bool begun;
	void (*begin)(struct hak_report_walk *walk);
	void (*process)(struct hak_report_walk *walk, const struct hak_slot *slot);
	void (*end)(struct hak_report_walk *walk);
	/* DumpRatings' and ExportTallies', in the place of processes. @write: until the time is up; false:
	 * there is more. */
	bool (*write)(struct hak_report_walk *walk, uint64_t until_usec);
	struct hak_key context; /* the only one */
	uint64_t number;        /* of the export */
	DIR *directory;         /* owned; of contexts that are on the disk alone; NULL: not yet */
	/* DumpStats' */
	bool brief;
	/* Verify's */
	const struct hak_waiter *waiter; /* borrowed */
	uint64_t counts[HAK_VERIFY_COUNT];
};

enum { HAK_REPORT_PAGE = 256 }; /* processes that may be looked at anew in one go: about 5 ms */

/* Begin a document, and look anew at the processes that it will be about. Return: 0; -ESRCH where the target
 * is not "*" and nothing matches; or why not. */
int hak_report_walk_open(struct hak_report_walk *walk, const char *name);

struct hak_stats_extent {
	uint64_t limit; /* so many processes at most */
	bool brief;     /* of each what hakctl's tables need */
};

/* DumpStats: docs/schema/stats.json. Return: 0; -ESRCH where @target is not "*" and nothing matches; or why
 * not. */
int hak_report_stats(struct hak_report_walk *walk, struct hak_manager *manager,
		     const struct hak_target *target, const struct hak_viewer *viewer,
		     const struct hak_stats_extent *extent);
/* Explain: docs/schema/explain.json. Return: as hak_report_stats(). */
int hak_report_explain(struct hak_report_walk *walk, struct hak_manager *manager,
		       const struct hak_target *target, const struct hak_viewer *viewer);
/* DumpRatings: docs/schema/ratings.json. What was learned: of one context, or of all where @context is NULL.
 * Return: 0, or why not. */
int hak_report_ratings(struct hak_report_walk *walk, struct hak_manager *manager,
		       const struct hak_key *context, const struct hak_viewer *viewer);
/* ExportTallies: an exchange document (exchange.h) of all contexts, those on the disk included. Return: as
 * above. */
int hak_report_export(struct hak_report_walk *walk, struct hak_manager *manager,
		      const struct hak_viewer *viewer);
/* Verify, of those that @waiter has waited for. Return: 0, or why not. */
int hak_report_verify(struct hak_report_walk *walk, struct hak_manager *manager,
		      const struct hak_target *target, const struct hak_viewer *viewer,
		      const struct hak_waiter *waiter);

/**
 * hak_report_go_on() - write on, for some milliseconds
 * Return: -EAGAIN: call it again; else the descriptor of the whole document or why there is none, and the
 * walk is gone.
 */
int hak_report_go_on(struct hak_report_walk *walk);
/* Give it up before that. */
void hak_report_drop(struct hak_report_walk *walk);

#endif
