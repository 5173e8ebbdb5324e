/* SPDX-License-Identifier: MIT */
/* hakctl help [VERB] and version. With --json the tables themselves, for completions and tests. */
#include <stdio.h>
#include <string.h>

#include "json_text.h"
#include "options.h"
#include "terminal.h"

enum { VERB_COLUMN = 31, OPTION_COLUMN = 27 };

static void print_line(const char *left, size_t column, const char *help)
{
	size_t columns = strlen(left) + 2;

	printf("  %s%s%s", hak_style_begin(HAK_STYLE_HEADING), left, hak_style_end(HAK_STYLE_HEADING));
	if (columns + 1 > column)
		printf("\n%*s", (int)column, "");
	else
		printf("%*s", (int)(column - columns), "");
	hak_text_wrap(help, column);
}

static void print_options(unsigned bits)
{
	char left[64];

	for (const struct hak_option *option = hak_options; option->name; option++) {
		if (!(option->bit & bits))
			continue;
		snprintf(left, sizeof(left), "--%s%s", option->name, option->value);
		print_line(left, OPTION_COLUMN, option->help);
	}
}

static void print_all(void)
{
	char left[64];

	printf("hakctl [OPTIONS] VERB [ARGUMENTS]\n\n");
	for (const struct hak_verb *verb = hak_verbs; verb->name; verb++) {
		snprintf(left, sizeof(left), "%-10s %s", verb->name, verb->arguments);
		print_line(left, VERB_COLUMN, verb->help);
	}
	putchar('\n');
	print_options(~0u);
	printf("\n"
	       "'hakctl help VERB' tells which of them a verb takes; hakctl(1) tells all.\n\n"
	       "Exit codes: 0 done; 1 refused or failed; 2 wrong command line; 3 hakmemd does\n"
	       "not run; 4 the answer is no (verify: a process differs; set-mode --wait, purge:\n"
	       "one is lost; doctor: something is amiss). 'run', 'hold' and 'launch --scope'\n"
	       "exit with the command's code, 126 or 127 where it cannot run.\n");
}

static void print_one(const struct hak_verb *verb)
{
	printf("%shakctl %s%s%s%s\n  ", hak_style_begin(HAK_STYLE_HEADING), verb->name,
	       *verb->arguments ? " " : "", verb->arguments, hak_style_end(HAK_STYLE_HEADING));
	hak_text_wrap(verb->help, 2);
	putchar('\n');
	print_options(verb->options | HAK_OPT_ALWAYS);
}

static void print_verb_json(FILE *file, const struct hak_verb *verb)
{
	const char *comma = "";

	fprintf(file, "{\"verb\":");
	hak_json_text_string(file, verb->name);
	fprintf(file, ",\"arguments\":");
	hak_json_text_string(file, verb->arguments);
	fprintf(file, ",\"help\":");
	hak_json_text_string(file, verb->help);
	fprintf(file, ",\"options\":[");
	for (const struct hak_option *option = hak_options; option->name; option++) {
		if (!(option->bit & verb->options))
			continue;
		fputs(comma, file);
		hak_json_text_string(file, option->name);
		comma = ",";
	}
	fprintf(file, "]}");
}

/* @only: NULL: all verbs. */
static void print_json(enum hak_json_style style, const struct hak_verb *only)
{
	FILE *file = hak_json_text_open();

	fprintf(file, "{\"schema\":1,\"verbs\":[");
	for (const struct hak_verb *verb = only ? only : hak_verbs; verb->name; verb++) {
		print_verb_json(file, verb);
		if (only)
			break;
		fprintf(file, "%s", verb[1].name ? "," : "");
	}
	fprintf(file, "],\"options\":[");
	for (const struct hak_option *option = hak_options; option->name; option++) {
		fprintf(file, "{\"option\":");
		hak_json_text_string(file, option->name);
		fprintf(file, ",\"value\":");
		hak_json_text_string(file, option->value);
		fprintf(file, ",\"everywhere\":%s}%s", option->bit == HAK_OPT_ALWAYS ? "true" : "false",
			option[1].name ? "," : "");
	}
	fprintf(file, "]}");
	hak_json_text_close(file, style);
}

int hak_verb_help(struct hak_ctl *ctl)
{
	const struct hak_verb *only = NULL;
	int code = ctl->argc ? hak_verb_find(ctl->argv[0], &only) : 0;

	if (code)
		return code;
	if (ctl->json)
		print_json(ctl->json, only);
	else if (only)
		print_one(only);
	else
		print_all();
	return HAK_EXIT_OK;
}

int hak_verb_version(struct hak_ctl *ctl)
{
	if (ctl->json)
		hak_json_text_printf(ctl->json, "{\"schema\":1,\"version\":\"%s\"}", HAK_VERSION);
	else
		printf("hakctl %s\n", HAK_VERSION);
	return HAK_EXIT_OK;
}
