/* SPDX-License-Identifier: MIT */
#include "pagemap.h"

#include <errno.h>
#include <string.h>

#include "os.h"

enum {
	FIRST_COVER_SHIFT = 30, /* 1 GiB is described by tables in .bss, whose untouched pages cost nothing */
	COVER_STEP_SHIFT = 5, /* then 32 GiB, 1 TiB, the whole window */
	PLACE_TRIES = 16,
	FORMER_MOST = 3,
	LARGE_FIRST_UNIT = 128, /* large mappings begin here, so that superslabs stay dense below */
};

#define FIRST_COVER_BYTES ((size_t)1 << FIRST_COVER_SHIFT)
#define WORD_BITS         64
#define OWNERS            (HAK_SUPERSLAB_BYTES / HAK_OWNER_BYTES) /* of a unit */

static uint8_t first_classes[FIRST_COVER_BYTES >> HAK_GRAIN_SHIFT];
/* Classes as they were described before the window was covered further: threads may look there still. */
static struct {
	uint8_t *classes;
	size_t grains;
} former[FORMER_MOST];
static _Atomic unsigned former_count; /* release, acquire: what is counted is there */

static void *first_owners[FIRST_COVER_BYTES >> HAK_OWNER_SHIFT];
static uint8_t first_steps[FIRST_COVER_BYTES >> HAK_SUPERSLAB_SHIFT];

/* Guarded by the lock, as all from here on. Of each covered unit: how many of its steps are mapped by us. */
static uint8_t *steps = first_steps;
/* One bit a unit of the window: some of it is mapped by us, or was found taken by somebody else. */
static uint64_t taken[HAK_WINDOW_UNITS / WORD_BITS];
static size_t first_free_unit; /* no unit below is free */
static size_t mappings;        /* how many places were ever handed out */

struct hak_pagemap hak_pagemap;

void hak_pagemap_init(uint64_t seed)
{
	uint64_t offset = seed * UINT64_C(0x9e3779b97f4a7c15) % HAK_WINDOW_SPAN_BYTES;

	hak_pagemap.base = HAK_WINDOW_LOWEST + (offset & ~(FIRST_COVER_BYTES - 1));
	atomic_store_explicit(&hak_pagemap.classes, first_classes, memory_order_relaxed);
	atomic_store_explicit(&hak_pagemap.owners, first_owners, memory_order_relaxed);
	atomic_store_explicit(&hak_pagemap.limit, FIRST_COVER_BYTES >> HAK_ALIGN_SHIFT, memory_order_release);
}

/* The arrays, to who holds the lock, or looks whether they still are when he has written. */
static uint8_t *classes_now(void)
{
	return atomic_load_explicit(&hak_pagemap.classes, memory_order_acquire);
}

static void **owners_now(void)
{
	return atomic_load_explicit(&hak_pagemap.owners, memory_order_acquire);
}

static size_t units_of(size_t bytes)
{
	return hak_round_up(bytes, HAK_SUPERSLAB_BYTES) >> HAK_SUPERSLAB_SHIFT;
}

static bool is_taken(size_t unit)
{
	return taken[unit / WORD_BITS] >> unit % WORD_BITS & 1;
}

/* seq_cst [M2]: beside those who write without the lock */
static void copy_unit(uint8_t *classes, void **owners, size_t unit)
{
	size_t grain = unit * HAK_SUPERSLAB_GRAINS, half = unit * OWNERS;

	for (size_t end = grain + HAK_SUPERSLAB_GRAINS; grain < end; grain++)
		classes[grain] = __atomic_load_n(&classes_now()[grain], __ATOMIC_SEQ_CST);
	for (size_t end = half + OWNERS; half < end; half++)
		owners[half] = __atomic_load_n(&owners_now()[half], __ATOMIC_SEQ_CST);
}

/* What is described only: untouched pages of the new arrays must stay so. */
static void copy_arrays(uint8_t *classes, void **owners, uint8_t *new_steps, size_t described_units)
{
	memcpy(new_steps, steps, described_units);
	for (size_t unit = 0; unit < described_units; unit++)
		if (is_taken(unit))
			copy_unit(classes, owners, unit);
}

