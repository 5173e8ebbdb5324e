/* SPDX-License-Identifier: MIT */
/* hakctl doctor PID: is it preloaded, is it known, and why not. See doctor.h. */
#include <elf.h>
#include <inttypes.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "doctor.h"
#include "document.h"
#include "environment.h"
#include "preloads.h"
#include "program.h"

enum { ENVIRONMENT_BYTES = 1 << 18 };

static void proc_path(uint64_t pid, const char *file, char ret_path[PATH_MAX])
{
	snprintf(ret_path, PATH_MAX, "/proc/%" PRIu64 "/%s", pid, file);
}

/* A setting of the environment that the process began with, in @room bytes; "" without it. */
static void environment_of(uint64_t pid, const char *name, char *ret_value, size_t room)
{
	static char text[ENVIRONMENT_BYTES + 1];
	size_t length, name_chars = strlen(name);
	char path[PATH_MAX];
	FILE *file;

	*ret_value = '\0';
	proc_path(pid, "environ", path);
	file = fopen(path, "re");
	if (!file)
		return;
	length = fread(text, 1, ENVIRONMENT_BYTES, file);
	fclose(file);
	text[length] = '\0';
	for (char *at = text; at < text + length; at += strlen(at) + 1)
		if (strncmp(at, name, name_chars) == 0 && at[name_chars] == '=')
			snprintf(ret_value, room, "%s", at + name_chars + 1);
}

/* Did the loader run in secure mode, where it drops preloads? */
static bool is_secure(uint64_t pid)
{
	ElfW(auxv_t) entry;
	bool secure = false;
	char path[PATH_MAX];
	FILE *file;

	proc_path(pid, "auxv", path);
	file = fopen(path, "re");
	while (file && fread(&entry, sizeof(entry), 1, file) == 1)
		secure |= entry.a_type == AT_SECURE && entry.a_un.a_val;
	if (file)
		fclose(file);
	return secure;
}

static const char *program_refusal(uint64_t pid)
{
	char path[PATH_MAX];

	proc_path(pid, "exe", path);
	return hak_program_refusal(path);
}

