/* SPDX-License-Identifier: MIT */
/*
 * hakctl launch COMMAND...: as a transient service of systemd, preloaded; prints the unit's name. With
 * --scope this process itself becomes the command, in a transient scope. With --bus=user the user's own
 * systemd. Interface: org.freedesktop.systemd1(5), StartTransientUnit.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "call.h"
#include "environment.h"
#include "json_text.h"
#include "program.h"

#define SYSTEMD "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"

enum { START_USEC = 30000000, UNIT_CHARS = 256 };

/* What systemd says of our job. */
struct start {
	char *job;     /* object path; NULL: not asked yet */
	char *outcome; /* "done", "failed", …; NULL: not yet */
};

/* Absolute, as systemd wants it; looked for in PATH as a shell would. */
static int find_program(const char *name, char *ret_path)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return realpath(name, ret_path) ? 0 : -errno;
	for (path = path ? path : "/usr/bin:/bin"; path;
	     path = strchr(path, ':') ? strchr(path, ':') + 1 : NULL) {
		size_t length = strcspn(path, ":");

		if (path[0] == '/' &&
		    snprintf(ret_path, PATH_MAX, "%.*s/%s", (int)length, path, name) < PATH_MAX &&
		    access(ret_path, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

/* A preload that would be dropped is told before anything is started. */
static int check_program(const char *path)
{
	const char *refusal = hak_program_refusal(path);

	return refusal ? hak_ctl_fail(HAK_EXIT_FAILED, "%s: %s", path, refusal) : 0;
}

static void name_unit(const struct hak_ctl *ctl, char ret_unit[UNIT_CHARS])
{
	const char *suffix = ctl->scope ? ".scope" : ".service";
	const char *given = ctl->unit;

	if (!given)
		snprintf(ret_unit, UNIT_CHARS, "hakmem-launch-%ld%s", (long)getpid(), suffix);
	else if (strlen(given) > strlen(suffix) &&
		 strcmp(given + strlen(given) - strlen(suffix), suffix) == 0)
		snprintf(ret_unit, UNIT_CHARS, "%s", given);
	else
		snprintf(ret_unit, UNIT_CHARS, "%s%s", given, suffix);
}

static int append_command(sd_bus_message *call, const char *program, char **argv)
{
	int r;

	r = sd_bus_message_open_container(call, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(call, "s", "ExecStart");
	if (r >= 0)
		r = sd_bus_message_open_container(call, 'v', "a(sasb)");
	if (r >= 0)
		r = sd_bus_message_open_container(call, 'a', "(sasb)");
	if (r >= 0)
		r = sd_bus_message_open_container(call, 'r', "sasb");
	if (r >= 0)
		r = sd_bus_message_append(call, "s", program);
	if (r >= 0)
		r = sd_bus_message_append_strv(call, argv);
	if (r >= 0)
		r = sd_bus_message_append(call, "b", 0);
	for (int i = 0; r >= 0 && i < 4; i++)
		r = sd_bus_message_close_container(call);
	return r;
}

/* What hak_environment_set() has put into ours. */
static int append_environment(sd_bus_message *call)
{
	const char *preload = getenv("LD_PRELOAD"), *runtime_dir = getenv("HAKMEM_RUNTIME_DIR");
	char first[PATH_MAX + 16], second[PATH_MAX + 32];

	snprintf(first, sizeof(first), "LD_PRELOAD=%s", preload);
	if (!runtime_dir)
		return sd_bus_message_append(call, "(sv)", "Environment", "as", 1, first);
	snprintf(second, sizeof(second), "HAKMEM_RUNTIME_DIR=%s", runtime_dir);
	return sd_bus_message_append(call, "(sv)", "Environment", "as", 2, first, second);
}

static int append_properties(const struct hak_ctl *ctl, sd_bus_message *call, const char *program)
{
	char description[PATH_MAX + 32];
	int r;

	snprintf(description, sizeof(description), "%s under hakmem", program);
	r = sd_bus_message_open_container(call, 'a', "(sv)");
	if (r >= 0)
		r = sd_bus_message_append(call, "(sv)(sv)", "Description", "s", description, "CollectMode",
					  "s", "inactive-or-failed");
	if (r >= 0 && ctl->scope)
		r = sd_bus_message_append(call, "(sv)", "PIDs", "au", 1, (uint32_t)getpid());
	if (r >= 0 && !ctl->scope)
		r = append_environment(call);
	if (r >= 0 && !ctl->scope)
		r = append_command(call, program, ctl->argv);
	return r < 0 ? r : sd_bus_message_close_container(call);
}

static int on_job_removed(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct start *start = data;
	const char *job, *outcome;
	uint32_t id;

	if (!start->job || start->outcome ||
	    sd_bus_message_read(message, "uoss", &id, &job, NULL, &outcome) < 0)
		return 0;
	if (strcmp(job, start->job) == 0)
		start->outcome = strdup(outcome);
	return 0;
}

static int send_start(struct hak_ctl *ctl, const char *unit, const char *program, struct start *start)
{
	sd_bus_message *call = NULL, *reply = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *job;
	int code = 0, r;

	r = sd_bus_message_new_method_call(ctl->bus, &call, SYSTEMD, "StartTransientUnit");
	if (r >= 0)
		r = sd_bus_message_set_allow_interactive_authorization(call, 1);
	if (r >= 0)
		r = sd_bus_message_append(call, "ss", unit, "fail");
	if (r >= 0)
		r = append_properties(ctl, call, program);
	if (r >= 0)
		r = sd_bus_message_append(call, "a(sa(sv))", 0);
	if (r >= 0)
		r = sd_bus_call(ctl->bus, call, START_USEC, &error, &reply);
	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &job);
	if (r >= 0) {
		start->job = strdup(job);
		r = start->job ? 0 : -ENOMEM;
	}
	if (r < 0)
		code = hak_ctl_fail(HAK_EXIT_FAILED, "systemd does not start %s: %s", unit,
				    error.message ? error.message : strerror(-r));
	sd_bus_error_free(&error);
	sd_bus_message_unref(call);
	sd_bus_message_unref(reply);
	return code;
}

/* Start it and wait until systemd is done with that. */
static int start_unit(struct hak_ctl *ctl, const char *unit, const char *program)
{
	struct start start = {NULL, NULL};
	int r, code;

	r = ctl->bus ? 0 : hak_bus_connect(ctl->bus_name, &ctl->bus);
	if (r >= 0)
		r = sd_bus_match_signal(ctl->bus, NULL, SYSTEMD, "JobRemoved", on_job_removed, &start);
	if (r >= 0)
		r = sd_bus_call_method(ctl->bus, SYSTEMD, "Subscribe", NULL, NULL, "");
	if (r < 0)
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot reach systemd on bus '%s': %s", ctl->bus_name,
				    r == -EHOSTUNREACH ? "it is not there" : strerror(-r));
	(void)hak_agent_open(ctl);
	code = send_start(ctl, unit, program, &start);
	hak_agent_close();
	while (code == 0 && !start.outcome) {
		r = sd_bus_process(ctl->bus, NULL);
		if (r == 0)
			r = sd_bus_wait(ctl->bus, START_USEC);
		if (r <= 0 && !start.outcome)
			code = hak_ctl_fail(HAK_EXIT_FAILED, "systemd did not tell what became of %s", unit);
	}
	if (code == 0 && strcmp(start.outcome, "done") != 0)
		code = hak_ctl_fail(HAK_EXIT_FAILED, "%s did not start (%s); 'journalctl -u %s' tells more",
				    unit, start.outcome, unit);
	free(start.job);
	free(start.outcome);
	return code;
}

int hak_verb_launch(struct hak_ctl *ctl)
{
	char program[PATH_MAX], unit[UNIT_CHARS];
	struct hak_json *json;
	int code, r;

	r = find_program(ctl->argv[0], program);
	if (r < 0)
		return hak_ctl_fail(127, "cannot run '%s': %s", ctl->argv[0], strerror(-r));
	name_unit(ctl, unit);
	code = check_program(program);
	if (code == 0)
		code = hak_environment_set(ctl);
	if (code == 0)
		code = start_unit(ctl, unit, program);
	if (code)
		return code;
	if (ctl->scope)
		return hak_environment_exec(ctl->argv);
	if (!ctl->json) {
		printf("%s\n", unit);
		return HAK_EXIT_OK;
	}
	json = hak_json_text_open();
	hak_json_string(json, "unit", unit);
	hak_json_text_close(json, ctl->json);
	return HAK_EXIT_OK;
}
