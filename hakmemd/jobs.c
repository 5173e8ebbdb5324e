/* SPDX-License-Identifier: MIT */
/* See jobs.h. */
#include "jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const char *hak_job_state_name(enum hak_job_state state)
{
	switch (state) {
	case HAK_JOB_RUNNING:
		return "running";
	case HAK_JOB_CANCELLED:
		return "cancelled";
	default:
		return "done";
	}
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

static void end(struct hak_job *job, enum hak_job_state state)
{
	const struct hak_waiter *waiter = job->waiter;

	job->state = state;
	job->ended_usec = hak_registry_now(job->jobs->manager->registry);
	job->taken_bytes = job->wish.advised_bytes;
	job->resident_before_bytes = 0;
	for (int i = 0; i < HAK_WAIT_VERDICT_COUNT; i++)
		job->count[i] = (uint32_t)hak_waiter_count(waiter, (enum hak_wait_verdict)i);
	for (size_t i = 0; i < job->outcomes; i++) {
		struct hak_job_outcome *outcome = &job->outcome[i];

		outcome->verdict = waiter->target[i].verdict;
		if (outcome->verdict == HAK_WAIT_ENDED)
			continue;
		outcome->after_bytes = hak_process_resident_bytes(outcome->pid);
		job->resident_before_bytes += outcome->before_bytes;
		job->resident_after_bytes += outcome->after_bytes;
	}
	stop_watching(job);
	if (job->jobs->ended)
		job->jobs->ended(job->jobs->data, job);
}

static void on_obeyed(struct hak_waiter *waiter, void *data)
{
	struct hak_job *job = data;

	(void)waiter;
	job->obeyed = true;
	if (job->wish.pending == 0)
		end(job, HAK_JOB_DONE);
}

/* The helper has been everywhere. */
static void on_taken(void *data)
{
	struct hak_job *job = data;

	if (job->obeyed)
		end(job, HAK_JOB_DONE);
}

static int watch(struct hak_job *job, const struct hak_target *target, uint64_t timeout_usec)
{
	const struct hak_wait_query query = {.serial = job->jobs->manager->view.serial,
					     .purge = true,
					     .target = target,
					     .timeout_usec = timeout_usec};
	int r = hak_waiter_new(job->jobs->manager->registry, &query, on_obeyed, job, &job->waiter);

	if (r < 0)
		return r;
	job->outcomes = job->waiter->count;
	job->outcome = calloc(job->outcomes + 1, sizeof(*job->outcome));
	if (!job->outcome)
		return -ENOMEM;
	for (size_t i = 0; i < job->outcomes; i++) {
		const struct hak_wait_target *one = &job->waiter->target[i];

		job->outcome[i] = (struct hak_job_outcome){
			.pid = one->pid,
			.uid = one->uid,
			.before_bytes = hak_process_resident_bytes(one->pid)};
		job->resident_before_bytes += job->outcome[i].before_bytes;
	}
	job->wish = (struct hak_reclaim_wish){.done = on_taken, .data = job};
	(void)hak_reclaim_ask(&job->jobs->manager->reclaim, target, &job->wish);
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
	/* Told before they can obey: requests become visible with the serial, which moves now. */
	r = watch(job, target, timeout_usec);
	hak_manager_bump(jobs->manager);
	if (r < 0) { /* they will obey, but nobody watches */
		forget(job);
		return r;
	}
	*ret_id = job->id;
	return 0;
}

int hak_jobs_cancel(struct hak_job *job)
{
	if (job->state != HAK_JOB_RUNNING)
		return -EALREADY;
	end(job, HAK_JOB_CANCELLED);
	return 0;
}
