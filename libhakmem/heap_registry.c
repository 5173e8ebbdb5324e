/* SPDX-License-Identifier: MIT */
/* All heaps: which thread has which, and what is asked of, or done to, all of them. See heap.h. */
#include "heap_private.h"
#include "meta.h"
#include "os.h"

/*
 * More threads than CPUs do not run at the same time: what a heap of its own would bring one that waits is
 * slabs that nobody else may take from.
 */
enum { HEAPS_PER_CPU = 2, HEAPS_LEAST = 4, HEAPS_MOST = 256 };

struct hak_heap_registry hak_heaps;

static struct hak_heap first_heap;

/* Caller holds the registry's lock. */
static void set_users(struct hak_heap *heap, uint32_t users)
{
	atomic_store_explicit(&heap->users, users, memory_order_relaxed);
}

/* The same. */
static struct hak_heap *make_heap(struct hak_tally *tally)
{
	struct hak_heap *heap = hak_heaps.count ? hak_meta_alloc(sizeof(*heap)) : &first_heap;

	if (!heap)
		return NULL;
	heap->choice.for_slabs = true;
	heap->next = atomic_load_explicit(&hak_heaps.all, memory_order_relaxed);
	hak_heaps.count++;
	/* release: pairs with the acquire in hak_heap_first() */
	atomic_store_explicit(&hak_heaps.all, heap, memory_order_release);
	hak_tally_add(tally, HAK_COUNTER_heaps_made, 1);
	return heap;
}

/*
 * Caller holds the registry's lock, and no heap is without users. How many CPUs there are is known by the
 * highest on which a thread asked this: sched_getaffinity() tells of the caller, who may be pinned.
 */
static uint32_t enough_heaps(void)
{
	static int known_cpus;
	int cpus = hak_os_cpu() + 1; /* 0: unknown */

	if (cpus > known_cpus)
		known_cpus = cpus;
	if (known_cpus > HEAPS_MOST / HEAPS_PER_CPU)
		return HEAPS_MOST;
	return known_cpus > HEAPS_LEAST / HEAPS_PER_CPU ? (uint32_t)known_cpus * HEAPS_PER_CPU : HEAPS_LEAST;
}

struct hak_heap *hak_heap_attach(struct hak_heap *last, struct hak_tally *tally)
{
	struct hak_heap *least = last;

	hak_lock_acquire(&hak_heaps.lock);
	for (struct hak_heap *heap = hak_heap_first(); heap; heap = heap->next)
		if (!least || hak_heap_users(heap) < hak_heap_users(least))
			least = heap;
	if (least && hak_heap_users(least) == 0) {
		hak_tally_add(tally, HAK_COUNTER_heaps_adopted, 1);
	} else if (hak_heaps.count < enough_heaps()) {
		struct hak_heap *made = make_heap(tally);

		least = made ? made : least;
	}
	set_users(least, hak_heap_users(least) + 1);
	hak_lock_release(&hak_heaps.lock);
	return least;
}

void hak_heap_detach(struct hak_heap *heap)
{
	hak_lock_acquire(&hak_heaps.lock);
	set_users(heap, hak_heap_users(heap) - 1);
	hak_lock_release(&hak_heaps.lock);
}

bool hak_heap_is_only(void)
{
	return hak_heap_first() == &first_heap; /* the newest */
}

struct hak_heap_stats hak_heap_stats(void)
{
	struct hak_heap_stats stats = {0};

	for (struct hak_heap *heap = hak_heap_first(); heap; heap = heap->next) {
		stats.heaps++;
		stats.out_bytes += atomic_load_explicit(&heap->out_bytes, memory_order_relaxed);
		stats.slab_bytes += atomic_load_explicit(&heap->slab_bytes, memory_order_relaxed);
	}
	return stats;
}

static void check_list(const struct hak_heap *heap, const struct hak_slab *slab, unsigned size_class,
		       unsigned place)
{
	for (; slab; slab = slab->next) {
		hak_verify(slab->size_class == size_class && slab->place == place);
		if (hak_mosaic_is(slab)) {
			hak_mosaic_check(slab);
			continue;
		}
		hak_verify(atomic_load_explicit(&slab->heap, memory_order_relaxed) == heap);
		hak_verify(!slab->next || slab->next->prev == slab);
		hak_verify(slab->free > 0 && !hak_slab_is_empty(slab));
		hak_slab_check(slab);
	}
}

void hak_heap_check_all(void)
{
	for (struct hak_heap *heap = hak_heap_first(); heap; heap = heap->next) {
		hak_lock_acquire(&heap->lock);
		for (unsigned c = 1; c <= HAK_CLASS_SMALL_COUNT; c++) {
			if (heap->class[c].current)
				hak_slab_check(heap->class[c].current);
			check_list(heap, heap->class[c].dense, c, HAK_SLAB_DENSE);
			check_list(heap, heap->class[c].sparse, c, HAK_SLAB_SPARSE);
			check_list(heap, heap->class[c].hollow, c, HAK_SLAB_HOLLOW);
		}
		for (unsigned kind = 0; kind < HAK_MOSAIC_KINDS; kind++)
			check_list(heap, heap->mosaics[kind], HAK_CLASS_MOSAIC, HAK_SLAB_MOSAIC + kind);
		hak_lock_release(&heap->lock);
	}
}

/* ---- fork -------------------------------------------------------------------------------------------- */

void hak_heap_fork_prepare(void)
{
	hak_lock_acquire(&hak_heaps.lock);
	for (struct hak_heap *heap = hak_heap_first(); heap; heap = heap->next)
		hak_lock_acquire(&heap->lock);
}

void hak_heap_fork_parent(void)
{
	for (struct hak_heap *heap = hak_heap_first(); heap; heap = heap->next)
		hak_lock_release(&heap->lock);
	hak_lock_release(&hak_heaps.lock);
}

void hak_heap_fork_child(struct hak_heap *mine)
{
	for (struct hak_heap *heap = hak_heap_first(); heap; heap = heap->next) {
		hak_lock_reset(&heap->lock);
		set_users(heap, heap == mine);
	}
	hak_lock_reset(&hak_heaps.lock);
}
