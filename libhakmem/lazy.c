/* SPDX-License-Identifier: MIT */
#include "lazy.h"

#include "lock.h"

struct hak_lazy_state hak_lazy;

static struct {
	struct hak_lock lock;
	unsigned count;
	struct hak_lazy_range range[HAK_LAZY_TAKEN];
} taken;

/* ---- what could be published ------------------------------------------------------------------------- */

static unsigned smallest(const struct hak_lazy_ranges *ranges)
{
	unsigned smallest = 0;

	for (unsigned i = 1; i < ranges->count; i++)
		if (ranges->range[i].bytes < ranges->range[smallest].bytes)
			smallest = i;
	return smallest;
}

static void leave_out(struct hak_lazy_ranges *ranges, struct hak_lazy_range range)
{
	if (ranges->left_count < HAK_LAZY_LEFT)
		ranges->left[ranges->left_count++] = range;
}

void hak_lazy_add(struct hak_lazy_ranges *ranges, const void *start, size_t bytes)
{
	struct hak_lazy_range *last = ranges->count ? &ranges->range[ranges->count - 1] : NULL;
	struct hak_lazy_range added = {.start = (uintptr_t)start, .bytes = bytes};
	unsigned victim;

	if (last && last->start + last->bytes == added.start) {
		last->bytes += bytes;
		return;
	}
	if (ranges->count == HAK_LAZY_RANGES) {
		victim = smallest(ranges);
		if (ranges->range[victim].bytes >= bytes) {
			leave_out(ranges, added);
			return;
		}
		leave_out(ranges, ranges->range[victim]);
		/* The last place is that of the range added last, which the next may touch. */
		ranges->range[victim] = *last;
		ranges->count--;
	}
	ranges->range[ranges->count++] = added;
}

bool hak_lazy_cut(struct hak_lazy_ranges *ranges, uintptr_t start, size_t bytes)
{
	uintptr_t end = start + bytes;
	bool cut = false;

	for (unsigned i = 0; i < ranges->count;) {
		struct hak_lazy_range *range = &ranges->range[i];
		uintptr_t range_end = range->start + range->bytes;
		size_t below = start > range->start ? start - range->start : 0;
		size_t above = range_end > end ? range_end - end : 0;

		if (range_end <= start || end <= range->start) {
			i++;
			continue;
		}
		cut = true;
		range->start = below >= above ? range->start : end;
		range->bytes = below >= above ? below : above;
		if (range->bytes)
			i++;
		else
			*range = ranges->range[--ranges->count];
	}
	return cut;
}

/* ---- what was taken ---------------------------------------------------------------------------------- */

/* Where there is no room for another, the last one grows until it reaches so far. */
static void reach(struct hak_lazy_range *range, uintptr_t start, size_t bytes)
{
	uintptr_t end = start + bytes, range_end = range->start + range->bytes;

	range->start = start < range->start ? start : range->start;
	range->bytes = (end > range_end ? end : range_end) - range->start;
}

void hak_lazy_take(const void *start, size_t bytes)
{
	struct hak_lazy_range *last;

	hak_lock_acquire(&taken.lock);
	last = taken.count ? &taken.range[taken.count - 1] : NULL;
	if (last && (taken.count == HAK_LAZY_TAKEN || last->start + last->bytes == (uintptr_t)start))
		reach(last, (uintptr_t)start, bytes);
	else
		taken.range[taken.count++] =
			(struct hak_lazy_range){.start = (uintptr_t)start, .bytes = bytes};
	hak_lazy_set(&hak_lazy.taken, true);
	hak_lock_release(&taken.lock);
}

unsigned hak_lazy_taken(struct hak_lazy_range ret_taken[HAK_LAZY_TAKEN])
{
	unsigned count;

	hak_lock_acquire(&taken.lock);
	count = taken.count;
	for (unsigned i = 0; i < count; i++)
		ret_taken[i] = taken.range[i];
	taken.count = 0;
	hak_lazy_set(&hak_lazy.taken, false);
	hak_lock_release(&taken.lock);
	return count;
}

void hak_lazy_fork_child(void)
{
	hak_lock_reset(&taken.lock);
}
