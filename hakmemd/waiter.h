/* SPDX-License-Identifier: MIT */
/*
 * Waiting until a published serial is in force, or a request to purge obeyed: who has done it, and why the
 * others have not.
 *
 * A process applies a serial at its next slow visit, so one that does not visit cannot apply, and there is no
 * use in waiting for it. The wait ends when every process has a verdict, or when those without one have not
 * moved since it began and it is older than the settling time, or at its timeout. Polls read one line of
 * those without a verdict, each millisecond at first and each 20 ms in the end, never more than a tenth of
 * the time, and some hundred in one go, so that a wait for 10,000 does not hold up the loop.
 */
#ifndef HAK_WAITER_H
#define HAK_WAITER_H

#include "registry.h"
#include "target.h"

enum hak_wait_verdict {
	HAK_WAIT_PENDING, /* only while it waits */
	HAK_WAIT_APPLIED,
	HAK_WAIT_PINNED,  /* took its mode from its environment; it can purge nevertheless */
	HAK_WAIT_ASLEEP,  /* no slow visit since the wait began */
	HAK_WAIT_STOPPED, /* by a signal or a debugger */
	HAK_WAIT_LOST,    /* visited and did not apply, or its telemetry is not readable any more */
	HAK_WAIT_ENDED,   /* the process ended meanwhile */
	HAK_WAIT_VERDICT_COUNT
};

enum {
	HAK_WAIT_SETTLE_USEC = 100000,
	HAK_WAITERS_MAX = 64,
};
#define HAK_WAIT_MOST_USEC UINT64_C(3600000000)

struct hak_wait_target {
	uint64_t client_id;
	char name[HAK_TELEMETRY_NAME_CHARS + 1];
	uint16_t slot;
	uint8_t verdict; /* enum hak_wait_verdict */
	bool seen;       /* polled at least once: publishes is set */
	bool moved;      /* published something since then */
	uint32_t claims;
	pid_t pid;
	uid_t uid;
	uint64_t publishes;
	uint64_t purge_request; /* of its client, when the wait began */
};

struct hak_wait_query {
	uint64_t serial;
	bool purge;                      /* wait for the purge request instead */
	bool sample;                     /* take one of each process at its verdict, for a report */
	const struct hak_target *target; /* whom to ask; NULL: all */
	uint64_t timeout_usec;
};

struct hak_waiter {
	struct hak_registry *registry;
	struct hak_wait_query query; /* its target is its caller's: used by hak_waiter_new() alone */
	uint64_t settle_usec, deadline_usec;
	uint64_t delay_usec;
	uint64_t busy_usec; /* of this round */
	struct hak_wait_target *target;
	size_t count, pending;
	size_t next;     /* of target, in this round */
	bool concluding; /* the time is over: who has no verdict gets one */
	sd_event_source *source;
	void (*done)(struct hak_waiter *waiter, void *data);
	void *data;
};

/**
 * hak_waiter_new() - whom to wait for; the wait begins with hak_waiter_start()
 * @done: called once from the event loop; frees the waiter with hak_waiter_free()
 * Each poll reads one line of each process without a verdict: about 8 us.
 */
int hak_waiter_new(struct hak_registry *registry, const struct hak_wait_query *query,
		   void (*done)(struct hak_waiter *waiter, void *data), void *data,
		   struct hak_waiter **ret_waiter);
void hak_waiter_start(struct hak_waiter *waiter);
/* Also before it is done. NULL is fine. */
void hak_waiter_free(struct hak_waiter *waiter);

/* The slot behind a target; NULL: its process has ended. */
struct hak_slot *hak_waiter_slot(const struct hak_waiter *waiter, const struct hak_wait_target *target);
size_t hak_waiter_count(const struct hak_waiter *waiter, enum hak_wait_verdict verdict);
const struct hak_wait_target *hak_waiter_find(const struct hak_waiter *waiter, const struct hak_slot *slot);
const char *hak_wait_verdict_name(enum hak_wait_verdict verdict);

#endif
