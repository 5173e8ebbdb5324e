/* SPDX-License-Identifier: MIT */
/*
 * The daemon's log: lines on stderr, with the priority prefix that the journal reads where stderr is a
 * journal stream; commands and decisions as structured journal records as well. One thread.
 */
#ifndef HAK_LOG_H
#define HAK_LOG_H

#include <stdint.h>
#include <sys/types.h>

#include "context.h"
#include "telemetry.h"

/* level: LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO of <syslog.h>. Preserves errno. */
void hak_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A change that somebody asked for or that the daemon decided: who, what it was, what it is, why. */
struct hak_log_change {
	const char *what;   /* "mode", "hold", "panic", "config", "purge" */
	const char *before; /* may be NULL */
	const char *after;  /* may be NULL */
	const char *why;    /* may be NULL */
	uid_t uid;          /* of the sender; (uid_t)-1: the daemon itself */
	uint64_t serial;
};
void hak_log_changed(const struct hak_log_change *change);

/* The last words of a process that aborted itself, as a record of their own. */
struct hak_last_words {
	uint64_t usec; /* CLOCK_REALTIME; 0: there are none */
	uint64_t address;
	uint32_t pid;
	uid_t uid;
	char program[64];                      /* may be "" */
	char unit[HAK_CONTEXT_UNIT_CHARS + 1]; /* may be "" */
	char text[HAK_TELEMETRY_FATAL_CHARS];  /* the fault, as the process wrote it to stderr */
};
void hak_log_fatal(const struct hak_last_words *fatal);

/* A line that a process wrote into its own log. */
struct hak_log_process {
	uint64_t usec; /* CLOCK_REALTIME */
	uint32_t pid;  /* in the daemon's namespace */
	uid_t uid;
	const char *program; /* may be "" */
	const char *unit;    /* may be "" */
	const char *context; /* 32 digits */
	uint64_t suppressed; /* lines of its user's before this one */
};
void hak_log_process(const struct hak_log_process *process, const char *text);

#endif
