/* SPDX-License-Identifier: MIT */
/* The descriptors of superslabs: where they come from, and how much of them is resident. See superslab.h. */
#include <string.h>

#include "meta.h"
#include "os.h"
#include "superslab_private.h"

enum {
	POPULATE_FROM_SUPERSLABS = 4, /* the descriptors of heaps of 8 MiB and more */
	POPULATE_SLABS = 48,          /* their first: as many runs as a superslab has, and some more */
	TRIM_FROM_GRAINS = HAK_SUPERSLAB_GRAINS * 3 / 4, /* free: worth the system calls */
	TRIM_AGAIN_GRAINS = 64,
	PLACE_BITS = sizeof(struct hak_slab) * 8,
	CELLS_BYTES = HAK_CELL_WORDS * sizeof(struct hak_cells), /* a grain */
};
_Static_assert(HAK_SUPERSLAB_GRAINS * CELLS_BYTES == 8 * 4096, "pages of cells: a bit of a byte each");

/* Most processes never need a second one. */
static struct hak_superslab first_superslab;
static bool first_used;

/* A part of a descriptor of which all will be written. */
static void populate_part(void *part, size_t bytes)
{
	size_t before = (uintptr_t)part & (hak_os_page_bytes() - 1);

	if (atomic_load_explicit(&hak_superslabs_count, memory_order_relaxed) >= POPULATE_FROM_SUPERSLABS)
		(void)hak_os_populate((char *)part - before, bytes + before);
}

static void set_table_bytes(struct hak_superslab *superslab, size_t bytes)
{
	superslab->arena->table_bytes += bytes - superslab->table_bytes;
	superslab->table_bytes = (uint32_t)bytes;
}

static struct hak_superslab *find_descriptor(struct hak_arena *arena)
{
	struct hak_superslab *superslab = arena->spare;

	if (superslab && superslab->spares)
		return superslab->spare[--superslab->spares];
	if (superslab) {
		arena->spare = superslab->next_spare;
		memset(superslab->run_slab, 0, sizeof(superslab->run_slab)); /* addresses are no numbers */
		return superslab;
	}
	if (arena == &hak_arenas[0] && !first_used) {
		first_used = true;
		return &first_superslab;
	}
	superslab = hak_meta_alloc(sizeof(*superslab));
	arena->descriptors += superslab != NULL;
	return superslab;
}

struct hak_superslab *hak_superslab_take_descriptor(struct hak_arena *arena)
{
	struct hak_superslab *superslab = find_descriptor(arena);

	if (!superslab)
		return NULL;
	superslab->arena = arena;
	populate_part(superslab, offsetof(struct hak_superslab, slab[POPULATE_SLABS]));
	memset(superslab->slab_used, 0, sizeof(superslab->slab_used));
	superslab->trimmed_grains = 0;
	superslab->touched_slabs = 0;
	superslab->far_used = false;
	/* relaxed: nobody knows it yet */
	atomic_store_explicit(&superslab->cells_used, 0, memory_order_relaxed);
	set_table_bytes(superslab, offsetof(struct hak_superslab, slab));
	return superslab;
}

static void take_places_at(struct hak_superslab *superslab, unsigned first, unsigned count)
{
	unsigned end = first + count;

	superslab->trimmed_grains = 0;
	hak_grainmap_set(superslab->slab_used, first, count, true);
	if (end > superslab->touched_slabs) {
		set_table_bytes(superslab, superslab->table_bytes + (end - superslab->touched_slabs) *
									    sizeof(struct hak_slab));
		superslab->touched_slabs = (uint16_t)end;
	}
}

struct hak_slab *hak_superslab_take_slab(struct hak_superslab *superslab)
{
	unsigned number = hak_grainmap_next(superslab->slab_used, 0, false);
	struct hak_slab *slab = &superslab->slab[number];

	take_places_at(superslab, number, 1);
	memset(slab, 0, offsetof(struct hak_slab, near_bits)); /* those are zero */
	return slab;
}

/* How many places of descriptors the bits of so many blocks take. */
static unsigned places_of(unsigned blocks)
{
	return (blocks + PLACE_BITS - 1) / PLACE_BITS;
}

void hak_superslab_drop_slab(struct hak_superslab *superslab, const struct hak_slab *slab)
{
	size_t bits_at = (size_t)((uintptr_t)slab->bits - (uintptr_t)superslab->slab);

	hak_grainmap_set(superslab->slab_used, (unsigned)(slab - superslab->slab), 1, false);
	if (slab->bits && slab->bits != slab->near_bits && bits_at < sizeof(superslab->slab))
		hak_grainmap_set(superslab->slab_used, (unsigned)(bits_at / sizeof(*slab)),
				 places_of(slab->capacity), false);
}

