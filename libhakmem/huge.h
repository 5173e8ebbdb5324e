/* SPDX-License-Identifier: MIT */
/*
 * Are huge pages to be had, whatever the policy wants? Not where the system says "never", which the daemon
 * keeps telling and without one the constructor reads; not where PR_SET_THP_DISABLE is in force, which is
 * found out by trying: a superslab that was advised and touched must be huge, or collapse; and not where the
 * machine's pages are of 16 or 64 KiB: huge ones are of 32 or 512 MiB then, and no superslab is one.
 *
 * Who is refused advises none, and faults in ahead instead.
 */
#ifndef HAK_HUGE_H
#define HAK_HUGE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "control.h"
#include "geometry.h"
#include "os.h"

struct hak_huge {
	_Atomic bool never;    /* the system says so */
	_Atomic bool disabled; /* for this process */
};
extern struct hak_huge hak_huge;

/* relaxed: obeyed by the next mapping */
static inline bool hak_huge_is_refused(void)
{
	return atomic_load_explicit(&hak_huge.never, memory_order_relaxed) ||
	       atomic_load_explicit(&hak_huge.disabled, memory_order_relaxed) ||
	       hak_os_page_bytes() > HAK_GRAIN_BYTES;
}

/* The constructor, where no control segment is mapped. Syscalls: open, read, close. Preserves errno. */
void hak_huge_read_system(void);

/* What the segment says. Return: true where that changes anything. */
bool hak_huge_follow_system(const struct hak_control_header *control);

/**
 * hak_huge_try() - find out whether huge pages are disabled for this process
 * @superslab: 2 MiB that were advised to be huge, and touched since
 * Syscalls: madvise, twice. Preserves errno.
 */
void hak_huge_try(void *superslab);

#endif
