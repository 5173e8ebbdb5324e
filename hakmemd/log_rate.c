/* SPDX-License-Identifier: MIT */
/* See log_rate.h. */
#include "log_rate.h"

bool hak_log_rate_allows(struct hak_log_rate *rate, uint64_t now_usec, uint64_t *ret_suppressed)
{
	const uint64_t line_usec = 1000000 / HAK_LOG_RATE_PER_SECOND;
	uint64_t earned = (now_usec - rate->filled_usec) / line_usec;

	if (!rate->filled_usec || earned >= HAK_LOG_RATE_BURST - rate->left) {
		rate->left = HAK_LOG_RATE_BURST;
		rate->filled_usec = now_usec ? now_usec : 1;
	} else {
		rate->left += (uint32_t)earned;
		rate->filled_usec += earned * line_usec; /* the rest of a line is not lost */
	}
	if (!rate->left) {
		rate->suppressed++;
		return false;
	}
	rate->left--;
	*ret_suppressed = rate->suppressed;
	rate->suppressed = 0;
	return true;
}
