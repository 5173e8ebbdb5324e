/* SPDX-License-Identifier: MIT */
/* See jobs.h. */
#include "jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"

enum {
	ASKS_MOST = 256,   /* of the helper at once: others want something of it, too */
	AGAIN_USEC = 20000 /* when so many wait, or its queue is full */
};

const char *hak_job_state_name(enum hak_job_state state)
{
	static const char *const names[] = {"none", "running", "done", "cancelled"};

	return names[state];
}

void hak_jobs_init(struct hak_jobs *jobs, struct hak_manager *manager)
{
	*jobs = (struct hak_jobs){.manager = manager};
}

static void stop_watching(struct hak_job *job)
{
	if (job->jobs && job->wish.pending)
		hak_reclaim_forget(&job->jobs->manager->reclaim, &job->wish);
	job->wish.pending = 0;
	hak_waiter_free(job->waiter);
	job->waiter = NULL;
	job->timer = sd_event_source_disable_unref(job->timer);
}

static void forget(struct hak_job *job)
{
	stop_watching(job);
	free(job->outcome);
	*job = (struct hak_job){.state = HAK_JOB_NONE};
}

void hak_jobs_deinit(struct hak_jobs *jobs)
{
	for (size_t i = 0; i < HAK_JOBS_KEPT; i++)
		forget(&jobs->job[i]);
	*jobs = (struct hak_jobs){.manager = jobs->manager};
}

struct hak_job *hak_jobs_find(struct hak_jobs *jobs, uint64_t id)
{
	for (size_t i = 0; i < HAK_JOBS_KEPT; i++) {
		if (jobs->job[i].state != HAK_JOB_NONE && jobs->job[i].id == id)
			return &jobs->job[i];
	}
	return NULL;
}

/* A place for a new job, of the oldest that has ended. */
static struct hak_job *oldest_ended(struct hak_jobs *jobs)
{
	struct hak_job *oldest = NULL;

	for (size_t i = 0; i < HAK_JOBS_KEPT; i++) {
		struct hak_job *job = &jobs->job[i];

		if (job->state != HAK_JOB_RUNNING && (!oldest || job->id < oldest->id))
			oldest = job;
	}
	return oldest;
}

/* What the process has freed lazily. Return: false: later. */
static bool ask_helper(struct hak_job *job, size_t i)
{
	struct hak_slot *slot = hak_waiter_slot(job->waiter, &job->waiter->target[i]);

	return job->wish.pending < ASKS_MOST &&
	       (!slot || hak_reclaim_ask(&job->jobs->manager->reclaim, slot, &job->wish));
}

/* What it has, before it is told to give it back. */
static void look_before(struct hak_job *job, size_t i)
{
	const struct hak_wait_target *target = &job->waiter->target[i];
	struct hak_job_outcome *outcome = &job->outcome[i];

	*outcome = (struct hak_job_outcome){.pid = target->pid,
					    .uid = target->uid,
					    .before_bytes = hak_process_resident_bytes(target->pid)};
	job->resident_before_bytes += outcome->before_bytes;
}

static void look_after(struct hak_job *job, size_t i)
{
	struct hak_job_outcome *outcome = &job->outcome[i];

	outcome->verdict = job->waiter->target[i].verdict;
	if (outcome->verdict == HAK_WAIT_ENDED) {
		job->resident_before_bytes -= outcome->before_bytes;
		return;
	}
	outcome->after_bytes = hak_process_resident_bytes(outcome->pid);
	job->resident_after_bytes += outcome->after_bytes;
}

/* Requests become visible with the serial, which moves now. */
static void tell(struct hak_job *job)
{
	job->told = true;
	hak_manager_bump(job->jobs->manager);
}

static void end(struct hak_job *job)
{
	job->state = job->end;
	job->ended_usec = hak_registry_now(job->jobs->manager->registry);
	job->taken_bytes = job->wish.advised_bytes;
	job->unanswered = job->wish.unanswered;
	for (int i = 0; i < HAK_WAIT_VERDICT_COUNT; i++)
		job->count[i] = (uint32_t)hak_waiter_count(job->waiter, (enum hak_wait_verdict)i);
	stop_watching(job);
	if (job->jobs->ended)
		job->jobs->ended(job->jobs->data, job);
}

