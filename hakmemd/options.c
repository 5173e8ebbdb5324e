/* SPDX-License-Identifier: MIT */
/* See options.h. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"

/* What getopt_long() returns: an action, a text by its place in struct hak_options, or --user. */
enum { OPT_ACTION = 256, OPT_TEXT = 512, OPT_USER = 1024 };
#define TEXT(member) OPT_TEXT + offsetof(struct hak_options, member)

static const struct option long_options[] = {
	{"bus", required_argument, NULL, TEXT(bus)},
	{"runtime-dir", required_argument, NULL, TEXT(runtime_dir)},
	{"state-dir", required_argument, NULL, TEXT(state_dir)},
	{"config", required_argument, NULL, TEXT(config)},
	{"check-config", no_argument, NULL, OPT_ACTION + HAK_ACTION_CHECK_CONFIG},
	{"prepare", no_argument, NULL, OPT_ACTION + HAK_ACTION_PREPARE},
	{"leave", no_argument, NULL, OPT_ACTION + HAK_ACTION_LEAVE},
	{"user", no_argument, NULL, OPT_USER},
	{"version", no_argument, NULL, OPT_ACTION + HAK_ACTION_VERSION},
	{"help", no_argument, NULL, OPT_ACTION + HAK_ACTION_HELP},
	{NULL, 0, NULL, 0},
};

void hak_options_help(void)
{
	fputs("hakmemd [OPTIONS]\n"
	      "Publishes allocation policies to the processes that run under libhakmem.\n\n"
	      "      --bus=BUS          system (default), session, user, or an address such as unix:path=/x\n"
	      "      --runtime-dir=DIR  the control segment and telemetry; default /run/hakmem\n"
	      "      --state-dir=DIR    what outlives a restart; default /var/lib/hakmem\n"
	      "      --config=FILE      default /etc/hakmem/hakmemd.conf\n"
	      "      --check-config     read the configuration, say what is wrong with it, and end\n"
	      "      --prepare          make the runtime directory and its segment, and end\n"
	      "      --leave            publish that no daemon runs, and end; for one that was killed\n"
	      "      --user             the calling user's own: bus user, $XDG_RUNTIME_DIR/hakmem,\n"
	      "                         $XDG_STATE_HOME/hakmem, $XDG_CONFIG_HOME/hakmem/hakmemd.conf\n"
	      "      --version\n"
	      "  -h, --help\n",
	      stdout);
}

static int fail_unknown(const char *word)
{
	const char *names[sizeof(long_options) / sizeof(*long_options)];
	const char *typed = word + strspn(word, "-"), *near;
	size_t count = 0;

	while (long_options[count].name) {
		names[count] = long_options[count].name;
		count++;
	}
	near = hak_nearest_word(typed, names, count);
	if (near)
		fprintf(stderr, "hakmemd: wrong option '%s'; did you mean '--%s'?\n", word, near);
	else
		fprintf(stderr, "hakmemd: wrong option '%s'; 'hakmemd --help' lists them\n", word);
	return -EINVAL;
}

static void take(struct hak_options *options, int option)
{
	const char **text;

	if (option == OPT_USER) {
		options->user = true;
	} else if (option < OPT_TEXT) {
		options->action = (enum hak_options_action)(option - OPT_ACTION);
	} else {
		text = (const char **)(void *)((char *)options + (option - OPT_TEXT));
		*text = optarg;
		options->config_given |= text == &options->config;
	}
}

/* $VARIABLE/tail, or $HOME/otherwise/tail. */
static int user_path(const char **text, const char *variable, const char *otherwise, const char *tail)
{
	const char *base = getenv(variable), *home = getenv("HOME");
	char *path = NULL;
	int r;

	if (*text)
		return 0;
	if (base && base[0] == '/')
		r = asprintf(&path, "%s/%s", base, tail);
	else if (otherwise && home && home[0] == '/')
		r = asprintf(&path, "%s/%s/%s", home, otherwise, tail);
	else {
		fprintf(stderr, "hakmemd: --user needs %s%s to be set to an absolute path\n", variable,
			otherwise ? " or HOME" : "");
		return -EINVAL;
	}
	*text = path; /* as long as the program */
	return r < 0 ? -ENOMEM : 0;
}

static int fill_defaults(struct hak_options *options)
{
	int r = 0;

	if (!options->bus)
		options->bus = options->user ? "user" : "system";
	if (options->user)
		r = user_path(&options->runtime_dir, "XDG_RUNTIME_DIR", NULL, "hakmem");
	if (options->user && r == 0)
		r = user_path(&options->state_dir, "XDG_STATE_HOME", ".local/state", "hakmem");
	if (options->user && r == 0)
		r = user_path(&options->config, "XDG_CONFIG_HOME", ".config", "hakmem/hakmemd.conf");
	if (!options->runtime_dir)
		options->runtime_dir = "/run/hakmem";
	if (!options->state_dir)
		options->state_dir = "/var/lib/hakmem";
	if (!options->config)
		options->config = "/etc/hakmem/hakmemd.conf";
	return r;
}

static int check_absolute(const char *name, const char *path)
{
	if (path[0] == '/')
		return 0;
	fprintf(stderr, "hakmemd: %s '%s' is not an absolute path\n", name, path);
	return -EINVAL;
}

int hak_options_parse(int argc, char **argv, struct hak_options *ret_options)
{
	struct hak_options options = {.action = HAK_ACTION_RUN};
	int option, r = 0;

	opterr = 0;
	while (r == 0 && (option = getopt_long(argc, argv, ":h", long_options, NULL)) != -1) {
		if (option == ':') {
			fprintf(stderr, "hakmemd: option '%s' needs a value\n", argv[optind - 1]);
			r = -EINVAL;
		} else if (option == '?') {
			r = fail_unknown(argv[optind - 1]);
		} else {
			take(&options, option == 'h' ? OPT_ACTION + HAK_ACTION_HELP : option);
		}
	}
	if (r == 0 && optind < argc) {
		fprintf(stderr, "hakmemd: '%s' is not an option, and nothing else is understood\n",
			argv[optind]);
		r = -EINVAL;
	}
	if (r == 0)
		r = fill_defaults(&options);
	if (r == 0)
		r = check_absolute("--runtime-dir", options.runtime_dir);
	if (r == 0)
		r = check_absolute("--state-dir", options.state_dir);
	if (r == 0)
		*ret_options = options;
	return r;
}
