/* SPDX-License-Identifier: MIT */
/* The end of a process whose heap can no longer be trusted: last words, then abort. */
#ifndef HAK_FATAL_H
#define HAK_FATAL_H

struct hak_fatal_record;

/* The record that last words go to; NULL: none. Set once telemetry exists and again in a forked child. */
void hak_fatal_set_record(struct hak_fatal_record *record);

/**
 * hak_fatal() - one line on stderr, last words into telemetry, abort
 * @function: the public function that was given the pointer, "free"; where that is found out later, too
 * @address:  the pointer complained of, or NULL
 * @fault:    what is wrong with it, in words
 * Nothing is allocated, locked or formatted by libc: the caller may hold any of our locks.
 * Syscalls: write, getpid, gettid, tgkill. Never returns.
 */
_Noreturn void hak_fatal(const char *function, const void *address, const char *fault);

#endif
