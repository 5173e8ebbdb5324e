/* SPDX-License-Identifier: MIT */
/*
 * Which addresses are ours, and what lies there.
 *
 * All blocks lie in the window, HAK_WINDOW_BYTES of address space from a random base. Nothing of it is
 * reserved: units of 2 MiB are mapped as they are needed, with MAP_FIXED_NOREPLACE, so foreign mappings may
 * lie between. Two arrays describe the covered part of the window, which grows:
 *
 *   classes[grain]  one byte: HAK_CLASS_FOREIGN (nothing of ours begins here), a size class, HAK_CLASS_LARGE
 *   owners[half]    of each half of a unit the superslab that it belongs to, or the mapping of the large
 *                   block that begins there, which no two do, as none is shorter; NULL: neither
 *   steps[unit]     how many of its steps are mapped: large blocks may share a unit
 *
 * Concurrency: writers hold the page map's lock, but for those of an owner or of one class, who look whether
 * the map grew meanwhile ([M2], pagemap.c). Readers take none: a thread asks about a block that it was
 * handed, and whoever handed it over (malloc's own lock, or the program's) ordered the map's stores before,
 * so that the entries below are never read while they are written, but for pointers that are wrong anyway,
 * and for the bytes of slabs that become mosaics. An array is copied when it grows; the old one
 * stays, and its bytes are written as well. That is why a thread may keep a view of its own (struct
 * hak_pagemap_view) and look again only when an address is not in it.
 */
#ifndef HAK_PAGEMAP_H
#define HAK_PAGEMAP_H

#include <stdatomic.h>

#include "base.h"
#include "geometry.h"
#include "lock.h"
#include "sizeclass.h"

/* A snapshot of where the map is: what the hot path reads, from its thread's own lines. */
struct hak_pagemap_view {
	uintptr_t base;  /* of the window; the same once a block is out */
	uintptr_t limit; /* covered bytes >> HAK_ALIGN_SHIFT; grows. 0: nothing is ours */
	const uint8_t *classes;
};

struct hak_pagemap {
	uintptr_t base;          /* set once, before the first block */
	_Atomic uintptr_t limit; /* [M1] */
	_Atomic(uint8_t *) classes;
	_Atomic(void **) owners;
	_Atomic uint32_t growth; /* [M2] odd: the arrays are being copied */
	struct hak_lock lock HAK_ALIGNED(HAK_LINE_BYTES); /* who takes it leaves the line above to readers */
} HAK_ALIGNED(HAK_LINE_BYTES);

extern struct hak_pagemap hak_pagemap;

static inline struct hak_pagemap_view hak_pagemap_look(void)
{
	struct hak_pagemap_view view;

	view.base = hak_pagemap.base;
	/*
	 * acquire [M1]: pairs with the release in cover(): the array is at least as large as the limit says
	 */
	view.limit = atomic_load_explicit(&hak_pagemap.limit, memory_order_acquire);
	/* acquire, here and of `owners`: what was copied into a new array is there */
	view.classes = atomic_load_explicit(&hak_pagemap.classes, memory_order_acquire);
	return view;
}

enum { HAK_PLACE_SHIFT = HAK_GRAIN_SHIFT - HAK_ALIGN_SHIFT };

/**
 * hak_pagemap_place() - where a pointer lies, for any bit pattern
 * Return: a number that is below view->limit only if the pointer is covered and a multiple of 16; shifted by
 * HAK_PLACE_SHIFT it then is the grain. The rotation makes the low bits the topmost, so that one comparison
 * refuses both.
 */
static inline uintptr_t hak_pagemap_place(const struct hak_pagemap_view *view, const void *p)
{
	uintptr_t offset = (uintptr_t)p - view->base;

	return offset >> HAK_ALIGN_SHIFT | offset << (sizeof(uintptr_t) * 8 - HAK_ALIGN_SHIFT);
}

/*
 * What begins at a place below the limit. relaxed: where a slab becomes a mosaic while its blocks are out,
 * either is right (mosaic.h).
 */
static inline uint8_t hak_pagemap_byte(const struct hak_pagemap_view *view, uintptr_t place)
{
	return __atomic_load_n(&view->classes[place >> HAK_PLACE_SHIFT], __ATOMIC_RELAXED);
}

