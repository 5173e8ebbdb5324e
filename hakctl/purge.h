/* SPDX-License-Identifier: MIT */
/* Purging as hakmemd does it: a job that is begun and looked at. For the verb and for top. */
#ifndef HAK_CTL_PURGE_H
#define HAK_CTL_PURGE_H

#include "ctl.h"

struct hak_purge_outcome {
	bool runs;
	char state[16];
	uint32_t obeyed, asleep, stopped, lost;
	uint32_t unanswered; /* by hakmem-helper: what they have freed lazily may still be there */
	uint64_t before_bytes, after_bytes, taken_bytes; /* once it does not run any more */
};

/* @target: as hakmemd writes them. Return: 0, or the exit code after a line on stderr; of both. */
int hak_purge_begin(struct hak_ctl *ctl, const char *target, uint64_t *ret_job);
int hak_purge_look(struct hak_ctl *ctl, uint64_t job, struct hak_purge_outcome *ret_outcome);

#endif
