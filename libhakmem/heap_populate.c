/* SPDX-License-Identifier: MIT */
/*
 * Faulting in ahead of use, under a heap's lock, where first touches would come one by one: one system call
 * for many faults. In a huge page the first touch is enough, and nothing is done. What the kernel refuses,
 * faults do.
 */
#include "heap_private.h"
#include "knobs.h"
#include "os.h"

void hak_heap_populate_slab(const struct hak_heap *heap, struct hak_slab *slab)
{
	size_t step_bytes = hak_knob(populate_bytes), slab_bytes = (size_t)slab->grains << HAK_GRAIN_SHIFT;

	if (!step_bytes || slab->dirty || hak_superslab_is_huge(slab) ||
	    atomic_load_explicit(&heap->slab_bytes, memory_order_relaxed) <= hak_knob(populate_from_bytes))
		return;
	if (step_bytes < slab_bytes) {
		slab->stepwise = 1;
		return;
	}
	(void)hak_os_populate(slab->base, slab_bytes);
	if (step_bytes > slab_bytes)
		hak_superslab_populate_behind(slab, step_bytes - slab_bytes);
}

void hak_heap_populate_step(const struct hak_slab *slab, unsigned carve)
{
	size_t step_bytes = hak_knob(populate_bytes), slab_bytes = (size_t)slab->grains << HAK_GRAIN_SHIFT;
	size_t from, to;

	if (!step_bytes || step_bytes >= slab_bytes)
		return; /* another strategy's slab */
	from = hak_round_up((size_t)slab->carved * slab->block_bytes, step_bytes);
	to = hak_round_up((size_t)(slab->carved + carve) * slab->block_bytes, step_bytes);
	if (to > slab_bytes)
		to = slab_bytes;
	if (from < to)
		(void)hak_os_populate(slab->base + from, to - from);
}
