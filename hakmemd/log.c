/* SPDX-License-Identifier: MIT */
/* See log.h. */
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "strange_text.h"

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

/* systemd tells by JOURNAL_STREAM=DEVICE:INODE which stream it connected; stderr may have been redirected
 * since. */
static int stderr_is_journal(void)
{
	static int answer = -1;
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;

	if (answer >= 0)
		return answer;
	answer = stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
		 fstat(STDERR_FILENO, &status) == 0 && status.st_dev == (dev_t)device &&
		 status.st_ino == (ino_t)inode;
	return answer;
}

void hak_log(int level, const char *format, ...)
{
	int saved_errno = errno;
	char line[1024];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(line, sizeof(line), format, arguments); /* a cut line is still a line */
	va_end(arguments);
	hak_make_printable(line);
	if (stderr_is_journal())
		fprintf(stderr, "<%d>%s\n", level, line);
	else
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, line);
	errno = saved_errno;
}

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

void hak_log_changed(const struct hak_log_change *change)
{
	char who[32] = "hakmemd";

	if (change->uid != (uid_t)-1)
		snprintf(who, sizeof(who), "uid %u", (unsigned)change->uid);
	if (!stderr_is_journal()) {
		hak_log(LOG_INFO, "%s: %s -> %s by %s, serial %" PRIu64 " (%s)", change->what,
			or_dash(change->before), or_dash(change->after), who, change->serial,
			or_dash(change->why));
		return;
	}
	/* A full journal must not stop a mode change; the line is lost and nothing else. */
	(void)sd_journal_send("MESSAGE=%s: %s -> %s by %s (%s)", change->what, or_dash(change->before),
			      or_dash(change->after), who, or_dash(change->why), "PRIORITY=%d", LOG_INFO,
			      "HAKMEM_CHANGE=%s", change->what, "HAKMEM_BEFORE=%s", or_dash(change->before),
			      "HAKMEM_AFTER=%s", or_dash(change->after), "HAKMEM_WHO=%s", who,
			      "HAKMEM_SENDER_UID=%d", (int)change->uid, "HAKMEM_WHY=%s", or_dash(change->why),
			      "HAKMEM_SERIAL=%" PRIu64, change->serial, NULL);
}

void hak_log_process(const struct hak_log_process *process, const char *text)
{
	char before[48] = "";

	if (process->suppressed)
		snprintf(before, sizeof(before), " (%" PRIu64 " lines left out)", process->suppressed);
	if (!stderr_is_journal()) {
		hak_log(LOG_INFO, "process %u (%s, unit %s, uid %u)%s: %s", process->pid,
			or_dash(process->program), or_dash(process->unit), (unsigned)process->uid, before,
			text);
		return;
	}
	(void)sd_journal_send("MESSAGE=process %u (%s)%s: %s", process->pid, or_dash(process->program),
			      before, text, "PRIORITY=%d", LOG_INFO, "HAKMEM_PID=%u", process->pid,
			      "HAKMEM_UID=%u", (unsigned)process->uid, "HAKMEM_UNIT=%s",
			      or_dash(process->unit), "HAKMEM_PROGRAM=%s", or_dash(process->program),
			      "HAKMEM_CONTEXT=%s", process->context, "HAKMEM_TIME_USEC=%" PRIu64,
			      process->usec, NULL);
}

/* A constant of the project, so that `journalctl MESSAGE_ID=...` finds it: docs/runbook.md. */
#define FATAL_MESSAGE_ID "2469e902d26c4ad791ce7deef7b2e9ad"

void hak_log_fatal(const struct hak_last_words *fatal)
{
	const char *program = *fatal->program ? fatal->program : "unknown program";
	const char *unit = *fatal->unit ? fatal->unit : "none";

	if (!stderr_is_journal()) {
		hak_log(LOG_ERR, "process %u (%s, unit %s, uid %u) aborted itself: %s", fatal->pid, program,
			unit, (unsigned)fatal->uid, fatal->text);
		return;
	}
	(void)sd_journal_send("MESSAGE=process %u (%s, unit %s, uid %u) aborted itself: %s", fatal->pid,
			      program, unit, (unsigned)fatal->uid, fatal->text,
			      "MESSAGE_ID=" FATAL_MESSAGE_ID, "PRIORITY=%d", LOG_ERR, "HAKMEM_UNIT=%s", unit,
			      "HAKMEM_PROGRAM=%s", program, "HAKMEM_PID=%u", fatal->pid, "HAKMEM_UID=%u",
			      (unsigned)fatal->uid, "HAKMEM_ADDRESS=0x%" PRIx64, fatal->address,
			      "HAKMEM_FAULT=%s", fatal->text, NULL);
}
