/* SPDX-License-Identifier: MIT */
/* See options.h. */
#include "options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

enum { DEFAULT_WAIT_USEC = 10000000, OPTIONS_MAX = 48, LONG_FIRST = 256 };

static int take_runtime_dir(struct hak_ctl *ctl, const char *value)
{
	ctl->runtime_dir = value;
	if (value[0] == '/')
		return 0;
	return hak_ctl_fail(HAK_EXIT_USAGE, "--runtime-dir=%s is not an absolute path", value);
}

static int take_json(struct hak_ctl *ctl, const char *value)
{
	static const char *const styles[] = {"pretty", "short"};

	if (!value || strcmp(value, "short") == 0)
		ctl->json = HAK_JSON_SHORT;
	else if (strcmp(value, "pretty") == 0)
		ctl->json = HAK_JSON_PRETTY;
	else
		return hak_words_unknown("style", value, "--json=", styles, 2);
	return 0;
}

/* Seconds, from @least on. */
static int take_seconds(const char *name, const char *value, double least, uint64_t *ret_usec)
{
	char *end = NULL;
	double seconds = strtod(value, &end);

	if (end == value || *end || !(seconds >= least && seconds <= 3600))
		return hak_ctl_fail(HAK_EXIT_USAGE, "--%s=%s: write a number of seconds from %g to 3600",
				    name, value, least);
	*ret_usec = (uint64_t)(seconds * 1e6);
	return 0;
}

static int take_wait(struct hak_ctl *ctl, const char *value)
{
	ctl->wait = true;
	ctl->wait_usec = DEFAULT_WAIT_USEC;
	return value ? take_seconds("wait", value, 0, &ctl->wait_usec) : 0;
}

static int take_interval(struct hak_ctl *ctl, const char *value)
{
	return take_seconds("interval", value, 0.1, &ctl->interval_usec);
}

static int take_format(struct hak_ctl *ctl, const char *value)
{
	static const char *const formats[] = {"openmetrics", "prometheus"};

	for (size_t i = 0; i < 2; i++)
		if (strcmp(value, formats[i]) == 0) {
			ctl->prometheus = i == 1;
			return 0;
		}
	return hak_words_unknown("format", value, "--format=", formats, 2);
}

static int take_output(struct hak_ctl *ctl, const char *value)
{
	ctl->output = value;
	return *value ? 0 : hak_ctl_fail(HAK_EXIT_USAGE, "--output= is empty; write a file's name");
}

/* One that ends the run: main() sees the bit. */
static int take_nothing(struct hak_ctl *ctl, const char *value)
{
	return 0;
}

/* What is taken as it is: a text, or that it is there. */
#define AS_IS(member) NULL, offsetof(struct hak_ctl, member)

const struct hak_option hak_options[] = {
	{"bus", "=BUS", HAK_OPT_ALWAYS, "system (default), session, user, or an address such as unix:path=/x",
	 AS_IS(bus_name)},
	{"runtime-dir", "=DIR", HAK_OPT_ALWAYS,
	 "where processes find hakmemd; default /run/hakmem, with --bus=user $XDG_RUNTIME_DIR/hakmem",
	 take_runtime_dir, 0},
	{"no-pager", "", HAK_OPT_ALWAYS, "print at once, however long it is", AS_IS(no_pager)},
	{"json", "[=short|pretty]", HAK_OPT_JSON, "JSON, described in hakctl(1)", take_json, 0},
	{"wait", "[=SECONDS]", HAK_OPT_WAIT,
	 "until those that can have obeyed; default 10 ('purge' always waits: how long at most)", take_wait,
	 0},
	{"interval", "=SECONDS", HAK_OPT_INTERVAL, "how often to look; default 1", take_interval, 0},
	{"reason", "=TEXT", HAK_OPT_REASON, "what the journal will say", AS_IS(reason)},
	{"off", "", HAK_OPT_OFF, "take the kill switch back", AS_IS(off)},
	{"all", "", HAK_OPT_ALL, "all processes, all units", AS_IS(all)},
	{"now", "", HAK_OPT_NOW, "restart the service, see that it is so, else take it back", AS_IS(now)},
	{"check", "", HAK_OPT_CHECK, "change nothing, only tell", AS_IS(check)},
	{"priors", "", HAK_OPT_PRIORS,
	 "as what others found: it moves ratings and who is tried first, no more", AS_IS(priors)},
	{"unit", "=NAME", HAK_OPT_UNIT, "the transient unit's name", AS_IS(unit)},
	{"scope", "", HAK_OPT_SCOPE, "in the foreground, as this process", AS_IS(scope)},
	{"format", "=openmetrics|prometheus", HAK_OPT_FORMAT,
	 "openmetrics (default), or the older text format that node_exporter's textfile collector reads",
	 take_format, 0},
	{"output", "=FILE", HAK_OPT_OUTPUT, "into FILE, which is replaced whole", take_output, 0},
	{"help", "", HAK_OPT_HELP, "this text", take_nothing, 0},
	{"version", "", HAK_OPT_VERSION, "print the version", take_nothing, 0},
	{NULL, NULL, 0, NULL, NULL, 0},
};

static void make_long_options(struct option ret_options[OPTIONS_MAX])
{
	size_t count = 0;

	for (; hak_options[count].name; count++)
		ret_options[count] = (struct option){hak_options[count].name,
						     hak_options[count].value[0] == '='   ? required_argument
						     : hak_options[count].value[0] == '[' ? optional_argument
											  : no_argument,
						     NULL, LONG_FIRST + (int)count};
	ret_options[count] = (struct option){NULL, 0, NULL, 0};
}

static int fail_option(const char *word)
{
	const char *names[OPTIONS_MAX];
	char typed[64];
	size_t count = 0;

	if (optopt && optopt < LONG_FIRST)
		return hak_ctl_fail(HAK_EXIT_USAGE, "unknown option '-%c'; 'hakctl help' lists them", optopt);
	snprintf(typed, sizeof(typed), "%.*s", (int)strcspn(word + strspn(word, "-"), "="),
		 word + strspn(word, "-"));
	for (; hak_options[count].name; count++)
		names[count] = hak_options[count].name;
	return hak_words_unknown("option", typed, "--", names, count);
}

static int take(struct hak_ctl *ctl, const struct hak_option *option, const char *value)
{
	char *member = (char *)ctl + option->member;

	if (option->take)
		return option->take(ctl, value);
	if (value)
		*(const char **)(void *)member = value;
	else
		*(bool *)(void *)member = true;
	return 0;
}

int hak_options_take(struct hak_ctl *ctl, int argc, char **argv, bool first_word, unsigned *seen,
		     int *ret_next)
{
	struct option long_options[OPTIONS_MAX];
	int option, code;

	make_long_options(long_options);
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((option = getopt_long(argc, argv, first_word ? "+:h" : ":h", long_options, NULL)) != -1) {
		const struct hak_option *taken;

		if (option == '?')
			return fail_option(argv[optind - 1]);
		if (option == ':')
			return hak_ctl_fail(HAK_EXIT_USAGE, "option '%s' needs a value", argv[optind - 1]);
		if (option == 'h') {
			*seen |= HAK_OPT_HELP;
			continue;
		}
		taken = &hak_options[option - LONG_FIRST];
		code = take(ctl, taken, optarg);
		if (code)
			return code;
		*seen |= taken->bit;
	}
	*ret_next = optind;
	return 0;
}
