/* SPDX-License-Identifier: MIT */
/*
 * The process's place in the system: its environment, the control segment that it follows, the telemetry file
 * that it writes, and the policy in force that comes of all this. Everything here may be missing; the
 * allocator then runs on the built-in policy.
 *
 *                  | follow (any visit)   | poll (any visit)
 *   follow         | one at a time, lock  | yes [P1]
 *
 * [P1] policy_epoch: release after everything of a policy is stored, acquire by the visit that acts on it.
 */
#ifndef HAK_PROCESS_H
#define HAK_PROCESS_H

#include <stdatomic.h>

#include "config.h"
#include "lazy.h"
#include "score.h"
#include "telemetry.h"

struct hak_process {
	_Atomic(const struct hak_control_header *) control; /* NULL: none; set once, by the constructor */
	_Atomic uint64_t seen_serial;              /* of the control segment, when it was last followed */
	_Atomic uint32_t policy_epoch;             /* [P1] counts policies in force, from 1 */
	_Atomic bool thread_bins;                  /* the policy's */
	_Atomic bool plays;                        /* the policy is one that games.h has to do with */
	_Atomic bool release_wanted;               /* the policy wants the caches emptied */
	_Atomic bool convert_wanted;               /* its THP has changed */
	_Atomic bool is_untold;                    /* a forked child's that has not published yet */
	_Atomic uint64_t purge_request;            /* of our entry, the last one seen: each thread obeys it */
	_Atomic uint64_t purged;                   /* the last one that some thread has obeyed */
	_Atomic(struct hak_telemetry_slot *) slot; /* NULL: no telemetry */
};
extern struct hak_process hak_process;

/* Has something been published since we last looked? One relaxed load of shared memory. */
static inline bool hak_process_is_behind(void)
{
	const struct hak_control_header *control = atomic_load_explicit(&hak_process.control,
									memory_order_relaxed);

	/* relaxed: a late look only delays; hak_process_follow() loads again with acquire [S2] */
	return control && atomic_load_explicit(&control->serial, memory_order_relaxed) !=
				  atomic_load_explicit(&hak_process.seen_serial, memory_order_relaxed);
}

/**
 * hak_process_init() - the constructor's work
 * Reads the environment, maps the control segment, makes the telemetry file, puts a policy in force.
 * Syscalls: those of hak_control_map() and hak_telemetry_create(); no others are made after it but by fork.
 */
void hak_process_init(void);

/*
 * Put in force what the control segment says now. Threads: any; one at a time, the others go on. No system
 * call.
 */
void hak_process_follow(void);

/* What the games have to know of the policy in force. */
struct hak_process_play {
	struct hak_policy policy;
	struct hak_schedule schedule;   /* of our entry; zeros: none */
	struct hak_machine_costs costs; /* zeros where unknown */
	uint32_t epoch;                 /* hak_process.policy_epoch that this belongs to */
	bool frozen;                    /* by our own decision */
};
void hak_process_play(struct hak_process_play *ret_play);

/*
 * Our own decision, in a policy that learns: @strategy is in force from here on, with balanced's row where
 * the mode is learning. And taken back. Threads: any; a policy is put in force.
 */
void hak_process_freeze(uint8_t strategy);
void hak_process_thaw(void);

/* Results of a pair of games between two strategies of the table, into the file's tallies. */
void hak_process_tally(uint8_t strategy_a, uint8_t strategy_b, const struct hak_score *score);

/*
 * Find out whether what is given back lazily would be collected (hak_lazy.allowed): a daemon lives whose
 * heartbeat moves, the policy is adaptive, and no child shares our pages. One load of shared memory and a
 * clock.
 */
void hak_process_watch_daemon(void);

/* Tell the daemon that what could be given back at @request has been. */
void hak_process_purged(uint64_t request);

/* A child shares our pages, or we our parent's: nothing is freed lazily any more. */
void hak_process_has_forked(void);

/* A policy is never half in force across a fork; the child gets a telemetry slot of its own. */
void hak_process_fork_prepare(void);
void hak_process_fork_parent(void);
void hak_process_fork_child(void);

/* One line into the telemetry's ring where the policy logs at @level. */
void hak_process_log(enum hak_log level, const char *line);

#endif