/*
 * [M2] Who writes one entry without the lock stores it, and then looks whether `growth` is what it was
 * before, and even. Who grows the map makes it odd, and then copies. All of that is sequentially consistent,
 * so where the copy misses what was stored, who stored it sees `growth` move, and stores it again under the
 * lock, into the new arrays.
 */
static bool is_growing(uint32_t growth)
{
	return growth & 1;
}

static uint32_t look_at_growth(void)
{
	return atomic_load_explicit(&hak_pagemap.growth, memory_order_seq_cst);
}

/* Let the arrays describe the window up to @end_unit. Caller holds the lock. */
static int cover(size_t end_unit)
{
	size_t covered = atomic_load_explicit(&hak_pagemap.limit, memory_order_relaxed) << HAK_ALIGN_SHIFT;
	size_t wanted = covered, class_bytes, owner_bytes;
	uint8_t *new_steps;
	void *classes, **owners;
	unsigned before;
	int result;

	while (wanted >> HAK_SUPERSLAB_SHIFT < end_unit)
		wanted <<= COVER_STEP_SHIFT;
	if (wanted > HAK_WINDOW_BYTES)
		wanted = HAK_WINDOW_BYTES;
	if (wanted >> HAK_SUPERSLAB_SHIFT < end_unit)
		return -ENOMEM;
	if (wanted == covered)
		return 0;
	class_bytes = wanted >> HAK_GRAIN_SHIFT;
	owner_bytes = (wanted >> HAK_OWNER_SHIFT) * sizeof(void *);
	result = hak_os_map(NULL, class_bytes + owner_bytes + (wanted >> HAK_SUPERSLAB_SHIFT), &classes);
	if (result < 0)
		return result;
	owners = (void *)((char *)classes + class_bytes);
	new_steps = (uint8_t *)owners + owner_bytes;
	atomic_fetch_add_explicit(&hak_pagemap.growth, 1, memory_order_seq_cst); /* [M2] odd */
	copy_arrays(classes, owners, new_steps, covered >> HAK_SUPERSLAB_SHIFT);
	steps = new_steps;
	before = atomic_load_explicit(&former_count, memory_order_relaxed);
	former[before].classes = classes_now();
	former[before].grains = covered >> HAK_GRAIN_SHIFT;
	atomic_store_explicit(&former_count, before + 1, memory_order_release);
	/* release, both: pairs with the acquires of who looks for them */
	atomic_store_explicit(&hak_pagemap.classes, classes, memory_order_release);
	atomic_store_explicit(&hak_pagemap.owners, owners, memory_order_release);
	/* release [M1]: pairs with the acquire in hak_pagemap_look() */
	atomic_store_explicit(&hak_pagemap.limit, wanted >> HAK_ALIGN_SHIFT, memory_order_release);
	atomic_fetch_add_explicit(&hak_pagemap.growth, 1, memory_order_seq_cst); /* [M2] even */
	return 0;
}

static void mark_taken(size_t unit, size_t count)
{
	for (; count; unit++, count--)
		taken[unit / WORD_BITS] |= UINT64_C(1) << unit % WORD_BITS;
}

static void mark_free(size_t unit)
{
	taken[unit / WORD_BITS] &= ~(UINT64_C(1) << unit % WORD_BITS);
	if (unit < first_free_unit)
		first_free_unit = unit;
}

static size_t unit_of(const void *p)
{
	return ((uintptr_t)p - hak_pagemap.base) >> HAK_SUPERSLAB_SHIFT;
}

/* Whole steps from @p on are mapped, or were unmapped. */
static void count_steps(const char *p, size_t bytes, bool mapped)
{
	while (bytes) {
		size_t in_unit = HAK_SUPERSLAB_BYTES - (uintptr_t)p % HAK_SUPERSLAB_BYTES;
		size_t part = hak_least(bytes, in_unit), unit = unit_of(p);
		unsigned count = (unsigned)(part / HAK_STEP_BYTES);

		steps[unit] = (uint8_t)(mapped ? steps[unit] + count : steps[unit] - count);
		if (mapped)
			mark_taken(unit, 1);
		else if (steps[unit] == 0)
			mark_free(unit);
		p += part;
		bytes -= part;
	}
}

