/* SPDX-License-Identifier: MIT */
#include "lazy.h"

struct hak_lazy_state hak_lazy;

static unsigned smallest(const struct hak_lazy_ranges *ranges)
{
	unsigned smallest = 0;

	for (unsigned i = 1; i < ranges->count; i++)
		if (ranges->range[i].bytes < ranges->range[smallest].bytes)
			smallest = i;
	return smallest;
}

void hak_lazy_add(struct hak_lazy_ranges *ranges, const void *start, size_t bytes)
{
	struct hak_lazy_range *last = ranges->count ? &ranges->range[ranges->count - 1] : NULL;
	unsigned victim;

	if (last && last->start + last->bytes == (uintptr_t)start) {
		last->bytes += bytes;
		return;
	}
	if (ranges->count == HAK_LAZY_RANGES) {
		victim = smallest(ranges);
		if (ranges->range[victim].bytes >= bytes)
			return;
		/* The last place is that of the range added last, which the next may touch. */
		ranges->range[victim] = *last;
		ranges->count--;
	}
	ranges->range[ranges->count++] = (struct hak_lazy_range){.start = (uintptr_t)start, .bytes = bytes};
}
