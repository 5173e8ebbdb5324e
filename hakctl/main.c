/* SPDX-License-Identifier: MIT */
/* hakctl's command line: options before and after the verb, the table of verbs, the nearest right word. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "nearest.h"
#include "pager.h"

enum { DEFAULT_WAIT_USEC = 10000000, WORDS_MAX = 32 };
enum {
	LONG_BUS = 256,
	LONG_RUNTIME_DIR,
	LONG_NO_PAGER,
	LONG_JSON,
	LONG_WAIT,
	LONG_REASON,
	LONG_OFF,
	LONG_ALL,
	LONG_NOW,
	LONG_CHECK,
	LONG_HELP,
	LONG_VERSION
};

const struct hak_verb hak_verbs[] = {
	{"status", "", "what is in force and for whom", 0, 0, HAK_OPT_JSON, false, hak_verb_status},
	{"set-mode", "MODE|default", "change the mode of all processes; 'default' takes it back", 1, 1,
	 HAK_OPT_JSON | HAK_OPT_WAIT | HAK_OPT_REASON, false, hak_verb_set_mode},
	{"get-mode", "", "print the mode alone", 0, 0, HAK_OPT_JSON, false, hak_verb_get_mode},
	{"list-modes", "", "the modes and what each of them does", 0, 0, HAK_OPT_JSON, false,
	 hak_verb_list_modes},
	{"stats", "[PID]", "counters and memory, of all processes or of one", 0, 1, HAK_OPT_JSON, false,
	 hak_verb_stats},
	{"verify", "[PID]", "do live processes run what is published? 4: one does not", 0, 1, HAK_OPT_JSON,
	 false, hak_verb_verify},
	{"hold", "MODE [COMMAND...]", "hold a mode while COMMAND runs, or until interrupted", 1, -1,
	 HAK_OPT_REASON, true, hak_verb_hold},
	{"panic", "", "kill switch: minimal for all, kept over restarts; --off takes it back", 0, 0,
	 HAK_OPT_OFF | HAK_OPT_REASON, false, hak_verb_panic},
	{"purge", "PID|UNIT|--all", "have processes give back the memory that their caches hold", 0, 1,
	 HAK_OPT_JSON | HAK_OPT_WAIT | HAK_OPT_REASON | HAK_OPT_ALL, false, hak_verb_purge},
	{"doctor", "", "what keeps hakmem from doing all it can on this machine? 4: something does", 0, 0,
	 HAK_OPT_JSON, false, hak_verb_doctor},
	{"enable", "UNIT", "preload libhakmem into a service from its next start on; --now restarts it", 1, 1,
	 HAK_OPT_JSON | HAK_OPT_NOW | HAK_OPT_CHECK, false, hak_verb_enable},
	{"disable", "UNIT|--all", "and no more", 0, 1,
	 HAK_OPT_JSON | HAK_OPT_NOW | HAK_OPT_CHECK | HAK_OPT_ALL, false,
	 hak_verb_disable},
	{"run", "COMMAND...", "run a command under libhakmem", 1, -1, 0, true, hak_verb_run},
	{"help", "[VERB]", "this text", 0, 1, 0, false, hak_verb_help},
	{"version", "", "print the version", 0, 0, 0, false, hak_verb_version},
	{NULL, NULL, NULL, 0, 0, 0, false, NULL},
};

static const struct option long_options[] = {
	{"bus", required_argument, NULL, LONG_BUS},
	{"runtime-dir", required_argument, NULL, LONG_RUNTIME_DIR},
	{"no-pager", no_argument, NULL, LONG_NO_PAGER},
	{"json", optional_argument, NULL, LONG_JSON},
	{"wait", optional_argument, NULL, LONG_WAIT},
	{"reason", required_argument, NULL, LONG_REASON},
	{"off", no_argument, NULL, LONG_OFF},
	{"all", no_argument, NULL, LONG_ALL},
	{"now", no_argument, NULL, LONG_NOW},
	{"check", no_argument, NULL, LONG_CHECK},
	{"help", no_argument, NULL, LONG_HELP},
	{"version", no_argument, NULL, LONG_VERSION},
	{NULL, 0, NULL, 0},
};

int hak_ctl_fail(int code, const char *format, ...)
{
	va_list arguments;

	fputs("hakctl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	putc('\n', stderr);
	return code;
}

static int fail_unknown(const char *what, const char *word, const char *prefix, const char *const *words,
			size_t count)
{
	const char *near = hak_nearest_word(word, words, count);

	if (near)
		return hak_ctl_fail(HAK_EXIT_USAGE, "unknown %s '%s'; did you mean '%s%s'?", what, word,
				    prefix, near);
	return hak_ctl_fail(HAK_EXIT_USAGE, "unknown %s '%s'; 'hakctl help' lists what there is", what, word);
}

int hak_ctl_mode(const char *text, enum hak_mode *ret_mode)
{
	const char *names[HAK_MODE_COUNT], *near;

	if (hak_mode_parse(text, ret_mode) == 0)
		return 0;
	for (int i = 0; i < HAK_MODE_COUNT; i++)
		names[i] = hak_mode_name((enum hak_mode)i);
	near = hak_nearest_word(text, names, HAK_MODE_COUNT);
	if (near)
		return hak_ctl_fail(HAK_EXIT_USAGE, "unknown mode '%s'; did you mean '%s'?", text, near);
	return hak_ctl_fail(HAK_EXIT_USAGE,
			    "unknown mode '%s'; there are minimal, fast, balanced, learning and research",
			    text);
}

static int fail_option(const char *word)
{
	const char *names[WORDS_MAX];
	char typed[64];
	size_t count = 0;

	snprintf(typed, sizeof(typed), "%.*s", (int)strcspn(word + strspn(word, "-"), "="),
		 word + strspn(word, "-"));
	while (long_options[count].name) {
		names[count] = long_options[count].name;
		count++;
	}
	return fail_unknown("option", typed, "--", names, count);
}

static int fail_verb(const char *word)
{
	const char *names[WORDS_MAX];
	size_t count = 0;

	while (hak_verbs[count].name) {
		names[count] = hak_verbs[count].name;
		count++;
	}
	return fail_unknown("verb", word, "", names, count);
}

static const struct hak_verb *find_verb(const char *word)
{
	for (const struct hak_verb *verb = hak_verbs; verb->name; verb++) {
		if (strcmp(verb->name, word) == 0)
			return verb;
	}
	return NULL;
}

static int take_json(struct hak_ctl *ctl, const char *value)
{
	static const char *const styles[] = {"pretty", "short"};

	if (!value || strcmp(value, "short") == 0)
		ctl->json = HAK_JSON_SHORT;
	else if (strcmp(value, "pretty") == 0)
		ctl->json = HAK_JSON_PRETTY;
	else
		return fail_unknown("style", value, "--json=", styles, 2);
	return 0;
}

static int take_wait(struct hak_ctl *ctl, const char *value)
{
	double seconds = DEFAULT_WAIT_USEC / 1e6;
	char *end = NULL;

	if (value)
		seconds = strtod(value, &end);
	if (value && (end == value || *end || !(seconds >= 0 && seconds <= 3600)))
		return hak_ctl_fail(HAK_EXIT_USAGE, "--wait=%s: write a number of seconds from 0 to 3600",
				    value);
	ctl->wait = true;
	ctl->wait_usec = (uint64_t)(seconds * 1e6);
	return 0;
}

/* @ret_seen: the option's bit. Return: 0; or an exit code; -1: ended well (--help). */
static int take(struct hak_ctl *ctl, int option, unsigned *ret_seen)
{
	*ret_seen = HAK_OPT_ALWAYS;
	switch (option) {
	case LONG_BUS:
		ctl->bus_name = optarg;
		return 0;
	case LONG_RUNTIME_DIR:
		ctl->runtime_dir = optarg;
		return optarg[0] == '/' ? 0
					: hak_ctl_fail(HAK_EXIT_USAGE,
						       "--runtime-dir=%s is not an absolute path", optarg);
	case LONG_NO_PAGER:
		ctl->no_pager = true;
		return 0;
	case LONG_JSON:
		*ret_seen = HAK_OPT_JSON;
		return take_json(ctl, optarg);
	case LONG_WAIT:
		*ret_seen = HAK_OPT_WAIT;
		return take_wait(ctl, optarg);
	case LONG_REASON:
		*ret_seen = HAK_OPT_REASON;
		ctl->reason = optarg;
		return 0;
	case LONG_OFF:
		*ret_seen = HAK_OPT_OFF;
		ctl->off = true;
		return 0;
	case LONG_ALL:
		*ret_seen = HAK_OPT_ALL;
		ctl->all = true;
		return 0;
	case LONG_NOW:
		*ret_seen = HAK_OPT_NOW;
		ctl->now = true;
		return 0;
	case LONG_CHECK:
		*ret_seen = HAK_OPT_CHECK;
		ctl->check = true;
		return 0;
	case LONG_VERSION:
		(void)hak_verb_version(ctl);
		return -1;
	default:
		(void)hak_verb_help(ctl);
		return -1;
	}
}

