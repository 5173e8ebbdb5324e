/* SPDX-License-Identifier: MIT */
/* How many lines of their own logs one user's processes may put into the journal. Pure: the time is told. */
#ifndef HAK_LOG_RATE_H
#define HAK_LOG_RATE_H

#include <stdbool.h>
#include <stdint.h>

enum { HAK_LOG_RATE_BURST = 100, HAK_LOG_RATE_PER_SECOND = 10 };

struct hak_log_rate {
	uint64_t filled_usec; /* 0: not yet */
	uint32_t left;
	uint64_t suppressed; /* since the last that was let through */
};

/* May a line be written now? @ret_suppressed: where it may, how many were not since the last one. */
bool hak_log_rate_allows(struct hak_log_rate *rate, uint64_t now_usec, uint64_t *ret_suppressed);

#endif
