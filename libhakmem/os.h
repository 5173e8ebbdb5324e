/* SPDX-License-Identifier: MIT */
/*
 * The system calls that libhakmem makes after its constructor, one function each. All take and give ranges in
 * whole pages, preserve errno, may be called by any thread, and count themselves (hak_os_counter).
 */
#ifndef HAK_OS_H
#define HAK_OS_H

#include <stdatomic.h>

#include "base.h"
#include "counters.h"

/* Process-wide counts of what was asked of the kernel; only the entries that os.c and its users name move. */
extern _Atomic uint64_t hak_os_counter[HAK_COUNTER_COUNT];

static inline void hak_os_count(enum hak_counter counter, uint64_t n)
{
	/* relaxed: statistics, ordered by nothing */
	atomic_fetch_add_explicit(&hak_os_counter[counter], n, memory_order_relaxed);
}

size_t hak_os_page_bytes(void);

/* Milliseconds of a clock that never goes back, some ms late; wraps. No system call where the vDSO has it. */
uint32_t hak_os_coarse_msec(void);

/* On which the caller runs, at this moment. No system call where libc has rseq (2.35) or the vDSO tells. */
int hak_os_cpu(void);

/*
 * CPU time and page faults of the whole process, and the most that was ever resident: real system calls, for
 * the ends of learning's windows and for trials.
 */
uint64_t hak_os_cpu_nsec(void);
uint64_t hak_os_faults(void);
uint64_t hak_os_peak_kib(void);

/* Ours as the kernel has it: in a vfork child not the one that our memory knows. */
uint32_t hak_os_pid(void);

/* All threads, at once; nothing is run before. */
_Noreturn void hak_os_exit(int status);

/* What is resident now. Opens a file: for the constructor alone. Return: 0: there is no /proc. */
uint64_t hak_os_resident_kib(void);

/**
 * hak_os_map() - fresh zeroed memory at exactly @address
 * @address: NULL: anywhere
 * Return: 0; -EEXIST (something lies there); -ENOMEM and others as the kernel said.
 */
int hak_os_map(void *address, size_t bytes, void **ret_memory);
void hak_os_unmap(void *memory, size_t bytes);

/**
 * hak_os_move_pages() - move the pages of a range, not their bytes; the source stays mapped and becomes zero
 * @target: the caller's own mapping of at least @bytes; its first @bytes are replaced
 * Never unmaps: another thread's mmap could land in the hole.
 * Return: false (kernel older than 5.7, memory short): nothing has changed.
 */
bool hak_os_move_pages(char *source, size_t bytes, char *target);

/* Give back: contents are lost at once (dontneed) or when memory gets short (lazily). Return: 0 or -errno. */
int hak_os_dontneed(void *memory, size_t bytes);
int hak_os_free_lazily(void *memory, size_t bytes);

/*
 * Fault in writable pages ahead of use. Return: 0; -errno (kernel older than 5.14, memory short): just go on.
 */
int hak_os_populate(void *memory, size_t bytes);

/* Make huge pages of it, here and now. Return: 0; -EINVAL (not allowed, unknown); -errno (none to be had). */
int hak_os_collapse(void *memory, size_t bytes);

void hak_os_advise_huge(void *memory, size_t bytes, bool want);

#endif
