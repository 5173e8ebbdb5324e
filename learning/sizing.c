/* SPDX-License-Identifier: MIT */
#include "sizing.h"

#include "fixed.h"

void hak_sizing_begin(struct hak_sizing *sizing)
{
	*sizing = (struct hak_sizing){.window_ticks = HAK_SIZING_FIRST_TICKS};
}

bool hak_sizing_add(struct hak_sizing *sizing, uint64_t cost, uint64_t cpu_ns)
{
	int32_t ratio = hak_fixed_log_ratio(cost, sizing->last_cost);

	if (sizing->windows)
		sizing->moved += ratio < 0 ? -ratio : ratio;
	sizing->last_cost = cost;
	if (++sizing->windows < HAK_SIZING_WINDOWS)
		return false;
	sizing->scatter = (int32_t)(sizing->moved / (sizing->windows - 1) * 886 / 1000);
	if (sizing->scatter <= HAK_SIZING_QUIET || cpu_ns >= HAK_SIZING_LONG_NSEC ||
	    sizing->window_ticks >= HAK_SIZING_MOST_TICKS)
		return true;
	sizing->window_ticks *= 2;
	sizing->windows = 0;
	sizing->moved = 0;
	return false;
}