static bool all_free(size_t unit, size_t count)
{
	if (unit + count > HAK_WINDOW_UNITS)
		return false;
	while (count && !is_taken(unit)) {
		unit++;
		count--;
	}
	return count == 0;
}

/* First unit at or above @start from which @count units are free; HAK_WINDOW_UNITS where there is none. */
static size_t find_free(size_t start, size_t count)
{
	size_t run = 0;

	for (size_t unit = start; unit < HAK_WINDOW_UNITS; unit++) {
		if (unit % WORD_BITS == 0 && taken[unit / WORD_BITS] == UINT64_MAX) {
			unit += WORD_BITS - 1;
			run = 0;
		} else if (is_taken(unit)) {
			run = 0;
		} else if (++run == count) {
			return unit + 1 - count;
		}
	}
	return HAK_WINDOW_UNITS;
}

/* The first mapping is where the kernel had room: the window goes there. */
static void move_window(uintptr_t to)
{
	/* Kernels hand out addresses downwards: leave room below, of 39 bits all; but not for NULL. */
	uintptr_t below = UINT64_C(512) << 30;

	if (below > to - FIRST_COVER_BYTES)
		below = to - FIRST_COVER_BYTES;
	hak_pagemap.base = (to - below) & ~(FIRST_COVER_BYTES - 1);
	memset(taken, 0, sizeof(taken));
	first_free_unit = 0;
}

/* The kernel chooses; we accept what lies in the window. */
static int place_anywhere(size_t bytes, size_t count, void **ret_memory)
{
	void *memory;
	int result = hak_os_map(NULL, bytes + HAK_SUPERSLAB_BYTES, &memory);

	if (result < 0)
		return result;

	uintptr_t start = (uintptr_t)memory;
	uintptr_t aligned = hak_round_up(start, HAK_SUPERSLAB_BYTES);

	if (aligned > start)
		hak_os_unmap(memory, aligned - start);
	if (aligned - start < HAK_SUPERSLAB_BYTES)
		hak_os_unmap((void *)(aligned + bytes), HAK_SUPERSLAB_BYTES - (aligned - start));
	if (mappings == 0)
		move_window(aligned);

	size_t unit = (aligned - hak_pagemap.base) >> HAK_SUPERSLAB_SHIFT;

	if (aligned < hak_pagemap.base || unit + count > HAK_WINDOW_UNITS || cover(unit + count) < 0) {
		hak_os_unmap((void *)aligned, bytes);
		return -ENOMEM;
	}
	count_steps((char *)aligned, bytes, true);
	*ret_memory = (void *)aligned;
	return 0;
}

static int place(size_t bytes, enum hak_pagemap_use use, void **ret_memory)
{
	size_t count = units_of(bytes);
	size_t room = use == HAK_USE_GROWING ? count : 0;
	size_t start = use == HAK_USE_SUPERSLAB ? first_free_unit : LARGE_FIRST_UNIT;

	for (int tries = 0; tries < PLACE_TRIES; tries++) {
		size_t unit = find_free(start, count + room);

		if (unit >= HAK_WINDOW_UNITS && room) {
			room = 0;
			continue;
		}
		if (unit >= HAK_WINDOW_UNITS || cover(unit + count) < 0)
			return -ENOMEM;

		int result = hak_os_map((void *)(hak_pagemap.base + (unit << HAK_SUPERSLAB_SHIFT)), bytes,
					ret_memory);

		if (result != 0 && result != -EEXIST)
			break; /* no memory; or none there, where the machine has fewer addresses */
		if (result == 0) {
			count_steps(*ret_memory, bytes, true);
			if (use == HAK_USE_SUPERSLAB)
				first_free_unit = unit + 1;
			return 0;
		}
		mark_taken(unit, count); /* by somebody else, for good */
	}
	return place_anywhere(bytes, count, ret_memory);
}