/* Options up to the first other word ("+"), or among all words. Return: 0, an exit code, or -1. */
static int take_options(struct hak_ctl *ctl, int argc, char **argv, const char *mode, unsigned *seen)
{
	int option;

	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((option = getopt_long(argc, argv, mode, long_options, NULL)) != -1) {
		unsigned bit;
		int code;

		if (option == '?')
			return fail_option(argv[optind - 1]);
		if (option == ':')
			return hak_ctl_fail(HAK_EXIT_USAGE, "option '%s' needs a value", argv[optind - 1]);
		code = take(ctl, option, &bit);
		if (code)
			return code;
		*seen |= bit;
	}
	return 0;
}

static int check_words(const struct hak_verb *verb, int count, unsigned seen)
{
	static const struct {
		unsigned bit;
		const char *name;
	} options[] = {
		{HAK_OPT_JSON, "--json"},
		{HAK_OPT_WAIT, "--wait"},
		{HAK_OPT_REASON, "--reason"},
		{HAK_OPT_OFF, "--off"},
		{HAK_OPT_ALL, "--all"},
		{HAK_OPT_NOW, "--now"},
		{HAK_OPT_CHECK, "--check"},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		if (seen & options[i].bit & ~verb->options)
			return hak_ctl_fail(HAK_EXIT_USAGE, "'%s' takes no %s", verb->name, options[i].name);
	}
	if (count < verb->least || (verb->most >= 0 && count > verb->most))
		return hak_ctl_fail(HAK_EXIT_USAGE, "write 'hakctl %s%s%s'", verb->name,
				    *verb->arguments ? " " : "", verb->arguments);
	return 0;
}

int main(int argc, char **argv)
{
	struct hak_ctl ctl = {.bus_name = "system", .reason = ""};
	const struct hak_verb *verb;
	unsigned seen = 0;
	int code, at;

	code = take_options(&ctl, argc, argv, "+:", &seen);
	if (code)
		return code < 0 ? HAK_EXIT_OK : code;
	at = optind;
	if (at == argc)
		return hak_ctl_fail(HAK_EXIT_USAGE, "a verb is missing; 'hakctl help' lists them");
	verb = find_verb(argv[at]);
	if (!verb)
		return fail_verb(argv[at]);
	code = take_options(&ctl, argc - at, argv + at, verb->command ? "+:" : ":", &seen);
	if (code)
		return code < 0 ? HAK_EXIT_OK : code;
	ctl.argc = argc - at - optind;
	ctl.argv = argv + at + optind;
	code = check_words(verb, ctl.argc, seen);
	if (code)
		return code;
	code = verb->run(&ctl);
	sd_bus_flush_close_unref(ctl.bus);
	if (fflush(stdout) != 0 && code == HAK_EXIT_OK)
		code = hak_ctl_fail(HAK_EXIT_FAILED, "cannot write the answer: %s", strerror(errno));
	hak_pager_close();
	return code;
}
