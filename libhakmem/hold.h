/* SPDX-License-Identifier: MIT */
/*
 * How much freed memory is worth keeping. Holding is earned in two ways, and the larger counts:
 *
 *   what was in use a moment ago and is free now (it will be wanted again, and peak memory does not rise)
 *   what was given back and then wanted after all: regrets, which the keeper's ghost list finds
 *
 * Both fade with time, the excess of the peak to a third in about a second, so that a burst keeps its memory
 * and a phase that is over does not. Sizes are in the keeper's unit. Caller holds the keeper's lock.
 */
#ifndef HAK_HOLD_H
#define HAK_HOLD_H

#include "base.h"
#include "os.h"

enum {
	HAK_HOLD_STEP_MSEC = 128,
	HAK_HOLD_STEPS_MOST = 64, /* after so many next to nothing is left */
};

struct hak_hold {
	size_t peak; /* recent most that was in use */
	size_t regretted;
	uint32_t faded_at_msec;
};

/* @used is in use now. To be called where it grew. */
static inline void hak_hold_note(struct hak_hold *hold, size_t used)
{
	if (used > hold->peak)
		hold->peak = used;
}

static inline void hak_hold_regret(struct hak_hold *hold, size_t amount)
{
	hold->regretted += amount;
	if (hold->regretted > hold->peak / 2)
		hold->regretted = hold->peak / 2;
}

/* To be called where something was freed. */
static inline void hak_hold_fade(struct hak_hold *hold, size_t used)
{
	uint32_t now_msec = hak_os_coarse_msec();
	uint32_t steps = (now_msec - hold->faded_at_msec) / HAK_HOLD_STEP_MSEC;

	if (hak_likely(steps == 0))
		return;
	hold->faded_at_msec = now_msec;
	for (steps = steps < HAK_HOLD_STEPS_MOST ? steps : HAK_HOLD_STEPS_MOST; steps; steps--) {
		if (hold->peak > used)
			hold->peak -= (hold->peak - used + 7) / 8;
		hold->regretted -= (hold->regretted + 15) / 16;
	}
}

/* Beside a base: how much may be kept free while @used is in use. */
static inline size_t hak_hold_allowed(const struct hak_hold *hold, size_t used)
{
	size_t excess = hold->peak > used ? hold->peak - used : 0;

	return excess > hold->regretted ? excess : hold->regretted;
}

#endif