/* Is the file there in the process's own view of the file system? */
static bool sees(uint64_t pid, const char *file)
{
	char path[PATH_MAX], root[PATH_MAX];

	proc_path(pid, "root", root);
	return snprintf(path, sizeof(path), "%s%s", root, file) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

/* It has no libhakmem: the first reason that explains it. */
static void explain_absence(struct hak_checks *checks, uint64_t pid)
{
	char preload[4096], *library;
	const char *refusal = program_refusal(pid);

	environment_of(pid, "LD_PRELOAD", preload, sizeof(preload));
	library = strstr(preload, "libhakmem.so");
	if (refusal) {
		hak_checks_add(checks, "preloaded", HAK_CHECK_MISSING,
			       "link the program with libhakmem (pkg-config hakmem), or leave it as it is",
			       "no: %s", refusal);
		return;
	}
	if (is_secure(pid)) {
		hak_checks_add(
			checks, "preloaded", HAK_CHECK_MISSING,
			"start it without gaining privileges; with systemd by AmbientCapabilities=",
			"no: it gained privileges when it was started, so the loader dropped the preload");
		return;
	}
	if (!library) {
		hak_checks_add(checks, "preloaded", HAK_CHECK_MISSING,
			       "'hakctl run COMMAND' for a command, 'hakctl enable --now UNIT' for a service",
			       *preload ? "no: its LD_PRELOAD is %s"
					: "no: it was started without LD_PRELOAD%s",
			       preload);
		return;
	}
	while (library > preload && !strchr(": ", library[-1]))
		library--;
	library[strcspn(library, ": ")] = '\0';
	if (*library == '/' && !sees(pid, library))
		hak_checks_add(checks, "preloaded", HAK_CHECK_MISSING,
			       "make it visible there: 'hakctl enable UNIT' does so for a service",
			       "no: %s is not in the file system that the process sees", library);
	else
		hak_checks_add(checks, "preloaded", HAK_CHECK_MISSING,
			       "LD_DEBUG=libs in its environment tells what the loader does",
			       "no, though its environment names %s", library);
}

static void explain_stranger(struct hak_checks *checks, const struct hak_ctl *ctl, uint64_t pid)
{
	char runtime_dir[PATH_MAX], path[PATH_MAX];

	environment_of(pid, "HAKMEM_RUNTIME_DIR", runtime_dir, sizeof(runtime_dir));
	if (!*runtime_dir)
		snprintf(runtime_dir, sizeof(runtime_dir), "/run/hakmem");
	else if (strcmp(runtime_dir, hak_environment_runtime_dir(ctl)) != 0)
		hak_checks_add(checks, "runtime directory", HAK_CHECK_NOTE,
			       "ask the hakmemd of that directory: --bus=", "the process uses %s",
			       runtime_dir);
	if (snprintf(path, sizeof(path), "%s/" HAK_CLIENTS_DIR, runtime_dir) >= (int)sizeof(path) ||
	    !sees(pid, path))
		hak_checks_add(checks, "known to hakmemd", HAK_CHECK_MISSING,
			       "'hakctl enable UNIT' opens it for a service; containers: bind-mount it",
			       "no: %s is not in the file system that the process sees", path);
	else
		hak_checks_add(
			checks, "known to hakmemd", HAK_CHECK_MISSING,
			"to see it, restart it when it suits; or see 'hakctl doctor' for the machine",
			"no: it made no telemetry when it was started (hakmemd was stopped then, or the "
			"directory not there, full, read-only, or with more files than its user may "
			"have), or is one child too many of a process; it obeys all the same, unless it "
			"belongs to another hakmemd");
}

static const cJSON *find_process(const cJSON *document, uint64_t pid)
{
	const cJSON *process;

	cJSON_ArrayForEach(process, cJSON_GetObjectItemCaseSensitive(document, "processes"))
	{
		if (hak_document_number(process, "pid") == (double)pid)
			return process;
	}
	return NULL;
}

static void tell_policy(struct hak_checks *checks, const cJSON *process)
{
	hak_checks_add(checks, "known to hakmemd", HAK_CHECK_OK, "", "as %s, unit %s",
		       hak_document_text(process, "comm"), hak_document_text(process, "unit"));
	if (hak_document_is_pinned(process))
		hak_checks_add(checks, "mode", HAK_CHECK_NOTE, "start it without HAKMEM_MODE",
			       "%s, from its environment: set-mode does not move it",
			       hak_document_text(process, "mode"));
	else
		hak_checks_add(checks, "mode", HAK_CHECK_OK, "", "%s (%s)",
			       hak_document_text(process, "mode"), hak_document_text(process, "mode_source"));
	if (!hak_document_is(process, "verified"))
		hak_checks_add(
			checks, "verified", HAK_CHECK_NOTE, "",
			"its memory map cannot be seen by hakmemd: its pid is believed, and nothing is taken "
			"out of it from outside");
	if (!hak_document_is(process, "up_to_date"))
		hak_checks_add(checks, "up to date", HAK_CHECK_NOTE, "",
			       "it has not looked at the newest policy: it sleeps, or is stopped");
}

void hak_doctor_process(struct hak_checks *checks, const struct hak_ctl *ctl, uint64_t pid,
			const cJSON *document)
{
	const cJSON *process = find_process(document, pid);
	char library[PATH_MAX] = "";

	switch (hak_preload_of(pid, library, sizeof(library))) {
	case HAK_PRELOAD_GONE:
		hak_checks_add(checks, "process", HAK_CHECK_MISSING, "", "there is no process %" PRIu64, pid);
		return;
	case HAK_PRELOAD_HIDDEN:
		hak_checks_add(checks, "preloaded", HAK_CHECK_NOTE,
			       geteuid() == 0 ? "its unit or container hides it, or the kernel does"
					      : "run doctor as root, or as its user",
			       "its memory map is not ours to read");
		break;
	case HAK_PRELOAD_STALE:
		hak_checks_add(checks, "preloaded", HAK_CHECK_NOTE, "restart it when it suits",
			       "%s, which was replaced since", library);
		break;
	case HAK_PRELOAD_CURRENT:
		hak_checks_add(checks, "preloaded", HAK_CHECK_OK, "", "%s", library);
		break;
	case HAK_PRELOAD_NONE:
		if (process) /* linked statically with libhakmem.a */
			hak_checks_add(checks, "preloaded", HAK_CHECK_OK, "", "no: libhakmem is part of it");
		else
			explain_absence(checks, pid);
		break;
	}
	if (process)
		tell_policy(checks, process);
	else if (document && *library)
		explain_stranger(checks, ctl, pid);
}
