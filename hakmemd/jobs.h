/* SPDX-License-Identifier: MIT */
/*
 * Work that outlives the call that asked for it. There is one kind so far, "purge": processes give back
 * what their caches hold, and hakmem-helper, where there is one, drops what they have freed lazily. The job
 * looks at all of them in slices, then they are told, which cannot be taken back; it watches who obeys, asks
 * the helper, about some at a time, and looks again at what the kernel says of their memory. One thread.
 */
#ifndef HAK_JOBS_H
#define HAK_JOBS_H

#include "manager.h"
#include "target.h"
#include "waiter.h"

enum {
	HAK_JOBS_KEPT = 32, /* the newest; of these as many may run */
	HAK_JOB_TARGET_CHARS = 288,
};

enum hak_job_state { HAK_JOB_NONE, HAK_JOB_RUNNING, HAK_JOB_DONE, HAK_JOB_CANCELLED };

/* What came of it for one process; those that ended meanwhile keep what they had before. */
struct hak_job_outcome {
	pid_t pid;
	uid_t uid;
	uint8_t verdict; /* enum hak_wait_verdict */
	uint64_t before_bytes, after_bytes;
};

struct hak_job {
	uint64_t id; /* from 1 */
	enum hak_job_state state;
	char target[HAK_JOB_TARGET_CHARS];                    /* as it was asked for */
	uid_t uid;                                            /* who did */
	uint64_t began_usec, ended_usec;                      /* CLOCK_MONOTONIC; 0: not yet */
	uint32_t count[HAK_WAIT_VERDICT_COUNT];               /* applied: it has given back */
	uint64_t resident_before_bytes, resident_after_bytes; /* of processes that did not end meanwhile */
	uint64_t taken_bytes; /* lazily free, and advised from outside to be dropped */
	uint32_t unanswered;  /* processes of which the helper did not say whether it took anything */
	struct hak_job_outcome *outcome; /* by the waiter's targets; kept until the job is forgotten */
	size_t outcomes;
	struct hak_jobs *jobs;
	/* while it runs */
	sd_event_source *timer; /* goes on with its processes, of which some were looked at, or asked about */
	size_t looked_at;       /* outcomes: before the processes are told, and again at the end */
	size_t asked;           /* outcomes: of what the helper was asked to take */
	bool told;              /* the processes are */
	enum hak_job_state end; /* as what it ends, once all were looked at; HAK_JOB_NONE: not yet */
	struct hak_waiter *waiter;
	bool obeyed; /* the waiter is done */
	struct hak_reclaim_wish wish;
};

struct hak_jobs {
	struct hak_manager *manager; /* borrowed */
	struct hak_job job[HAK_JOBS_KEPT];
	uint64_t last_id;
	void (*ended)(void *data, const struct hak_job *job); /* done or cancelled */
	void *data;
};

const char *hak_job_state_name(enum hak_job_state state);

void hak_jobs_init(struct hak_jobs *jobs, struct hak_manager *manager);
/* What runs is forgotten; nobody is told. */
void hak_jobs_deinit(struct hak_jobs *jobs);

/**
 * hak_jobs_purge() - ask the processes of @target to give back what they can
 * @text: the target as it was written
 * A process obeys at its next slow visit; one that sleeps does when it wakes, and is counted as asleep.
 * Processes that were forked from one another share the request: a child's pid means its family.
 * Return: 0; -EPERM while panicked; -ESRCH: nobody matches; -ENOBUFS: too many jobs run; -ENOMEM.
 */
int hak_jobs_purge(struct hak_jobs *jobs, const struct hak_target *target, const char *text,
		   uint64_t timeout_usec, const struct hak_asker *asker, uint64_t *ret_id);

/* NULL: never begun, or so long ago that it was forgotten. */
struct hak_job *hak_jobs_find(struct hak_jobs *jobs, uint64_t id);

/* Stop watching; it ends once all were looked at. Return: 0; -EALREADY: it has ended, or is about to. */
int hak_jobs_cancel(struct hak_job *job);

#endif
