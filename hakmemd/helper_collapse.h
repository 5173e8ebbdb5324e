/* SPDX-License-Identifier: MIT */
/*
 * The other privileged act: make huge pages of memory that a process has advised to be huge and touched
 * before that (process_madvise(2) with MADV_COLLAPSE, Linux 6.1; needs CAP_SYS_NICE, and PTRACE_MODE_READ to
 * the process). The kernel's khugepaged does the same by and by.
 *
 * No address comes from the process: what it advised, and how much of it is present, is read of /proc. It
 * only takes out: ranges that it names as lazily free are left alone.
 */
#ifndef HAK_HELPER_COLLAPSE_H
#define HAK_HELPER_COLLAPSE_H

#include <stdio.h>

#include "helper_purge.h"

enum { HAK_COLLAPSE_BYTES = 2 << 20 }; /* of a huge page; where they have another size nothing is done */

/* A mapping, of /proc/PID/smaps. */
struct hak_helper_mapping {
	uint64_t start, end;
	uint64_t resident_kib, huge_kib;
	bool anonymous; /* and private */
	bool advised;   /* to use huge pages */
};

/* The next mapping. Return: false: there is none. */
bool hak_helper_mapping_read(FILE *smaps, struct hak_helper_mapping *ret_mapping);

/* Are so many pages of a huge page's place present (words of /proc/PID/pagemap) that it is worth one? */
bool hak_helper_collapse_pays(const uint64_t *pages, size_t count);

/* From @request->from on, a few tens of MiB; @request is valid. Blocks for some ten milliseconds. */
struct hak_helper_reply hak_helper_collapse(const struct hak_helper_place *place,
					    const struct hak_helper_request *request);

#endif
