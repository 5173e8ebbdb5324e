/* SPDX-License-Identifier: MIT */
/*
 * The sum of everybody's counters, and the ledger: what is mapped is live, held or free. The three come from
 * different books (the threads' tallies, the bins and BigCache, the heaps and superslabs), so that
 *
 *   mapped_bytes == live_bytes + held_bytes + free_bytes
 *
 * is a check and no tautology. It holds exactly whenever no thread has passed the hot path since its last
 * visit.
 */
#ifndef HAK_STATS_H
#define HAK_STATS_H

#include "counters.h"
#include "thread.h"

struct hak_stats {
	uint64_t counter[HAK_COUNTER_COUNT];
	uint64_t gauge[HAK_GAUGE_COUNT];
};

/* Threads: any; takes the superslab, BigCache and mapping locks one after the other. No system call. */
void hak_stats_collect(struct hak_stats *ret_stats);

/* Collect and store into the telemetry slot, if there is one. One thread at a time; others return at once. */
void hak_stats_publish(void);

/*
 * The last word of a process that ends by _exit in a trial: counters and cost; gauges stay what they were.
 * What passed the bins since their last slow visit is not counted. Syscalls: getpid, and those of a publish.
 * Threads: any; waits for none, takes no other lock, and so is safe in a signal handler.
 */
void hak_stats_publish_end(void);

/* In the constructor: the process begins here. Syscalls, where it runs a strategy for a trial: getrusage, and
 * reading /proc/self/statm. */
void hak_stats_begin(void);

/* In a forked child: what the parent counted is not the child's, but what it has live is. */
void hak_stats_fork_child(void);

#endif
