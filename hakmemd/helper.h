/* SPDX-License-Identifier: MIT */
/*
 * What hakmem-helper does.
 *
 * Purge, the privileged act: page out ranges of another process that are lazily free there, so that the
 * kernel drops them (process_madvise(2) with MADV_PAGEOUT; needs CAP_SYS_NICE, and PTRACE_MODE_READ to the
 * process).
 *
 * MADV_PAGEOUT loses nothing: pages that are lazily free are dropped, others would be swapped out or stay. So
 * a range that is in use again by now costs its process refaults at most. Before each call the telemetry file
 * is asked what is still published.
 *
 * Collapse, the other one: make huge pages of memory that a process has advised to be huge and touched
 * before that (process_madvise(2) with MADV_COLLAPSE, Linux 6.1; needs CAP_SYS_NICE, and PTRACE_MODE_READ to
 * the process). The kernel's khugepaged does the same by and by. No address comes from the process: what it
 * advised, and how much of it is present, is read of /proc. It only takes out: ranges that it names as lazily
 * free are left alone.
 *
 * Identify: tell hakmemd who a process is that it may not look at itself.
 */
#ifndef HAK_HELPER_H
#define HAK_HELPER_H

#include <stdio.h>

#include "helper_protocol.h"
#include "process_check.h"

/* Is the request well-formed: version, count, name, ranges of whole pages that do not wrap? */
bool hak_helper_request_valid(const struct hak_helper_request *request);

/*
 * "7f00-7f01 rw-p 00000000 00:00 0 [anon:name]": a line of /proc/PID/maps. Is it private and anonymous?
 * Return: false, too, for other text.
 */
bool hak_helper_parse_anonymous(const char *line, uint64_t *ret_start, uint64_t *ret_end);

/* The telemetry file of a request. Return: 0; -ESRCH. */
int hak_helper_file(const struct hak_client_home *place, const struct hak_helper_request *request,
		    struct hak_file_id *ret_file, uid_t *ret_owner);

/* The process of a request, if it maps that very file. Return: 0; -ESRCH, -EMFILE. The caller closes. */
int hak_helper_open(const struct hak_client_home *place, const struct hak_helper_request *request,
		    int *ret_pidfd);

/**
 * hak_helper_ranges_check() - which ranges are private anonymous memory
 * @maps:   /proc/PID/maps
 * @ranges: sorted here by address; what is not wholly covered gets bytes = 0
 * Return: how many were refused.
 */
uint32_t hak_helper_ranges_check(FILE *maps, struct hak_helper_range *ranges, uint32_t count);

/* Do it; @request is valid. Blocks for about a millisecond a MiB. */
struct hak_helper_reply hak_helper_purge(const struct hak_client_home *place,
					 const struct hak_helper_request *request);

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
struct hak_helper_reply hak_helper_collapse(const struct hak_client_home *place,
					    const struct hak_helper_request *request);

/* Which of its candidates maps the telemetry file, and what that one runs; @request is valid. Error -ESRCH:
 * none of them does. */
struct hak_helper_reply hak_helper_identify(const struct hak_client_home *place,
					    const struct hak_helper_request *request);

#endif
