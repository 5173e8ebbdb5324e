/* SPDX-License-Identifier: MIT */
/*
 * How much freed memory is worth keeping. Sizes are in the keeper's unit; caller holds the keeper's lock.
 *
 * Holding is earned, in two ways: use fell and rose again, so what lay between was wanted back; or
 * something was given back and wanted after all, which the keeper's ghost list finds. What nobody has asked
 * for again yet (the recent peak less what is in use now) is kept as well, but no more than the strategy's
 * hold_unearned: a program that frees a gigabyte and goes to sleep runs no code that could give it back
 * later. The more was let go, the less of it is kept without having been earned: of 64 MiB 52 where 80 were
 * let go, and no more than a sixteenth of the base where 312 were.
 *
 *   low <= used        earned <= peak
 *
 * All of it fades with time, by half in three seconds: a burst keeps its memory, and a phase that is over
 * does not.
 */
#ifndef HAK_HOLD_H
#define HAK_HOLD_H

#include <stddef.h>
#include <stdint.h>

#include "base.h"
#include "geometry.h"

enum {
	HAK_HOLD_STEP_MSEC = 128,
	HAK_HOLD_STEPS_MOST = 64, /* after so many next to nothing is left */
	HAK_HOLD_DOUBT = 8,      /* each so many of what was let go make one less that is kept unearned, */
				 /* twice what is beyond as much as may be */
	HAK_HOLD_ABOVE_PART = 8, /* of large blocks: what fits into none that is held is made beside them */
};

struct hak_hold {
	size_t peak; /* recent most that was in use */
	size_t low;  /* least since the peak */
	size_t earned;
	uint32_t faded_at_msec;
};

static inline void hak_hold_earn(struct hak_hold *hold, size_t amount)
{
	hold->earned = amount < hold->peak ? amount : hold->peak;
}

/* @used is in use now. To be called where it grew. */
static inline void hak_hold_note(struct hak_hold *hold, size_t used)
{
	size_t known = used < hold->peak ? used : hold->peak; /* what lies above is growth, no return */

	if (known > hold->low && known - hold->low > hold->earned)
		hold->earned = known - hold->low;
	if (used >= hold->peak)
		hold->peak = hold->low = used;
}

/* @amount was given back and is wanted again. */
static inline void hak_hold_regret(struct hak_hold *hold, size_t amount)
{
	hak_hold_earn(hold, hold->earned + amount);
}

/*
 * Another keeper's use grows by @amount: of what is kept here just because it was in use of late, as much may
 * go. So what counts is the recent peak of the process, not the sum of those of its keepers.
 */
static inline void hak_hold_yield(struct hak_hold *hold, size_t used, size_t amount)
{
	size_t excess = hak_less(hold->peak, used);

	hold->peak -= amount < excess ? amount : excess;
	if (hold->earned > hold->peak)
		hold->earned = hold->peak;
}

/* To be called where something was freed, and now and then where nothing is. */
static inline void hak_hold_fade(struct hak_hold *hold, size_t used, uint32_t now_msec)
{
	uint32_t steps = (now_msec - hold->faded_at_msec) / HAK_HOLD_STEP_MSEC;

	if (used < hold->low)
		hold->low = used;
	if (hak_likely(steps == 0))
		return;
	hold->faded_at_msec = now_msec;
	for (steps = steps < HAK_HOLD_STEPS_MOST ? steps : HAK_HOLD_STEPS_MOST; steps; steps--) {
		if (hold->peak > used)
			hold->peak -= (hold->peak - used + 31) / 32;
		hold->low += (used - hold->low) / 32;
		hold->earned -= (hold->earned + 31) / 32;
	}
}

/* The recent peak less what is in use. */
static inline size_t hak_hold_excess(const struct hak_hold *hold, size_t used)
{
	return hak_less(hold->peak, used);
}

/* Of a base: how much is kept even then; the grain of giving back as well. */
static inline size_t hak_hold_least(size_t base)
{
	return base / 16;
}

/* What a strategy says of holding, in the keeper's unit. */
struct hak_hold_limits {
	size_t base;
	size_t unearned; /* most of what was let go that is kept without having been earned */
	uint32_t earned_percent;
	uint32_t share_percent; /* of what is in use, beside all the rest */
	uint32_t above_part; /* what was earned lifts the recent peak by one so-manieth at most; 0: by any */
};

/*
 * How much may be kept free while @used is in use: a base, and beside it what was earned, or some of what was
 * let go.
 */
static inline size_t hak_hold_allowed(const struct hak_hold *hold, size_t used, struct hak_hold_limits limits)
{
	size_t excess = hak_hold_excess(hold, used);
	size_t doubt = (excess + hak_less(excess, limits.unearned)) / HAK_HOLD_DOUBT;
	size_t unearned = hak_less(excess < limits.unearned ? excess : limits.unearned, doubt);
	size_t earned = hold->earned / 100 * limits.earned_percent;
	size_t least = hak_hold_least(limits.base);

	if (limits.above_part && earned > excess + hold->peak / limits.above_part)
		earned = excess + hold->peak / limits.above_part;
	return least + hak_less(limits.base - least, doubt) + (unearned > earned ? unearned : earned) +
	       used / 100 * limits.share_percent;
}

#endif
