/* SPDX-License-Identifier: MIT */
/*
 * hakctl monitor [TOPIC...]: hakmemd's events as they come, a line each, until interrupted. With --json the
 * lines as hakmemd writes them. Ends with HAK_EXIT_NO_DAEMON when hakmemd does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "call.h"
#include "document.h"
#include "json_text.h"
#include "terminal.h"

static int subscribe(struct hak_ctl *ctl, FILE **ret_lines)
{
	sd_bus_message *call, *reply = NULL;
	int code, r, fd;

	code = hak_call_new(ctl, "Subscribe", false, &call);
	if (code)
		return code;
	r = sd_bus_message_open_container(call, 'a', "s");
	for (int i = 0; r >= 0 && i < ctl->argc; i++)
		r = sd_bus_message_append(call, "s", ctl->argv[i]);
	if (r >= 0)
		r = sd_bus_message_close_container(call);
	if (r >= 0)
		r = sd_bus_message_append(call, "a{sv}", 0);
	if (r < 0) {
		sd_bus_message_unref(call);
		return hak_call_garbled(r);
	}
	code = hak_call_send(ctl, call, 0, &reply);
	if (code)
		return code;
	r = sd_bus_message_read(reply, "h", &fd);
	if (r >= 0)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message's own goes with it */
	*ret_lines = r >= 0 && fd >= 0 ? fdopen(fd, "r") : NULL;
	sd_bus_message_unref(reply);
	return *ret_lines ? 0 : hak_call_garbled(r < 0 ? r : -errno);
}

static void print_time(const cJSON *event)
{
	time_t seconds = (time_t)(hak_document_number(event, "time_usec") / 1e6);
	struct tm local;
	char text[32];

	if (localtime_r(&seconds, &local) && strftime(text, sizeof(text), "%H:%M:%S", &local))
		printf("%s  ", text);
}

static void print_member(const cJSON *member)
{
	if (cJSON_IsString(member))
		printf("  %s=%s", member->string, member->valuestring);
	else if (cJSON_IsNumber(member))
		printf("  %s=%.0f", member->string, member->valuedouble);
	else if (cJSON_IsBool(member))
		printf("  %s=%s", member->string, cJSON_IsTrue(member) ? "yes" : "no");
}

/* What is not known here prints as NAME=VALUE: hakmemd may be newer. */
static void print_others(const cJSON *event, const char *const *printed)
{
	const cJSON *member;

	cJSON_ArrayForEach(member, event)
	{
		size_t i = 0;

		while (printed[i] && strcmp(printed[i], member->string) != 0)
			i++;
		if (!printed[i])
			print_member(member);
	}
}

static void print_who(const cJSON *event)
{
	if (cJSON_GetObjectItemCaseSensitive(event, "pid"))
		printf(" %.0f (%s), unit %s", hak_document_number(event, "pid"),
		       hak_document_text(event, "exe"), hak_document_text(event, "unit"));
	else
		printf(" of context %s", hak_document_text(event, "context"));
}

static void print_change(const cJSON *event)
{
	static const char *const printed[] = {"schema", "sequence", "time_usec", "topic", "what",
					      "before", "after",    "why",       "uid",   NULL};
	const cJSON *uid = cJSON_GetObjectItemCaseSensitive(event, "uid");

	printf("%s", hak_document_text(event, "what"));
	if (cJSON_GetObjectItemCaseSensitive(event, "after")) {
		printf(": %s → %s", hak_document_text(event, "before"), hak_document_text(event, "after"));
		if (cJSON_IsNumber(uid))
			printf(" by uid %.0f", uid->valuedouble);
		printf(" (%s)", hak_document_text(event, "why"));
	}
	print_others(event, printed);
}

static void print_process(const cJSON *event)
{
	static const char *const printed[] = {"schema", "sequence", "time_usec", "topic", "what", "context",
					      "pid",    "exe",      "unit",      "text",  NULL};

	printf("%s", hak_document_text(event, "what"));
	print_who(event);
	if (cJSON_GetObjectItemCaseSensitive(event, "text"))
		printf(": %s", hak_document_text(event, "text"));
	print_others(event, printed);
}

static void print_event(const cJSON *event)
{
	static const char *const printed[] = {"schema", "sequence", "time_usec", "topic", NULL};
	const char *topic = hak_document_text(event, "topic");
	enum hak_style style = strcmp(topic, "fatal") == 0 || strcmp(topic, "lost") == 0 ? HAK_STYLE_BAD
			       : strcmp(topic, "change") == 0 || strcmp(topic, "decision") == 0
				       ? HAK_STYLE_HEADING
				       : HAK_STYLE_PLAIN;

	if (strcmp(topic, "hello") == 0)
		return;
	print_time(event);
	printf("%s%-8s%s  ", hak_style_begin(style), topic, hak_style_end(style));
	if (strcmp(topic, "change") == 0)
		print_change(event);
	else if (strcmp(topic, "process") == 0 || strcmp(topic, "fatal") == 0 || strcmp(topic, "log") == 0)
		print_process(event);
	else
		print_others(event, printed);
	putchar('\n');
}

static void print_line(const struct hak_ctl *ctl, const char *line)
{
	cJSON *event;

	if (ctl->json) {
		hak_json_text_print(stdout, line, ctl->json);
		return;
	}
	event = hak_document_parse(line);
	if (event)
		print_event(event);
	cJSON_Delete(event);
}

int hak_verb_monitor(struct hak_ctl *ctl)
{
	char *line = NULL;
	size_t room = 0;
	FILE *lines;
	int code;

	code = subscribe(ctl, &lines);
	if (code)
		return code;
	setvbuf(stdout, NULL, _IOLBF, 0); /* who reads us follows, too */
	while (getline(&line, &room, lines) > 0)
		print_line(ctl, line);
	free(line);
	fclose(lines);
	return hak_ctl_fail(HAK_EXIT_NO_DAEMON, "hakmemd has ended");
}
