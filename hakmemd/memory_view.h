/* SPDX-License-Identifier: MIT */
/*
 * Why a process is as large as it is: its resident memory beside what the program uses of it, and where the
 * rest lies. Pure: it looks at numbers that others have read.
 */
#ifndef HAK_MEMORY_VIEW_H
#define HAK_MEMORY_VIEW_H

#include <stdint.h>

#include "counters.h"

/* All in bytes. Of blocks, what is not `allocated` is free, and each free byte is in one of the others. */
struct hak_memory_view {
	uint64_t resident;    /* the kernel's count, of the whole process; 0: unknown */
	uint64_t allocated;   /* in the program's hands */
	uint64_t active;      /* slabs and runs in which something lives */
	uint64_t lazily_free; /* resident until the kernel or hakmem-helper takes it */
	uint64_t held;        /* kept ready: bins, large blocks, whole runs */
	uint64_t pinned;      /* free, resident, and in a slab with something that lives: fragmentation */
	uint64_t tables;      /* the allocator's own */
	uint64_t other;       /* resident, and none of these: not the allocator's, or not touched evenly */
};

struct hak_memory_view hak_memory_view_of(const uint64_t *gauge, uint64_t resident_bytes);

/* The one sentence about it: what the largest part is that the program does not use, and what that means. */
const char *hak_memory_finding(const struct hak_memory_view *view, const uint64_t *counter);

#endif
