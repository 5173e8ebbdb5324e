/* SPDX-License-Identifier: MIT */
/*
 * Faulting in ahead of use, under a heap's lock, where first touches would come one by one: one system call
 * for many faults. In a huge page the first touch is enough, and nothing is done. What the kernel refuses,
 * faults do.
 */
#include "heap_private.h"
#include "knobs.h"
#include "os.h"

enum {
	HEAP_FROM_BYTES = 1 << 20,   /* a small heap is left alone */
	YOUNG_SLABS = 4,             /* of a class: they are smaller, and do not count */
	LEAST_STEP_BYTES = 16 << 10, /* one call for so little is no gain any more */
};

/*
 * As the strategy says, but at most a part of what the class has, of the safe one an eighth: of two hundred
 * KiB each in thirty classes, a MiB would be populated and never used. 0: too little to be worth a call.
 */
static size_t step_of(const struct hak_heap *heap, const struct hak_slab *slab)
{
	size_t step_bytes = hak_knob(populate_bytes), part = hak_knob(populate_part);
	size_t slabs = heap->class[slab->size_class].slabs;
	size_t class_bytes = slabs > YOUNG_SLABS ? (slabs - YOUNG_SLABS) * slab->grains * HAK_GRAIN_BYTES : 0;

	while (step_bytes > class_bytes / part)
		step_bytes /= 2;
	return step_bytes < LEAST_STEP_BYTES ? 0 : step_bytes;
}

void hak_heap_populate_slab(const struct hak_heap *heap, struct hak_slab *slab)
{
	size_t step_bytes = step_of(heap, slab), slab_bytes = (size_t)slab->grains << HAK_GRAIN_SHIFT;

	if (!step_bytes || slab->dirty || hak_superslab_is_huge(slab) ||
	    atomic_load_explicit(&heap->slab_bytes, memory_order_relaxed) <= HEAP_FROM_BYTES)
		return;
	if (step_bytes < slab_bytes) {
		slab->stepwise = 1;
		return;
	}
	if (hak_os_populate(slab->base, slab_bytes) == 0)
		slab->dirty = 1; /* resident, carved or not */
	if (step_bytes > slab_bytes)
		hak_superslab_populate_behind(slab, step_bytes - slab_bytes);
}

void hak_heap_populate_step(const struct hak_heap *heap, struct hak_slab *slab, unsigned carve)
{
	size_t step_bytes = step_of(heap, slab), slab_bytes = (size_t)slab->grains << HAK_GRAIN_SHIFT;
	size_t from, to;

	if (!step_bytes || step_bytes >= slab_bytes)
		return; /* another strategy's slab */
	from = hak_round_up((size_t)slab->carved * slab->block_bytes, step_bytes);
	to = hak_round_up((size_t)(slab->carved + carve) * slab->block_bytes, step_bytes);
	if (to > slab_bytes)
		to = slab_bytes;
	if (from < to && hak_os_populate(slab->base + from, to - from) == 0)
		slab->dirty = 1; /* beyond what is carved, too */
}
