/* SPDX-License-Identifier: MIT */
/* What the parts of heaps (heap*.c) share. Caller holds the heap's lock, but where it says otherwise. */
#ifndef HAK_HEAP_PRIVATE_H
#define HAK_HEAP_PRIVATE_H

#include "heap.h"

/* Every heap that there ever was; `count` under the lock. */
struct hak_heap_registry {
	struct hak_lock lock;
	_Atomic(struct hak_heap *) all;
	uint32_t count;
};
extern struct hak_heap_registry hak_heaps;

/* All heaps: follow ->next. acquire: pairs with the release in make_heap() */
static inline struct hak_heap *hak_heap_first(void)
{
	return atomic_load_explicit(&hak_heaps.all, memory_order_acquire);
}

/* relaxed: changes under the registry's lock; to others it is a hint */
static inline uint32_t hak_heap_users(const struct hak_heap *heap)
{
	return atomic_load_explicit(&heap->users, memory_order_relaxed);
}

/* Under the heap's lock; atomic for those who only look. Wraps, so that a negated size subtracts. */
static inline void hak_heap_add_bytes(_Atomic size_t *gauge, size_t bytes)
{
	atomic_store_explicit(gauge, atomic_load_explicit(gauge, memory_order_relaxed) + bytes,
			      memory_order_relaxed);
}

static inline struct hak_slab **hak_heap_list(struct hak_heap *heap, unsigned size_class, unsigned place)
{
	struct hak_heap_class *class = &heap->class[size_class];

	if (place >= HAK_SLAB_MOSAIC)
		return &heap->mosaics[place - HAK_SLAB_MOSAIC];
	switch (place) {
	case HAK_SLAB_DENSE:
		return &class->dense;
	case HAK_SLAB_SPARSE:
		return &class->sparse;
	default:
		return &class->hollow;
	}
}

static inline void hak_heap_unlink(struct hak_heap *heap, struct hak_slab *slab)
{
	struct hak_slab **list = hak_heap_list(heap, slab->size_class, slab->place);

	/* Whether it is refilled from or emptied: its pages would have been of use. */
	if (slab->place == HAK_SLAB_HOLLOW) {
		heap->hollow_bytes -= (size_t)slab->grains << HAK_GRAIN_SHIFT;
		heap->regretted_bytes += (size_t)slab->grains << HAK_GRAIN_SHIFT;
		hak_superslab_forget_given(slab);
	}
	if (slab->prev)
		slab->prev->next = slab->next;
	else
		*list = slab->next;
	if (slab->next)
		slab->next->prev = slab->prev;
	slab->next = slab->prev = NULL;
}

static inline void hak_heap_link(struct hak_heap *heap, struct hak_slab *slab, unsigned place)
{
	struct hak_slab **list = hak_heap_list(heap, slab->size_class, place);

	if (place == HAK_SLAB_HOLLOW)
		heap->hollow_bytes += (size_t)slab->grains << HAK_GRAIN_SHIFT;
	slab->place = place & 15;
	slab->prev = NULL;
	slab->next = *list;
	if (slab->next)
		slab->next->prev = slab;
	*list = slab;
}

/* A slab that is wholly free and on no list goes back to its superslab. */
void hak_heap_retire(struct hak_heap *heap, struct hak_slab *slab);

/*
 * A class that grows in a heap that is no longer small will use it all: one call for many faults. The
 * strategy says how much at once: less than a slab, a slab, or what lies behind it as well.
 */
void hak_heap_populate_slab(const struct hak_heap *heap, struct hak_slab *slab);

/* @carve more blocks of a stepwise slab are about to be handed out for the first time. */
void hak_heap_populate_step(const struct hak_heap *heap, struct hak_slab *slab, unsigned carve);

/* Free in slabs, and perhaps resident. */
static inline size_t hak_heap_idle_bytes(const struct hak_heap *heap)
{
	size_t slab_bytes = atomic_load_explicit(&heap->slab_bytes, memory_order_relaxed);
	size_t other_bytes = atomic_load_explicit(&heap->out_bytes, memory_order_relaxed) +
			     heap->hollow_bytes;

	return hak_less(slab_bytes, other_bytes);
}

/**
 * hak_heap_take_mosaic() - up to @want blocks of a class out of mosaics
 * Where much lies free in sparse slabs of other classes, one of them is made a mosaic, if need be.
 * Return: how many.
 */
unsigned hak_heap_take_mosaic(struct hak_heap *heap, unsigned size_class, void **blocks, unsigned want);

/* After a mosaic got blocks back, or gave some: where does it stand now? */
void hak_heap_place_mosaic(struct hak_heap *heap, struct hak_slab *slab);

/* Blocks came home. Where slabs hold so much free memory now that pages are worth a look, a purge is due. */
void hak_heap_note_idle(struct hak_heap *heap);

#endif
