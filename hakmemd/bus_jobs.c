/* SPDX-License-Identifier: MIT */
/* Members that begin work and tell of it: Purge, StartJob, GetJob and others. See bus.h, jobs.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "bus.h"

/* What anybody may know: numbers alone. */
static int append_numbers(sd_bus_message *message, const struct hak_job *job)
{
	uint64_t end_usec = job->ended_usec ? job->ended_usec
					    : hak_registry_now(job->jobs->manager->registry);

	return sd_bus_message_append(
		message, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}", "kind", "s", "purge", "state", "s",
		hak_job_state_name(job->state), "usec", "t", end_usec - job->began_usec, "obeyed", "u",
		job->count[HAK_WAIT_APPLIED], "asleep", "u", job->count[HAK_WAIT_ASLEEP], "stopped", "u",
		job->count[HAK_WAIT_STOPPED], "lost", "u", job->count[HAK_WAIT_LOST], "resident-before", "t",
		job->resident_before_bytes, "resident-after", "t", job->resident_after_bytes, "taken", "t",
		job->taken_bytes, "unanswered", "u", job->unanswered);
}

/* @whole: who asked, and for whom, too. */
static int append_job(sd_bus_message *message, const struct hak_job *job, bool whole)
{
	int r;

	r = sd_bus_message_open_container(message, 'a', "{sv}");
	if (r >= 0)
		r = append_numbers(message, job);
	if (r >= 0 && whole)
		r = sd_bus_message_append(message, "{sv}{sv}", "target", "s", job->target, "uid", "u",
					  (uint32_t)job->uid);
	return r < 0 ? r : sd_bus_message_close_container(message);
}

/* The options and the work of Purge and of StartJob("purge"), once the target was read. */
static int begin_purge(struct hak_bus *bus, sd_bus_message *message, const char *text, sd_bus_error *error)
{
	struct hak_asker asker = {.reason = ""};
	uint64_t timeout_usec = 10000000, id;
	const struct hak_bus_option options[] = {
		{"reason", 's', &asker.reason, NULL},
		{"timeout-usec", 't', &timeout_usec, NULL},
	};
	struct hak_target target;
	int r;

	r = hak_bus_read(message, options, 2, &asker, error, "");
	if (r >= 0)
		r = hak_bus_parse_target(text, &target, error);
	if (r < 0)
		return r;
	r = hak_jobs_purge(&bus->jobs, &target, text, timeout_usec, &asker, &id);
	if (r == -ENOBUFS)
		return hak_bus_fail(error, r, "running jobs");
	if (r < 0)
		return hak_bus_fail(error, r, text);
	return sd_bus_reply_method_return(message, "t", id);
}

int hak_bus_purge(sd_bus_message *message, void *data, sd_bus_error *error)
{
	const char *text;
	int r = sd_bus_message_read(message, "s", &text);

	return r < 0 ? r : begin_purge(data, message, text, error);
}

int hak_bus_start_job(sd_bus_message *message, void *data, sd_bus_error *error)
{
	const char *kind, *text;
	int r = sd_bus_message_read(message, "ss", &kind, &text);

	if (r < 0)
		return r;
	if (strcmp(kind, "purge") != 0)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("NotSupported"),
					 "there are no jobs of kind '%.32s'; there is purge", kind);
	return begin_purge(data, message, text, error);
}

static int find_job(struct hak_bus *bus, sd_bus_message *message, struct hak_job **ret_job,
		    sd_bus_error *error)
{
	uint64_t id;
	int r;

	r = sd_bus_message_read(message, "t", &id);
	if (r < 0)
		return r;
	*ret_job = hak_jobs_find(&bus->jobs, id);
	if (!*ret_job)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("NoSuchJob"),
					 "job %" PRIu64
					 " was never begun or is forgotten; the last %d are kept",
					 id, HAK_JOBS_KEPT);
	return 0;
}

int hak_bus_get_job(sd_bus_message *message, void *data, sd_bus_error *error)
{
	sd_bus_message *reply = NULL;
	struct hak_viewer viewer;
	struct hak_job *job;
	int r;

	r = find_job(data, message, &job, error);
	if (r >= 0)
		r = hak_bus_viewer(message, &viewer, error);
	if (r < 0)
		return r;
	r = sd_bus_message_new_method_return(message, &reply);
	if (r >= 0)
		r = append_job(reply, job, viewer.privileged || viewer.uid == job->uid);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

int hak_bus_open_job_output(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	struct hak_viewer viewer;
	uint64_t began_usec;
	struct hak_job *job;
	int fd, r;

	r = find_job(bus, message, &job, error);
	if (r >= 0)
		r = hak_bus_read_options(message, NULL, 0, error);
	if (r >= 0)
		r = hak_bus_afford(bus, message, &viewer, &began_usec, error);
	if (r < 0)
		return r;
	if (job->state == HAK_JOB_RUNNING)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("NoSuchJob"),
					 "job %" PRIu64 " still runs; JobFinished tells when it has ended",
					 job->id);
	fd = hak_report_job(job, &viewer);
	hak_bus_charge(bus, &viewer, began_usec);
	return fd < 0 ? hak_bus_fail(error, fd, "the job's output") : hak_bus_reply_fd(message, fd);
}

int hak_bus_cancel_job(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_asker asker = {.reason = ""};
	struct hak_bus *bus = data;
	struct hak_job *job;
	int r;

	r = hak_bus_authorise(message, &asker.uid, error);
	if (r >= 0)
		r = find_job(bus, message, &job, error);
	if (r < 0)
		return r;
	if (hak_jobs_cancel(job) < 0)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("NoSuchJob"), "job %" PRIu64 " has ended",
					 job->id);
	hak_manager_journal(bus->manager, "purge", job->target, "cancelled", &asker);
	return sd_bus_reply_method_return(message, "");
}

static void tell(struct hak_bus *bus, const struct hak_job *job)
{
	struct hak_json *json = hak_event_begin(&bus->manager->events, HAK_EVENT_JOB);

	if (!json)
		return;
	hak_json_u64(json, "job", job->id);
	hak_json_string(json, "kind", "purge");
	hak_json_string(json, "state", hak_job_state_name(job->state));
	hak_event_secret(&bus->manager->events);
	hak_json_string(json, "target", job->target);
	hak_json_u64(json, "resident_before_bytes", job->resident_before_bytes);
	hak_json_u64(json, "resident_after_bytes", job->resident_after_bytes);
	hak_event_end(&bus->manager->events, job->uid);
}

void hak_bus_job_ended(void *data, const struct hak_job *job)
{
	struct hak_bus *bus = data;
	sd_bus_message *signal = NULL;
	int r;

	r = sd_bus_message_new_signal(bus->bus, &signal, HAK_BUS_PATH, HAK_BUS_INTERFACE, "JobFinished");
	if (r >= 0)
		r = sd_bus_message_append(signal, "ts", job->id, "purge");
	if (r >= 0)
		r = append_job(signal, job, false);
	if (r >= 0)
		(void)sd_bus_send(bus->bus, signal, NULL); /* GetJob tells, too */
	sd_bus_message_unref(signal);
	tell(bus, job);
}
