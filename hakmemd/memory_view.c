/* SPDX-License-Identifier: MIT */
/* See memory_view.h. */
#include "memory_view.h"

#include <stddef.h>

enum { SMALL_BYTES = 8 << 20 }; /* less than it that is not used is no finding */

static uint64_t minus(uint64_t from, uint64_t what)
{
	return from > what ? from - what : 0; /* numbers of different moments */
}

struct hak_memory_view hak_memory_view_of(const uint64_t *gauge, uint64_t resident_bytes)
{
	struct hak_memory_view view = {
		.resident = resident_bytes,
		.allocated = gauge[HAK_GAUGE_live_bytes],
		.active = gauge[HAK_GAUGE_live_bytes] + gauge[HAK_GAUGE_bins_bytes] +
			  gauge[HAK_GAUGE_slab_free_bytes],
		.lazily_free = gauge[HAK_GAUGE_lazily_free_bytes],
		.held = gauge[HAK_GAUGE_bins_bytes] + gauge[HAK_GAUGE_cache_bytes] +
			gauge[HAK_GAUGE_dirty_bytes],
		.pinned = minus(gauge[HAK_GAUGE_slab_free_bytes], gauge[HAK_GAUGE_slab_given_bytes]),
		.tables = gauge[HAK_GAUGE_meta_bytes],
	};

	view.other = minus(resident_bytes,
			   view.allocated + view.lazily_free + view.held + view.pinned + view.tables);
	return view;
}

const char *hak_memory_finding(const struct hak_memory_view *view, const uint64_t *counter)
{
	const struct {
		uint64_t bytes;
		const char *text;
	} part[] = {
		{view->lazily_free, "lazily free memory waits to be taken: it counts as resident until then"},
		{view->held, counter[HAK_COUNTER_purge_runs]
				     ? "free memory is kept ready for what was asked for before"
				     : "purging has never run: what is free is kept ready"},
		{view->pinned, "fragmentation pins pages: a few blocks live in each of many slabs"},
		{view->tables, "the allocator's own tables: address space was much larger than it is"},
		{view->other, "memory that is not the allocator's"},
	};
	size_t largest = 0;

	if (!view->resident)
		return NULL;
	for (size_t i = 1; i < sizeof(part) / sizeof(part[0]); i++)
		if (part[i].bytes > part[largest].bytes)
			largest = i;
	if (part[largest].bytes < view->allocated / 4)
		return "nearly all of it is in use";
	if (part[largest].bytes < SMALL_BYTES)
		return "it is small: nothing beside what is in use comes to 8 MiB";
	return part[largest].text;
}
