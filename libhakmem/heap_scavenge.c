/* SPDX-License-Identifier: MIT */
/*
 * Giving back what is free inside slabs. A few blocks that live on would keep 64 KiB each: with one in a
 * thousand left of a gigabyte that was an eighth of it. A slab that is mostly free becomes hollow: its
 * pages without a live block go back, and it is refilled from after all others.
 */
#include "heap_private.h"
#include "hold.h"
#include "os.h"

enum {
	BASE_BYTES = 4 << 20, /* may be free in a heap's slabs, beside half of what is out, and regrets, */
	LEAST_BYTES = 256 << 10, /* where much is hollow: it may be about to sleep */
	AGAIN_MSEC = 48,
	NEARLY_ALL = 4, /* bytes free for each that is out */
	BATCH_SLABS = 64, /* under the lock at once */
};

void hak_heap_retire(struct hak_heap *heap, struct hak_slab *slab)
{
	heap->class[slab->size_class].slabs--;
	hak_heap_add_bytes(&heap->slab_bytes, -((size_t)slab->grains << HAK_GRAIN_SHIFT));
	if (hak_mosaic_is(slab))
		hak_mosaic_unmake(slab);
	hak_superslab_release(slab, hak_slab_deinit(slab));
}

static size_t allowed_bytes(const struct hak_heap *heap, size_t out_bytes)
{
	size_t doubt = heap->hollow_bytes / HAK_HOLD_DOUBT;

	return LEAST_BYTES + hak_less(BASE_BYTES - LEAST_BYTES, doubt) + out_bytes / 2 +
	       heap->regretted_bytes;
}

/* Then it may go to sleep now. What is hollow was freed as well. */
static bool has_freed_nearly_all(const struct hak_heap *heap, size_t idle, size_t out_bytes)
{
	return out_bytes < (idle + heap->hollow_bytes) / NEARLY_ALL &&
	       out_bytes < heap->scavenged_out_bytes / 2;
}

bool hak_heap_is_deserted(struct hak_heap *heap, size_t held_bytes)
{
	size_t idle, out_bytes;
	bool deserted;

	hak_lock_acquire(&heap->lock);
	out_bytes = atomic_load_explicit(&heap->out_bytes, memory_order_relaxed);
	held_bytes = held_bytes < out_bytes ? held_bytes : out_bytes;
	idle = hak_heap_idle_bytes(heap) + held_bytes;
	out_bytes -= held_bytes;
	deserted = idle > allowed_bytes(heap, out_bytes) && has_freed_nearly_all(heap, idle, out_bytes);
	hak_lock_release(&heap->lock);
	return deserted;
}

static bool is_scavenge_due(struct hak_heap *heap)
{
	size_t idle = hak_heap_idle_bytes(heap);
	size_t out_bytes = atomic_load_explicit(&heap->out_bytes, memory_order_relaxed);

	if (idle <= allowed_bytes(heap, out_bytes)) {
		heap->scavenged_idle_bytes = 0;
		return false;
	}
	if (has_freed_nearly_all(heap, idle, out_bytes))
		return true;
	/* What the last look left is no reason for the next one, and slabs that are emptying need none. */
	return idle > heap->scavenged_idle_bytes + heap->scavenged_idle_bytes / 4 &&
	       hak_os_coarse_msec() - heap->scavenged_msec >= AGAIN_MSEC;
}

void hak_heap_note_idle(struct hak_heap *heap)
{
	if (is_scavenge_due(heap))
		hak_superslab_set_purge_due(true);
}

static bool is_hollow(const struct hak_slab *slab)
{
	return slab->free >= slab->carved - slab->carved / 8u;
}

/* Where the hollow ones are that were not looked at before. Mosaics: with a page that is free. */
static struct hak_slab *sparse_of(const struct hak_heap *heap, unsigned size_class)
{
	return size_class == HAK_CLASS_MOSAIC ? heap->mosaics[HAK_MOSAIC_KINDS - 1]
					      : heap->class[size_class].sparse;
}

static void offer(struct hak_heap *heap, unsigned size_class, uint32_t round)
{
	for (const struct hak_slab *slab = sparse_of(heap, size_class); slab; slab = slab->next)
		if (is_hollow(slab))
			hak_superslab_offer(slab, round);
}

/* Up to so many slabs of one class. Return: false: there are no more. */
static bool hollow_out(struct hak_heap *heap, unsigned size_class, uint32_t round)
{
	struct hak_slab *slab = sparse_of(heap, size_class), *next;
	unsigned count = 0;

	for (; slab && count < BATCH_SLABS; slab = next) {
		next = slab->next;
		if (!is_hollow(slab) || !hak_superslab_may_break_up(slab, round) ||
		    !hak_slab_give_pages(slab))
			continue;
		hak_heap_unlink(heap, slab);
		hak_heap_link(heap, slab, HAK_SLAB_HOLLOW);
		count++;
	}
	return slab != NULL;
}

/* The slabs that classes refill from: the empty ones go, the hollow ones may give pages. Caller holds the
 * lock. */
static void put_away_current(struct hak_heap *heap)
{
	for (unsigned c = 1; c <= HAK_CLASS_SMALL_COUNT; c++) {
		struct hak_slab *slab = heap->class[c].current;

		if (!slab || !is_hollow(slab))
			continue;
		heap->class[c].current = NULL;
		if (hak_slab_is_empty(slab))
			hak_heap_retire(heap, slab);
		else
			hak_heap_link(heap, slab, HAK_SLAB_SPARSE);
	}
}

static void scavenge(struct hak_heap *heap)
{
	static _Atomic uint32_t rounds;
	uint32_t round = atomic_fetch_add_explicit(&rounds, 1, memory_order_relaxed) + 1; /* a number */

	for (unsigned c = 1; c < HAK_CLASS_COUNT; c++) {
		hak_lock_acquire(&heap->lock);
		offer(heap, c, round);
		hak_lock_release(&heap->lock);
	}
	for (unsigned c = 1; c < HAK_CLASS_COUNT; c++) {
		bool more = true;

		while (more) {
			hak_lock_acquire(&heap->lock);
			more = hollow_out(heap, c, round);
			hak_lock_release(&heap->lock);
		}
	}
	hak_lock_acquire(&heap->lock);
	heap->scavenged_idle_bytes = hak_heap_idle_bytes(heap);
	heap->scavenged_msec = hak_os_coarse_msec();
	heap->scavenged_out_bytes = atomic_load_explicit(&heap->out_bytes, memory_order_relaxed);
	heap->regretted_bytes -= heap->regretted_bytes / 4;
	hak_lock_release(&heap->lock);
}

void hak_heap_scavenge_due(void)
{
	for (struct hak_heap *heap = hak_heap_first(); heap; heap = heap->next) {
		bool due;

		if (!hak_lock_try(&heap->lock))
			continue; /* its user will come by himself */
		due = is_scavenge_due(heap);
		if (due && has_freed_nearly_all(heap, hak_heap_idle_bytes(heap),
						atomic_load_explicit(&heap->out_bytes, memory_order_relaxed)))
			put_away_current(heap);
		hak_lock_release(&heap->lock);
		if (due)
			scavenge(heap);
	}
}

void hak_heap_trim_all(void)
{
	for (struct hak_heap *heap = hak_heap_first(); heap; heap = heap->next) {
		hak_lock_acquire(&heap->lock);
		put_away_current(heap);
		hak_lock_release(&heap->lock);
		scavenge(heap);
	}
}