/* What begins in the grain of @p. Threads: any, no lock; a fresh view each time. */
static inline unsigned hak_pagemap_class(const void *p)
{
	struct hak_pagemap_view view = hak_pagemap_look();
	uintptr_t place = hak_pagemap_place(&view, p);

	return place < view.limit ? hak_pagemap_byte(&view, place) : (unsigned)HAK_CLASS_FOREIGN;
}

/* The same, and what was stored before the byte is seen as well. */
static inline unsigned hak_pagemap_class_acquire(const void *p)
{
	struct hak_pagemap_view view = hak_pagemap_look();
	uintptr_t place = hak_pagemap_place(&view, p);

	return place < view.limit ? __atomic_load_n(&view.classes[place >> HAK_PLACE_SHIFT], __ATOMIC_ACQUIRE)
				  : (unsigned)HAK_CLASS_FOREIGN;
}

enum { HAK_PAGEMAP_MAPPING_TAG = 1 }; /* set in the entries of large blocks' mappings */

enum {
	HAK_OWNER_SHIFT = HAK_SUPERSLAB_SHIFT - 1,
	HAK_OWNER_BYTES = 1 << HAK_OWNER_SHIFT,
};
_Static_assert(HAK_OWNER_BYTES <= (int)HAK_RUN_MAX_BYTES, "no mapping is shorter");

/* Of an address inside the covered window. */
static inline void *hak_pagemap_owner(const void *p)
{
	return atomic_load_explicit(
		&hak_pagemap.owners,
		memory_order_acquire)[((uintptr_t)p - hak_pagemap.base) >> HAK_OWNER_SHIFT];
}

/* The map as a batch of blocks wants it that are known to be covered, as they were in a bin. */
struct hak_pagemap_batch {
	uintptr_t base;
	const uint8_t *classes;
	void *const *owners;
};

static inline struct hak_pagemap_batch hak_pagemap_look_for_batch(void)
{
	struct hak_pagemap_view view = hak_pagemap_look();
	void *const *owners = atomic_load_explicit(&hak_pagemap.owners, memory_order_acquire);

	return (struct hak_pagemap_batch){ view.base, view.classes, owners };
}

static inline unsigned hak_pagemap_batch_class(const struct hak_pagemap_batch *batch, const void *p)
{
	/* relaxed: see hak_pagemap_byte() */
	return __atomic_load_n(&batch->classes[((uintptr_t)p - batch->base) >> HAK_GRAIN_SHIFT],
			       __ATOMIC_RELAXED);
}

static inline void *hak_pagemap_batch_owner(const struct hak_pagemap_batch *batch, const void *p)
{
	return batch->owners[((uintptr_t)p - batch->base) >> HAK_OWNER_SHIFT];
}

static inline bool hak_pagemap_covers(const void *p)
{
	struct hak_pagemap_view view = hak_pagemap_look();

	return ((uintptr_t)p - view.base) >> HAK_ALIGN_SHIFT < view.limit;
}

enum hak_pagemap_use {
	HAK_USE_SUPERSLAB, /* these lie together, lowest */
	HAK_USE_BLOCK,     /* large blocks lie apart, side by side, so that freed neighbours merge */
	HAK_USE_GROWING,   /* with as much address space behind it, if there is any, to grow in place */
};

/**
 * hak_pagemap_map() - fresh memory in the window, aligned to HAK_SUPERSLAB_BYTES
 * @bytes: whole units
 * Threads: any; takes the page map's lock. Syscalls: mmap, more than one where foreign mappings are met.
 * Return: 0, -ENOMEM.
 */
int hak_pagemap_map(size_t bytes, enum hak_pagemap_use use, void **ret_memory);

/* Give whole steps back: nobody owns them any more. */
void hak_pagemap_unmap(void *memory, size_t bytes);

/* Let a mapping that ends at @end grow to @new_end, a unit's, if nothing is there. Return: 0, -ENOMEM. */
int hak_pagemap_grow(char *end, char *new_end);

/* Of so many bytes in whole halves, from @p's on. */
void hak_pagemap_set_owner(const void *p, size_t bytes, void *owner);
void hak_pagemap_set_classes(const void *p, size_t grains, unsigned size_class);

/* Of the first grain alone, without the lock. */
void hak_pagemap_set_class(const void *p, unsigned size_class);

/*
 * Choose where the window begins. @seed: unpredictable. Called once, before the first allocation; cannot
 * fail.
 */
void hak_pagemap_init(uint64_t seed);

#endif
