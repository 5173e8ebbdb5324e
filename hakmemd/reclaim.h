/* SPDX-License-Identifier: MIT */
/*
 * Taking lazily freed memory out of processes from outside. The process has told the kernel that it may
 * take the pages (MADV_FREE) and the daemon where they are (telemetry); hakmem-helper makes the kernel take
 * them. No code runs in the process, so it works while it sleeps or is stopped.
 *
 * Reasons: nothing has moved in the process for the configured time (neither its telemetry nor its CPU
 * time); memory is short on the machine or in its cgroup; all processes together hold more free memory than
 * the configured budget; its mode has become one that keeps nothing; somebody asks. Without a helper the
 * first does nothing, and the others ask the process to do it itself at its next slow visit. Nothing at all
 * happens while panicked. One thread.
 */
#ifndef HAK_RECLAIM_H
#define HAK_RECLAIM_H

#include <sys/queue.h>

#include "collapse.h"
#include "conf.h"
#include "helper_link.h"
#include "registry.h"

enum hak_reclaim_reason {
	HAK_RECLAIM_IDLE,
	HAK_RECLAIM_PRESSURE,
	HAK_RECLAIM_CGROUP,
	HAK_RECLAIM_BUDGET,
	HAK_RECLAIM_MODE,
	HAK_RECLAIM_ASKED
};

struct hak_reclaim_stats {
	uint64_t requests, calls, advised_bytes;
	uint64_t refused_ranges; /* that were not private anonymous memory: their process is named in the
				    journal */
	uint64_t failed;
	int last_error; /* of those that failed, but for what passes; 0: none yet */
};

/* A request that runs; kept by its caller until @done. */
struct hak_reclaim_wish {
	unsigned pending;    /* processes */
	unsigned unanswered; /* processes about which the helper hung or went away */
	uint64_t advised_bytes;
	void (*done)(void *data);
	void *data;
};

struct hak_reclaim_asked;

struct hak_reclaim {
	struct hak_registry *registry;      /* borrowed */
	const struct hak_conf_purge *purge; /* borrowed: thresholds, as they are configured now */
	const uint64_t *busy_percent;       /* borrowed: of PSI CPU, for collapse */
	struct hak_helper_link link;
	struct hak_collapse collapse;
	sd_event_source *timer;
	LIST_HEAD(hak_reclaim_asked_list, hak_reclaim_asked) asked; /* that the helper is at */
	uint64_t budget_usec;            /* when the budget was last looked at */
	/* A round looks at all clients, some milliseconds at a time. */
	uint64_t next_id; /* of the client where it goes on; 0: the next round begins */
	bool is_short;    /* memory of the machine, when the round began */
	bool is_over_budget;
	bool asks;                   /* somebody was asked in this round */
	void (*tell_asked)(void *data); /* those that were asked to do it themselves */
	/* A decision, for the journal: "reclaim" or "budget", what came of it, and why. */
	void (*decided)(void *data, const char *what, const char *result, const char *why);
	void *data;
	struct hak_reclaim_stats stats;
};

/* purge, busy_percent, data and the functions are set. Return: 0, or why not. */
int hak_reclaim_init(struct hak_reclaim *reclaim, struct hak_registry *registry, const char *runtime_dir);
void hak_reclaim_deinit(struct hak_reclaim *reclaim);

/* Look for reasons, or do not: there is nobody to look at. */
void hak_reclaim_watch(struct hak_reclaim *reclaim, bool watch);

/**
 * hak_reclaim_ask() - take what is lazily free from a process, if it has any and there is a helper
 * @wish: may be that of others, too; its done is called when none is pending any more, never from here
 * Return: false: so many wait for the helper that it can be asked later at best.
 */
bool hak_reclaim_ask(struct hak_reclaim *reclaim, struct hak_slot *slot, struct hak_reclaim_wish *wish);

/* Forget a wish that runs: what has been asked for happens, and nobody is told. */
void hak_reclaim_forget(struct hak_reclaim *reclaim, const struct hak_reclaim_wish *wish);

#endif
