/* SPDX-License-Identifier: MIT */
/* hakctl's command line: options before and after the verb. */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "options.h"
#include "pager.h"
#include "terminal.h"

enum { DEFAULT_INTERVAL_USEC = 1000000 };

static int check_words(const struct hak_verb *verb, char **words, int count, unsigned seen)
{
	for (const struct hak_option *option = hak_options; option->name; option++) {
		if (option->bit != HAK_OPT_ALWAYS && (seen & option->bit & ~verb->options))
			return hak_ctl_fail(HAK_EXIT_USAGE, "'%s' takes no --%s", verb->name, option->name);
	}
	if (verb->most >= 0 && count > verb->most)
		return hak_ctl_fail(HAK_EXIT_USAGE, "'%s' is one word too many: write 'hakctl %s%s%s'",
				    words[verb->most], verb->name, *verb->arguments ? " " : "",
				    verb->arguments);
	if (count < verb->least)
		return hak_ctl_fail(HAK_EXIT_USAGE, "something is missing: write 'hakctl %s %s'", verb->name,
				    verb->arguments);
	return 0;
}

static int run(struct hak_ctl *ctl, const struct hak_verb *verb, unsigned seen)
{
	int code = check_words(verb, ctl->argv, ctl->argc, seen);

	if (code)
		return code;
	(void)hak_terminal(); /* before a pager takes its place */
	code = verb->run(ctl);
	sd_bus_flush_close_unref(ctl->bus);
	if (fflush(stdout) != 0 && code == HAK_EXIT_OK)
		code = hak_ctl_fail(HAK_EXIT_FAILED, "cannot write the answer: %s", strerror(errno));
	hak_pager_close();
	return code;
}

int main(int argc, char **argv)
{
	struct hak_ctl ctl = {.bus_name = "system", .reason = "", .interval_usec = DEFAULT_INTERVAL_USEC};
	const struct hak_verb *verb;
	unsigned seen = 0;
	int code, at, next;

	(void)setlocale(LC_CTYPE, ""); /* how wide characters are; without it each byte is one */
	code = hak_options_take(&ctl, argc, argv, true, &seen, &at);
	if (code)
		return code;
	if (seen & HAK_OPT_VERSION)
		return hak_verb_version(&ctl);
	if (seen & HAK_OPT_HELP)
		return hak_verb_help(&ctl);
	if (at == argc)
		return hak_ctl_fail(HAK_EXIT_USAGE, "a verb is missing; 'hakctl help' lists them");
	code = hak_verb_find(argv[at], &verb);
	if (code == 0)
		code = hak_options_take(&ctl, argc - at, argv + at, verb->command, &seen, &next);
	if (code)
		return code;
	if (seen & HAK_OPT_HELP) { /* hakctl VERB --help */
		ctl.argc = 1;
		ctl.argv = argv + at;
		return hak_verb_help(&ctl);
	}
	ctl.argc = argc - at - next;
	ctl.argv = argv + at + next;
	return run(&ctl, verb, seen & ~(unsigned)HAK_OPT_VERSION);
}
