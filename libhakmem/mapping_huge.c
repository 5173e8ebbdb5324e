/* SPDX-License-Identifier: MIT */
/*
 * Which of a large block's pages are huge: all that it fills, and its end where that wastes little. None
 * where the program hardly touches what it gets, which its faults tell, and its size: all that it ever had in
 * memory at a time bounds what it touched of the blocks that are here. A program may get many before it
 * touches the first, so this is asked when one is freed, and the youngest are left out of account.
 */
#include "huge.h"
#include "knobs.h"
#include "mapping_private.h"
#include "os.h"
#include "superslab.h"

enum {
	WASTE_PART = 6,    /* of all mapped memory may lie unused in the last huge pages of large blocks */
	RESIDENT_PART = 2, /* of large blocks: where less is resident they are hardly touched */
};

uint32_t hak_mapping_thp(void)
{
	uint32_t thp = hak_knob(thp);
	/* relaxed: a hint */
	bool hardly_touched = atomic_load_explicit(&hak_mappings.hardly_touched, memory_order_relaxed);

	return hak_huge_is_refused() || (thp == HAK_THP_AUTO && hardly_touched) ? (uint32_t)HAK_THP_OFF : thp;
}

/* ---- is it touched? ---------------------------------------------------------------------------------- */

void hak_mapping_note_made(size_t bytes)
{
	hak_lock_acquire(&hak_mappings.lock);
	hak_mappings.young_bytes[hak_mappings.made++ % HAK_YOUNG_MAPPINGS] = bytes;
	hak_lock_release(&hak_mappings.lock);
}

/* Caller holds the lock. */
static bool are_hardly_touched(void)
{
	size_t old_bytes = hak_mappings.mapped_bytes;

	for (unsigned i = 0; i < HAK_YOUNG_MAPPINGS; i++)
		old_bytes = hak_less(old_bytes, hak_mappings.young_bytes[i]);
	return hak_touch_is_little(&hak_mappings.touch) ||
	       old_bytes / RESIDENT_PART > hak_os_peak_kib() << 10;
}

/* Faults that it took to touch all of the block that was fresh: at least so many. */
static size_t fresh_faults(const struct hak_mapping *mapping)
{
	size_t end = hak_least(mapping->fresh_end, hak_mapping_block_end(mapping));
	size_t fresh_bytes = hak_less(end, mapping->fresh_begin);
	size_t huge_bytes = hak_less(hak_least(mapping->huge_bytes, end), mapping->fresh_begin);

	return huge_bytes / HAK_SUPERSLAB_BYTES + (fresh_bytes - huge_bytes) / hak_os_page_bytes();
}

static void set_waste(struct hak_mapping *mapping, size_t waste_bytes)
{
	if (waste_bytes == mapping->waste_bytes)
		return;
	hak_lock_acquire(&hak_mappings.lock);
	hak_mappings.waste_bytes += waste_bytes - mapping->waste_bytes;
	hak_lock_release(&hak_mappings.lock);
	mapping->waste_bytes = waste_bytes;
}

void hak_mapping_note_freed(struct hak_mapping *mapping)
{
	size_t faults = fresh_faults(mapping);

	set_waste(mapping, 0);
	if (!faults)
		return;
	hak_lock_acquire(&hak_mappings.lock);
	hak_mappings.touch.fresh += faults;
	atomic_store_explicit(&hak_mappings.hardly_touched, are_hardly_touched(), memory_order_relaxed);
	hak_lock_release(&hak_mappings.lock);
}

/* ---- advice ------------------------------------------------------------------------------------------ */

/* Where the process is large a block's end may be small. */
static bool may_waste(const struct hak_mapping *mapping, size_t waste_bytes)
{
	size_t all_bytes = hak_superslab_stats().mapped_bytes, wasted_bytes;

	hak_lock_acquire(&hak_mappings.lock);
	all_bytes += hak_mappings.mapped_bytes;
	wasted_bytes = hak_mappings.waste_bytes - mapping->waste_bytes;
	hak_lock_release(&hak_mappings.lock);
	return wasted_bytes + waste_bytes <= all_bytes / WASTE_PART;
}

/*
 * THP auto: huge pages under the whole block, if what they waste behind its end is less than an eighth of it,
 * or little for this process; else under all but the last.
 */
static size_t wanted_huge_bytes(const struct hak_mapping *mapping)
{
	size_t end_bytes = hak_mapping_block_end(mapping);
	size_t into_unit = hak_mapping_into_unit(mapping, end_bytes);
	size_t rest_bytes = into_unit ? HAK_SUPERSLAB_BYTES - into_unit : 0;
	size_t whole_bytes = hak_least(end_bytes + rest_bytes, mapping->mapped_bytes);

	if (mapping->thp == HAK_THP_OFF)
		return 0;
	if (mapping->thp == HAK_THP_ON)
		return mapping->mapped_bytes;
	if (hak_knob(huge_from_superslabs) == HAK_HUGE_NEVER)
		return 0;
	if (whole_bytes - end_bytes <= whole_bytes / 8 || may_waste(mapping, whole_bytes - end_bytes))
		return whole_bytes;
	return hak_less(end_bytes, into_unit);
}

static void note_waste(struct hak_mapping *mapping)
{
	set_waste(mapping, hak_less(mapping->huge_bytes, hak_mapping_block_end(mapping)));
}

/* Said either way: the system's default may be "always". */
void hak_mapping_advise(struct hak_mapping *mapping)
{
	size_t huge_bytes;

	mapping->thp = hak_mapping_thp();
	huge_bytes = wanted_huge_bytes(mapping);
	if (huge_bytes)
		hak_os_advise_huge(mapping->base, huge_bytes, true);
	if (huge_bytes < mapping->mapped_bytes)
		hak_os_advise_huge(mapping->base + huge_bytes, mapping->mapped_bytes - huge_bytes, false);
	mapping->huge_bytes = huge_bytes;
	if (mapping->resident_end < huge_bytes)
		mapping->resident_end = huge_bytes;
	note_waste(mapping);
}

void hak_mapping_note_resized(struct hak_mapping *mapping)
{
	if (wanted_huge_bytes(mapping) > mapping->huge_bytes)
		hak_mapping_advise(mapping);
	else
		note_waste(mapping);
}