/* The whole pages of a part of a descriptor become zero. */
static void drop_pages(void *part, size_t bytes)
{
	size_t page_bytes = hak_os_page_bytes();
	uintptr_t start = hak_round_up((uintptr_t)part, page_bytes);
	uintptr_t end = ((uintptr_t)part + bytes) & ~(page_bytes - 1);

	if (end > start)
		(void)hak_os_dontneed((void *)start, end - start); /* locked in memory: stays */
}

/* Unused descriptors keep no page, but for one in so many, where the addresses of the others are. */
void hak_superslab_drop_descriptor(struct hak_superslab *superslab)
{
	struct hak_arena *arena = superslab->arena;
	struct hak_superslab *holder = arena->spare;

	set_table_bytes(superslab, 0);
	if (holder && holder->spares < HAK_SPARES) {
		drop_pages(superslab, sizeof(*superslab));
		holder->spare[holder->spares++] = superslab;
		return;
	}
	drop_pages(superslab->slab, sizeof(*superslab) - offsetof(struct hak_superslab, slab));
	superslab->spares = 0;
	superslab->next_spare = holder;
	arena->spare = superslab;
}

/* Of an array whose elements are in use where @map says so: the pages between. */
static void drop_unused(void *array, size_t element_bytes, const uint64_t *map, unsigned count)
{
	unsigned from = 0;

	while ((from = hak_grainmap_next(map, from, false)) < count) {
		unsigned end = hak_grainmap_next(map, from, true);

		drop_pages((char *)array + from * element_bytes, (end - from) * element_bytes);
		from = end;
	}
}

/* relaxed: once set it stays so */
static unsigned cells_used(const struct hak_superslab *superslab)
{
	return atomic_load_explicit(&superslab->cells_used, memory_order_relaxed);
}

void hak_superslab_trim_descriptor(struct hak_superslab *superslab)
{
	if (superslab->free_grains < (uint32_t)TRIM_FROM_GRAINS ||
	    superslab->free_grains < superslab->trimmed_grains + (uint32_t)TRIM_AGAIN_GRAINS)
		return;
	superslab->trimmed_grains = (uint16_t)superslab->free_grains;
	drop_unused(superslab->slab, sizeof(superslab->slab[0]), superslab->slab_used,
		    superslab->touched_slabs);
	if (superslab->far_used)
		drop_unused(superslab->far_bits, sizeof(superslab->far_bits[0]), superslab->used,
			    HAK_SUPERSLAB_GRAINS);
	if (cells_used(superslab))
		drop_unused(superslab->cells, CELLS_BYTES, superslab->used, HAK_SUPERSLAB_GRAINS);
}

/* Places of descriptors side by side that nobody has, lowest first. Caller holds the lock. NULL: none. */
static struct hak_slab *take_places(struct hak_superslab *superslab, unsigned count)
{
	unsigned longest;
	int first = hak_grainmap_find(superslab->slab_used, superslab->slab_used, count, 1, &longest);
	struct hak_slab *places;

	if (first < 0)
		return NULL;
	take_places_at(superslab, (unsigned)first, count);
	places = &superslab->slab[first];
	memset(places, 0, count * sizeof(*places));
	return places;
}

/* Those of more than 512 blocks lie where other descriptors would; if there is no room, by grain. */
uint64_t *hak_superslab_bits(struct hak_slab *slab, unsigned blocks)
{
	struct hak_superslab *superslab = hak_pagemap_owner(slab->base);
	struct hak_slab *places;

	if (blocks <= HAK_NEAR_WORDS * 64)
		return slab->near_bits;
	hak_lock_acquire(&superslab->arena->lock);
	places = take_places(superslab, places_of(blocks));
	if (!places && !superslab->far_used) {
		superslab->far_used = true;
		set_table_bytes(superslab, superslab->table_bytes + sizeof(superslab->far_bits));
	}
	hak_lock_release(&superslab->arena->lock);
	return places ? (uint64_t *)(void *)places : superslab->far_bits[hak_superslab_first_grain(slab)];
}

struct hak_cells *hak_superslab_cells(const struct hak_slab *slab)
{
	struct hak_superslab *superslab = hak_pagemap_owner(slab->base);
	unsigned page_grains = (unsigned)(hak_os_page_bytes() / CELLS_BYTES);
	unsigned first = hak_superslab_first_grain(slab), last = first + slab->grains - 1u;
	unsigned pages = 1u << first / page_grains | 1u << last / page_grains;

	/* Mosaics may be few and far between: nothing is populated. */
	if (pages & ~cells_used(superslab)) {
		hak_lock_acquire(&superslab->arena->lock);
		pages &= ~cells_used(superslab);
		atomic_store_explicit(&superslab->cells_used, (uint8_t)(cells_used(superslab) | pages),
				      memory_order_relaxed);
		set_table_bytes(superslab, superslab->table_bytes + (size_t)__builtin_popcount(pages) *
									     page_grains * CELLS_BYTES);
		hak_lock_release(&superslab->arena->lock);
	}
	return &superslab->cells[first * HAK_CELL_WORDS];
}
