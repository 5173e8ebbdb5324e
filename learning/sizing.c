/* SPDX-License-Identifier: MIT */
#include "sizing.h"

#include "fixed.h"

void hak_sizing_begin(struct hak_sizing *sizing)
{
	*sizing = (struct hak_sizing){.window_ticks = HAK_SIZING_FIRST_TICKS};
}

/* The median of |X - Y| is 0.954 standard deviations of one normal window. */
static int32_t scatter_of(const struct hak_sizing *sizing)
{
	for (unsigned i = 0; i < HAK_SIZING_STEPS; i++) {
		unsigned below = 0, equal = 0;

		for (unsigned j = 0; j < HAK_SIZING_STEPS; j++) {
			below += sizing->step[j] < sizing->step[i];
			equal += sizing->step[j] == sizing->step[i];
		}
		if (below <= HAK_SIZING_STEPS / 2 && below + equal > HAK_SIZING_STEPS / 2)
			return (int32_t)((int64_t)sizing->step[i] * 1048 / 1000);
	}
	return 0; /* not reached: one of them is the median */
}

bool hak_sizing_add(struct hak_sizing *sizing, uint64_t cost, uint64_t cpu_ns)
{
	int32_t ratio = hak_fixed_log_ratio(cost, sizing->last_cost);

	if (sizing->windows)
		sizing->step[sizing->windows % HAK_SIZING_STEPS] = ratio < 0 ? -ratio : ratio;
	sizing->last_cost = cost;
	if (++sizing->windows <= HAK_SIZING_STEPS)
		return false;
	sizing->scatter = scatter_of(sizing);
	if (sizing->scatter <= HAK_SIZING_NOISY || cpu_ns >= HAK_SIZING_LONG_NSEC ||
	    sizing->window_ticks >= HAK_SIZING_MOST_TICKS)
		return true;
	sizing->window_ticks *= 2;
	sizing->windows = 0;
	return false;
}
