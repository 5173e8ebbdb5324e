/* SPDX-License-Identifier: MIT */
/*
 * hakctl enable|disable UNIT|--all [--now] [--check]: the drop-in that preloads libhakmem into a service.
 * What in the unit would keep that from working is named, and mended in the drop-in where a directive can do
 * it; else nothing is changed.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crashes.h"
#include "enable.h"
#include "environment.h"
#include "json_text.h"
#include "preloads.h"
#include "unit.h"

#define UNIT_DIR "/etc/systemd/system"
#define DROP_IN  "50-hakmem.conf"

enum { POLLS = 60, POLL_NSEC = 50000000 };

struct drop_in {
	char directory[512];
	char file[640];
	char text[8192];   /* as it should be */
	char before[8192]; /* as it is; "": there is none */
};

static int place(struct drop_in *drop_in, const struct hak_unit *unit)
{
	FILE *file;

	snprintf(drop_in->directory, sizeof(drop_in->directory), UNIT_DIR "/%s.d", unit->name);
	snprintf(drop_in->file, sizeof(drop_in->file), "%s/" DROP_IN, drop_in->directory);
	file = fopen(drop_in->file, "re");
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	drop_in->before[fread(drop_in->before, 1, sizeof(drop_in->before) - 1, file)] = '\0';
	fclose(file);
	return 0;
}

/* Counts crashes, as root and outside the unit's sandbox; see crashed.c. */
static size_t add_watch(char *text, size_t room)
{
	char program[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (length < 0)
		return 0;
	program[length] = '\0';
	if (strpbrk(program, " \t%\\\"'"))
		return 0; /* not worth quoting: a build tree in a strange place */
	return (size_t)snprintf(text, room, "ExecStopPost=-+%s crashed %%n\n", program);
}

static void compose(struct drop_in *drop_in, const struct hak_unit *unit, const char *library)
{
	size_t used;

	/* What the unit itself preloads stays; our own name in it is from this very drop-in. */
	bool others = *unit->preload && !strstr(unit->preload, "libhakmem.so");

	used = (size_t)snprintf(drop_in->text, sizeof(drop_in->text),
				"# Written by hakctl enable; taken back by hakctl disable %s\n[Service]\n"
				"Environment=LD_PRELOAD=%s%s%s\n",
				unit->name, library, others ? ":" : "", others ? unit->preload : "");
	used += add_watch(drop_in->text + used, sizeof(drop_in->text) - used);
	for (size_t i = 0; i < unit->count && used < sizeof(drop_in->text); i++)
		used += (size_t)snprintf(drop_in->text + used, sizeof(drop_in->text) - used, "# %s %s\n%s\n",
					 unit->finding[i].directive, unit->finding[i].text,
					 unit->finding[i].mend);
}

static int write_drop_in(const struct drop_in *drop_in, const char *text)
{
	char temporary[sizeof(drop_in->file) + 8];
	FILE *file;
	int r = 0;

	if (!*text) {
		r = unlink(drop_in->file) < 0 && errno != ENOENT ? -errno : 0;
		(void)rmdir(drop_in->directory); /* others may have drop-ins there */
		return r;
	}
	if (mkdir(drop_in->directory, 0755) < 0 && errno != EEXIST)
		return -errno;
	snprintf(temporary, sizeof(temporary), "%s.new", drop_in->file);
	file = fopen(temporary, "we");
	if (!file)
		return -errno;
	if (fputs(text, file) == EOF || fflush(file) == EOF || fsync(fileno(file)) < 0)
		r = -errno;
	if (fclose(file) == EOF && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, drop_in->file) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temporary); /* what failed is told */
	return r;
}

static bool is_preloaded(uint32_t pid)
{
	enum hak_preload preload = pid ? hak_preload_of(pid, NULL, 0) : HAK_PRELOAD_GONE;

	return preload == HAK_PRELOAD_CURRENT || preload == HAK_PRELOAD_STALE;
}

