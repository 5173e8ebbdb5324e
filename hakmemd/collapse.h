/* SPDX-License-Identifier: MIT */
/*
 * Huge pages from outside. A process that obeys a policy with THP "on" has advised its memory to be huge,
 * but pages that it had touched before stay small until khugepaged comes by, minutes later. hakmem-helper
 * does it now (helper.h), once for each policy that a process puts in force. One thread.
 *
 * Not while tasks wait for a CPU: the kernel, with the process's map locked, waits for a worker on each CPU,
 * and whoever maps or unmaps in the process waits with it, for seconds at worst (docs/design.md).
 */
#ifndef HAK_COLLAPSE_H
#define HAK_COLLAPSE_H

#include <sys/queue.h>

#include "client.h"
#include "helper_link.h"

struct hak_collapse_asked;

struct hak_collapse {
	struct hak_helper_link *link;        /* borrowed */
	const struct hak_client_home *home;  /* borrowed */
	LIST_HEAD(hak_collapse_asked_list, hak_collapse_asked) asked; /* that the helper is at */
	uint64_t requests, calls, huge_bytes;
	uint64_t failed;
	int last_error; /* of those that failed; 0: none yet */
	bool busy;      /* CPUs are: later. Reclaim tells, at each look */
	bool refused;   /* the kernel will do it for nobody: no more is asked for */
};

void hak_collapse_init(struct hak_collapse *collapse, struct hak_helper_link *link,
		       const struct hak_client_home *home);
/* After the link: nobody is told any more. */
void hak_collapse_deinit(struct hak_collapse *collapse);

/* Ask for it where it is due. */
void hak_collapse_look_at(struct hak_collapse *collapse, struct hak_slot *slot);

#endif
