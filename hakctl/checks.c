/* SPDX-License-Identifier: MIT */
/* See checks.h. */
#include "checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_text.h"
#include "strange_text.h"
#include "terminal.h"

enum { NAME_COLUMN = 9, TEXT_COLUMN = 34 };

void hak_checks_add(struct hak_checks *checks, const char *name, enum hak_check_state state, const char *mend,
		    const char *format, ...)
{
	struct hak_check *check;
	va_list arguments;

	if (checks->count == checks->room) {
		checks->room = checks->room * 2 + 32;
		checks->check = reallocarray(checks->check, checks->room, sizeof(*checks->check));
		if (!checks->check)
			hak_ctl_out_of_memory();
	}
	check = &checks->check[checks->count++];
	*check = (struct hak_check){.name = name, .state = state, .mend = strdup(mend)};
	va_start(arguments, format);
	if (vasprintf(&check->text, format, arguments) < 0 || !check->mend)
		hak_ctl_out_of_memory();
	va_end(arguments);
	hak_make_printable(check->text); /* of a process's environment, for instance */
}

void hak_checks_deinit(struct hak_checks *checks)
{
	for (size_t i = 0; i < checks->count; i++) {
		free(checks->check[i].text);
		free(checks->check[i].mend);
	}
	free(checks->check);
}

bool hak_checks_are_good(const struct hak_checks *checks)
{
	for (size_t i = 0; i < checks->count; i++)
		if (checks->check[i].state == HAK_CHECK_MISSING)
			return false;
	return true;
}

static void print_text(const struct hak_checks *checks)
{
	static const char *const words[] = {"ok", "note", "MISSING"};
	static const enum hak_style styles[] = {HAK_STYLE_GOOD, HAK_STYLE_WARN, HAK_STYLE_BAD};

	for (size_t i = 0; i < checks->count; i++) {
		const struct hak_check *check = &checks->check[i];
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

static void print_json(const struct hak_checks *checks, enum hak_json_style style)
{
	static const char *const words[] = {"ok", "note", "missing"};
	struct hak_json *json = hak_json_text_open();

	hak_json_bool(json, "healthy", hak_checks_are_good(checks));
	hak_json_begin(json, "checks", '[');
	for (size_t i = 0; i < checks->count; i++) {
		hak_json_begin(json, NULL, '{');
		hak_json_string(json, "name", checks->check[i].name);
		hak_json_string(json, "state", words[checks->check[i].state]);
		hak_json_string(json, "text", checks->check[i].text);
		hak_json_string(json, "mend", checks->check[i].mend);
		hak_json_end(json, '}');
	}
	hak_json_end(json, ']');
	hak_json_text_close(json, style);
}

void hak_checks_print(const struct hak_checks *checks, enum hak_json_style style)
{
	if (style)
		print_json(checks, style);
	else
		print_text(checks);
}