/* A service counts as active before its program was loaded: give it a moment. */
static bool becomes_preloaded(struct hak_unit *unit, bool wanted)
{
	const struct timespec pause = {.tv_nsec = POLL_NSEC};

	for (int i = 0; i < POLLS; i++) {
		if (is_preloaded(hak_unit_main_pid(unit)) == wanted)
			return true;
		(void)nanosleep(&pause, NULL); /* shorter is fine */
	}
	return false;
}

/* What --json prints in the end, unit by unit. */
struct document {
	struct hak_json *json; /* NULL: text instead */
	bool changed;
};

static void open_document(struct document *document, const struct hak_ctl *ctl)
{
	*document = (struct document){.json = ctl->json ? hak_json_text_open() : NULL};
	if (document->json)
		hak_json_begin(document->json, "units", '[');
}

static void close_document(struct document *document, const struct hak_ctl *ctl)
{
	if (!document->json)
		return;
	hak_json_end(document->json, ']');
	hak_json_bool(document->json, "changed", document->changed);
	hak_json_text_close(document->json, ctl->json);
}

static void tell_text(const struct hak_unit *unit)
{
	for (size_t i = 0; i < unit->count; i++)
		fprintf(*unit->finding[i].mend ? stdout : stderr, "%s: %s %s%s\n", unit->name,
			unit->finding[i].directive, unit->finding[i].text,
			*unit->finding[i].mend ? " (mended)" : "");
}

static void tell_json(struct document *document, const struct hak_unit *unit, bool changed)
{
	struct hak_json *json = document->json;

	document->changed |= changed;
	hak_json_begin(json, NULL, '{');
	hak_json_string(json, "unit", unit->name);
	hak_json_bool(json, "changed", changed);
	hak_json_bool(json, "possible", !hak_unit_is_hopeless(unit));
	hak_json_begin(json, "findings", '[');
	for (size_t i = 0; i < unit->count; i++) {
		hak_json_begin(json, NULL, '{');
		hak_json_string(json, "directive", unit->finding[i].directive);
		hak_json_string(json, "text", unit->finding[i].text);
		hak_json_bool(json, "mended", *unit->finding[i].mend);
		hak_json_end(json, '}');
	}
	hak_json_end(json, ']');
	hak_json_end(json, '}');
}

static int fail_open(const char *name, int r)
{
	if (r == -EPERM)
		return hak_ctl_fail(HAK_EXIT_FAILED,
				    "%s is one of those that keep the machine running: it is left alone",
				    name);
	if (r == -EINVAL)
		return hak_ctl_fail(HAK_EXIT_USAGE,
				    "'%s' is no service; write its name, such as redis-server.service", name);
	if (r == -ENOENT)
		return hak_ctl_fail(HAK_EXIT_FAILED, "there is no unit %s; 'systemctl list-units' shows them",
				    name);
	if (r == -ENOTCONN)
		return hak_ctl_fail(
			HAK_EXIT_FAILED,
			"cannot ask systemd about %s: there is none on the system bus here; 'hakctl "
			"run COMMAND' works without",
			name);
	return hak_ctl_fail(HAK_EXIT_FAILED, "cannot ask systemd about %s: %s", name, strerror(-r));
}

