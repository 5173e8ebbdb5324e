/* SPDX-License-Identifier: MIT */
/*
 * hakctl doctor [PID]: what keeps hakmem from doing all it can on this machine, or for one process; what that
 * costs, and how to mend it. Works without hakmemd, too. Exits HAK_EXIT_NO where something is amiss.
 */
#include "doctor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "document.h"
#include "json_text.h"
#include "pager.h"
#include "terminal.h"

enum { NAME_COLUMN = 9, TEXT_COLUMN = 34 };

void hak_doctor_add(struct hak_doctor *doctor, const char *name, enum hak_check_state state, const char *mend,
		    const char *format, ...)
{
	struct hak_check *check;
	va_list arguments;

	if (doctor->count == doctor->room) {
		doctor->room = doctor->room * 2 + 32;
		doctor->check = reallocarray(doctor->check, doctor->room, sizeof(*doctor->check));
		if (!doctor->check)
			exit(hak_ctl_fail(HAK_EXIT_FAILED, "out of memory"));
	}
	check = &doctor->check[doctor->count++];
	*check = (struct hak_check){.name = name, .state = state, .mend = strdup(mend)};
	va_start(arguments, format);
	if (vasprintf(&check->text, format, arguments) < 0 || !check->mend)
		exit(hak_ctl_fail(HAK_EXIT_FAILED, "out of memory"));
	va_end(arguments);
}

static void deinit(struct hak_doctor *doctor)
{
	for (size_t i = 0; i < doctor->count; i++) {
		free(doctor->check[i].text);
		free(doctor->check[i].mend);
	}
	free(doctor->check);
}

static void print(const struct hak_doctor *doctor)
{
	static const char *const words[] = {"ok", "note", "MISSING"};
	static const enum hak_style styles[] = {HAK_STYLE_GOOD, HAK_STYLE_WARN, HAK_STYLE_BAD};

	for (size_t i = 0; i < doctor->count; i++) {
		const struct hak_check *check = &doctor->check[i];
		const char *text = check->text;

		printf("%s%-7s%s  ", hak_style_begin(styles[check->state]), words[check->state],
		       hak_style_end(styles[check->state]));
		if (!*text && check->state == HAK_CHECK_OK) {
			printf("%s\n", check->name);
			continue;
		}
		printf("%-*s", TEXT_COLUMN - NAME_COLUMN, check->name);
		hak_text_wrap(text, TEXT_COLUMN);
		if (!*check->mend)
			continue;
		printf("%*s→ ", TEXT_COLUMN, "");
		hak_text_wrap(check->mend, TEXT_COLUMN + 2);
	}
}

static void print_json(const struct hak_doctor *doctor, bool healthy, enum hak_json_style style)
{
	static const char *const words[] = {"ok", "note", "missing"};
	FILE *file = hak_json_text_open();

	fprintf(file, "{\"schema\":1,\"healthy\":%s,\"checks\":[", healthy ? "true" : "false");
	for (size_t i = 0; i < doctor->count; i++) {
		fprintf(file, "%s{\"name\":", i ? "," : "");
		hak_json_text_string(file, doctor->check[i].name);
		fprintf(file, ",\"state\":\"%s\",\"text\":", words[doctor->check[i].state]);
		hak_json_text_string(file, doctor->check[i].text);
		fprintf(file, ",\"mend\":");
		hak_json_text_string(file, doctor->check[i].mend);
		fputc('}', file);
	}
	fprintf(file, "]}");
	hak_json_text_close(file, style);
}

/* The statistics, or a check that says why there are none. */
static cJSON *ask_daemon(struct hak_doctor *doctor, struct hak_ctl *ctl)
{
	char why[512] = "", *text = NULL;
	cJSON *document = NULL;

	ctl->brief = true;
	hak_ctl_catch(why, sizeof(why));
	if (hak_call_document(ctl, "DumpStats", NULL, &text) == 0)
		document = hak_document_parse(text);
	hak_ctl_catch(NULL, 0);
	free(text);
	if (document)
		hak_doctor_add(
			doctor, "hakmemd", HAK_CHECK_OK, "", "%s, mode %s",
			hak_document_text(cJSON_GetObjectItemCaseSensitive(document, "daemon"), "version"),
			hak_document_text(cJSON_GetObjectItemCaseSensitive(document, "daemon"), "mode"));
	else
		hak_doctor_add(doctor, "hakmemd", HAK_CHECK_MISSING, "", "%s", why);
	return document;
}

int hak_verb_doctor(struct hak_ctl *ctl)
{
	struct hak_doctor doctor = {.check = NULL};
	bool healthy = true;
	char target[32];
	cJSON *document;
	int code = 0;

	if (ctl->argc)
		code = hak_document_pid_target(ctl->argv[0], target, sizeof(target));
	if (code)
		return code;
	document = ask_daemon(&doctor, ctl);
	if (ctl->argc) {
		hak_doctor_process(&doctor, ctl, strtoull(ctl->argv[0], NULL, 10), document);
	} else {
		hak_doctor_machine(&doctor, ctl);
		if (document)
			hak_doctor_daemon(&doctor, document);
		hak_doctor_units(&doctor, document);
	}
	for (size_t i = 0; i < doctor.count; i++)
		healthy &= doctor.check[i].state != HAK_CHECK_MISSING;
	hak_pager_open(ctl);
	if (ctl->json)
		print_json(&doctor, healthy, ctl->json);
	else
		print(&doctor);
	cJSON_Delete(document);
	deinit(&doctor);
	return healthy ? HAK_EXIT_OK : HAK_EXIT_NO;
}