int hak_pagemap_map(size_t bytes, enum hak_pagemap_use use, void **ret_memory)
{
	int result;

	if (bytes > HAK_WINDOW_BYTES)
		return -ENOMEM;
	hak_lock_acquire(&hak_pagemap.lock);
	result = place(bytes, use, ret_memory);
	if (result == 0)
		mappings++;
	hak_lock_release(&hak_pagemap.lock);
	return result < 0 ? -ENOMEM : 0;
}

void hak_pagemap_unmap(void *memory, size_t bytes)
{
	hak_lock_acquire(&hak_pagemap.lock);
	hak_os_unmap(memory, bytes);
	count_steps(memory, bytes, false);
	hak_lock_release(&hak_pagemap.lock);
}

int hak_pagemap_grow(char *end, char *new_end)
{
	size_t unit = unit_of(end + HAK_SUPERSLAB_BYTES - 1), end_unit = unit_of(new_end);
	int result = -ENOMEM;
	void *behind;

	hak_lock_acquire(&hak_pagemap.lock);
	if (all_free(unit, end_unit - unit))
		result = cover(end_unit);
	if (result == 0) /* what lies in the rest of @end's unit, if anything, the kernel knows */
		result = hak_os_map(end, (size_t)(new_end - end), &behind);
	if (result == 0)
		count_steps(end, (size_t)(new_end - end), true);
	hak_lock_release(&hak_pagemap.lock);
	return result < 0 ? -ENOMEM : 0;
}

static void write_owners(size_t half, size_t count, void *owner)
{
	for (size_t end = half + count; half < end; half++)
		__atomic_store_n(&owners_now()[half], owner, __ATOMIC_SEQ_CST);
}

void hak_pagemap_set_owner(const void *p, size_t bytes, void *owner)
{
	size_t half = ((uintptr_t)p - hak_pagemap.base) >> HAK_OWNER_SHIFT;
	uint32_t growth = look_at_growth();

	write_owners(half, bytes >> HAK_OWNER_SHIFT, owner);
	if (!is_growing(growth) && look_at_growth() == growth)
		return;
	hak_lock_acquire(&hak_pagemap.lock);
	write_owners(half, bytes >> HAK_OWNER_SHIFT, owner);
	hak_lock_release(&hak_pagemap.lock);
}

/* Also where threads may look still. */
static void write_class(size_t grain, unsigned size_class)
{
	unsigned formers = atomic_load_explicit(&former_count, memory_order_acquire);

	__atomic_store_n(&classes_now()[grain], (uint8_t)size_class, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < formers; i++)
		if (grain < former[i].grains)
			__atomic_store_n(&former[i].classes[grain], (uint8_t)size_class, __ATOMIC_SEQ_CST);
}

static void write_classes(uint8_t *classes, size_t grain, size_t count, unsigned size_class)
{
	/* release: pairs with the acquire in hak_mosaic_class_of() */
	for (; count; count--, grain++)
		__atomic_store_n(&classes[grain], (uint8_t)size_class, __ATOMIC_RELEASE);
}

void hak_pagemap_set_class(const void *p, unsigned size_class)
{
	size_t grain = ((uintptr_t)p - hak_pagemap.base) >> HAK_GRAIN_SHIFT;
	uint32_t growth = look_at_growth();

	write_class(grain, size_class);
	if (!is_growing(growth) && look_at_growth() == growth)
		return;
	hak_lock_acquire(&hak_pagemap.lock);
	write_class(grain, size_class);
	hak_lock_release(&hak_pagemap.lock);
}

void hak_pagemap_set_classes(const void *p, size_t grains, unsigned size_class)
{
	size_t grain = ((uintptr_t)p - hak_pagemap.base) >> HAK_GRAIN_SHIFT;
	unsigned formers;

	hak_lock_acquire(&hak_pagemap.lock);
	formers = atomic_load_explicit(&former_count, memory_order_relaxed);
	write_classes(classes_now(), grain, grains, size_class);
	for (unsigned i = 0; i < formers; i++)
		if (grain < former[i].grains)
			write_classes(former[i].classes, grain, grains, size_class);
	hak_lock_release(&hak_pagemap.lock);
}