/* Write the drop-in, restart if asked to; what was before comes back where that fails. */
static int apply(const struct hak_ctl *ctl, struct hak_unit *unit, const struct drop_in *drop_in, bool wanted)
{
	bool changes = strcmp(drop_in->text, drop_in->before) != 0;
	int r = write_drop_in(drop_in, drop_in->text);

	if (r == 0)
		r = hak_unit_reload(unit);
	if (r < 0)
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot change %s: %s", drop_in->file, strerror(-r));
	if (!ctl->now || (!wanted && !hak_unit_main_pid(unit))) /* who does not run is not to be started */
		return HAK_EXIT_OK;
	r = hak_unit_restart(unit);
	if (r == 0 && becomes_preloaded(unit, wanted))
		return HAK_EXIT_OK;
	if (changes) {
		(void)write_drop_in(drop_in, drop_in->before);
		(void)hak_unit_reload(unit);
		(void)hak_unit_restart(unit); /* as it was before: nothing more can be done from here */
	}
	return hak_ctl_fail(HAK_EXIT_FAILED, "%s: %s; %s", unit->name,
			    r < 0    ? "it did not start any more"
			    : wanted ? "the library is not in its memory after the restart"
				     : "the library is still in its memory after the restart",
			    changes ? "the drop-in was taken back" : "the drop-in is as it was");
}

static int change(const struct hak_ctl *ctl, const char *name, bool enable, struct document *document)
{
	char library[4096];
	struct drop_in drop_in = {.text = ""};
	struct hak_unit unit;
	bool changes = false, restarts = false;
	int code = enable ? hak_environment_library(library, sizeof(library)) : 0, r;

	if (code)
		return code;
	r = hak_unit_open(&unit, name);
	if (r == 0)
		r = place(&drop_in, &unit);
	if (r == 0 && enable)
		r = hak_unit_look(&unit, library, drop_in.before);
	if (r < 0) {
		code = fail_open(*unit.name ? unit.name : name, r);
		hak_unit_close(&unit);
		return code;
	}
	if (enable)
		compose(&drop_in, &unit, library);
	if (hak_unit_is_hopeless(&unit)) {
		code = HAK_EXIT_FAILED;
	} else {
		changes = strcmp(drop_in.text, drop_in.before) != 0;
		/* It may have been changed without --now before, and run as it did. */
		restarts = ctl->now && is_preloaded(hak_unit_main_pid(&unit)) != enable;
	}
	if (changes && !ctl->check)
		hak_crashes_forget(unit.name);
	if ((changes || restarts) && !ctl->check)
		code = apply(ctl, &unit, &drop_in, enable);
	if (document->json)
		tell_json(document, &unit, changes && code == 0);
	else
		tell_text(&unit);
	hak_unit_close(&unit);
	return code;
}

int hak_verb_enable(struct hak_ctl *ctl)
{
	struct document document;
	int code;

	open_document(&document, ctl);
	code = change(ctl, ctl->argv[0], true, &document);
	close_document(&document, ctl);
	return code;
}

int hak_enable_take_back(const struct hak_ctl *ctl, const char *unit)
{
	struct document none = {.json = NULL};
	struct hak_ctl quiet = *ctl;

	quiet.now = false;
	return change(&quiet, unit, false, &none);
}

/* Every unit that has our drop-in; before the package is removed. */
static int disable_all(const struct hak_ctl *ctl, struct document *document)
{
	glob_t found = {.gl_pathc = 0};
	int code = HAK_EXIT_OK, one;
	char *name;

	(void)glob(UNIT_DIR "/*.service.d/" DROP_IN, 0, NULL, &found); /* there may be none */
	for (size_t i = 0; i < found.gl_pathc; i++) {
		*strrchr(found.gl_pathv[i], '/') = '\0';
		name = strrchr(found.gl_pathv[i], '/') + 1;
		name[strlen(name) - strlen(".d")] = '\0';
		one = change(ctl, name, false, document);
		code = one ? one : code; /* the others are disabled nevertheless */
	}
	globfree(&found);
	return code;
}

int hak_verb_disable(struct hak_ctl *ctl)
{
	struct document document;
	int code;

	if (ctl->all == (ctl->argc > 0))
		return hak_ctl_fail(HAK_EXIT_USAGE, "write 'hakctl disable UNIT' or 'hakctl disable --all'");
	open_document(&document, ctl);
	code = ctl->all ? disable_all(ctl, &document) : change(ctl, ctl->argv[0], false, &document);
	close_document(&document, ctl);
	return code;
}