static void go_on(struct hak_job *job, uint64_t usec)
{
	/* A source of ours, a clock that it has: neither can fail. */
	(void)sd_event_source_set_time(job->timer, hak_clock_usec() + usec);
	(void)sd_event_source_set_enabled(job->timer, SD_EVENT_ONESHOT);
}

/* Goes on with the others, as long as there are any. */
static void ask_about_some(struct hak_job *job)
{
	uint64_t until_usec = hak_clock_usec() + HAK_SLICE_USEC;

	for (; job->asked < job->outcomes; job->asked++) {
		bool in_time = hak_clock_usec() < until_usec;

		if (!in_time || !ask_helper(job, job->asked)) {
			go_on(job, in_time ? AGAIN_USEC : HAK_REST_USEC);
			return;
		}
	}
}

static void look_at_some(struct hak_job *job)
{
	uint64_t until_usec = hak_clock_usec() + HAK_SLICE_USEC;

	for (; job->looked_at < job->outcomes; job->looked_at++) {
		if (hak_clock_usec() >= until_usec) {
			go_on(job, HAK_REST_USEC);
			return;
		}
		(job->end ? look_after : look_before)(job, job->looked_at);
	}
	if (job->end) {
		end(job);
		return;
	}
	ask_about_some(job); /* before they are told: who runs gives back by itself then */
	tell(job);
	hak_waiter_start(job->waiter);
}

static void begin_end(struct hak_job *job, enum hak_job_state state)
{
	if (!job->told) {
		tell(job);
		job->outcomes = job->looked_at;
	}
	job->end = state;
	job->looked_at = 0;
	look_at_some(job);
}

static void end_when_done(struct hak_job *job)
{
	if (job->obeyed && job->asked == job->outcomes && !job->wish.pending && !job->end)
		begin_end(job, HAK_JOB_DONE);
}

static int on_turn(sd_event_source *source, uint64_t usec, void *data)
{
	struct hak_job *job = data;

	if (job->told && !job->end) {
		ask_about_some(job);
		end_when_done(job);
	} else {
		look_at_some(job);
	}
	return 0;
}

static void on_obeyed(struct hak_waiter *waiter, void *data)
{
	struct hak_job *job = data;

	job->obeyed = true;
	end_when_done(job);
}

/* The helper has been everywhere so far. */
static void on_taken(void *data)
{
	end_when_done(data);
}

static int watch(struct hak_job *job, const struct hak_target *target, uint64_t timeout_usec)
{
	struct hak_manager *manager = job->jobs->manager;
	const struct hak_wait_query query = {.serial = manager->view.serial,
					     .purge = true,
					     .target = target,
					     .timeout_usec = timeout_usec};
	int r = hak_waiter_new(manager->registry, &query, on_obeyed, job, &job->waiter);

	if (r >= 0)
		r = sd_event_add_time(manager->event, &job->timer, CLOCK_MONOTONIC, 0, 100, on_turn, job);
	if (r < 0)
		return r;
	job->outcomes = job->waiter->count;
	job->outcome = calloc(job->outcomes + 1, sizeof(*job->outcome));
	if (!job->outcome)
		return -ENOMEM;
	job->wish = (struct hak_reclaim_wish){.done = on_taken, .data = job};
	look_at_some(job);
	return 0;
}

int hak_jobs_purge(struct hak_jobs *jobs, const struct hak_target *target, const char *text,
		   uint64_t timeout_usec, const struct hak_asker *asker, uint64_t *ret_id)
{
	struct hak_job *job = oldest_ended(jobs);
	int r;

	if (!job)
		return -ENOBUFS;
	r = hak_manager_request_purge(jobs->manager, target, text, asker);
	if (r < 0)
		return r;
	forget(job);
	*job = (struct hak_job){.id = ++jobs->last_id,
				.state = HAK_JOB_RUNNING,
				.uid = asker->uid,
				.began_usec = hak_registry_now(jobs->manager->registry),
				.jobs = jobs};
	snprintf(job->target, sizeof(job->target), "%s", text);
	r = watch(job, target, timeout_usec);
	if (r < 0) {
		tell(job); /* they will obey, but nobody watches */
		forget(job);
		return r;
	}
	*ret_id = job->id;
	return 0;
}

int hak_jobs_cancel(struct hak_job *job)
{
	if (job->state != HAK_JOB_RUNNING || job->end)
		return -EALREADY;
	begin_end(job, HAK_JOB_CANCELLED);
	return 0;
}
