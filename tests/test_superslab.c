/* SPDX-License-Identifier: MIT */
/*
 * Grain maps and superslabs against simple references: an array of bytes, and a list of what was handed out.
 */
#include <check.h>
#include <string.h>

#include "lazy.h"
#include "os.h"
#include "superslab_private.h"
#include "runs.h"
#include "suite.h"

enum { GRAINS = HAK_SUPERSLAB_GRAINS, ROUNDS = 20000, RUNS = 600 };

static void model_to_map(const uint8_t *model, uint64_t *map)
{
	memset(map, 0, GRAINS / 8);
	for (unsigned i = 0; i < GRAINS; i++)
		if (model[i])
			map[i / 64] |= UINT64_C(1) << i % 64;
}

START_TEST(grainmap_set_and_count_agree_with_an_array)
{
	uint64_t seed = 1, map[HAK_GRAIN_WORDS] = {0};
	uint8_t model[GRAINS] = {0};

	for (int round = 0; round < ROUNDS; round++) {
		unsigned from = (unsigned)(next_random(&seed) % GRAINS);
		unsigned count = (unsigned)(next_random(&seed) % (GRAINS - from + 1)), set = 0;
		bool value = next_random(&seed) & 1;

		hak_grainmap_set(map, from, count, value);
		memset(model + from, value, count);
		from = (unsigned)(next_random(&seed) % GRAINS);
		count = (unsigned)(next_random(&seed) % (GRAINS - from + 1));
		for (unsigned i = from; i < from + count; i++)
			set += model[i];
		require(hak_grainmap_count(map, from, count) == set);
		require(hak_grainmap_has(map, from) == model[from]);
	}
}
END_TEST

static int model_find(const uint8_t *model, uint8_t value, unsigned count, unsigned align)
{
	for (unsigned start = 0; start + count <= GRAINS; start += align) {
		unsigned length = 0;

		while (length < count && model[start + length] == value)
			length++;
		if (length == count)
			return (int)start;
	}
	return -1;
}

START_TEST(grainmap_find_gives_the_lowest_room_of_the_better_kind)
{
	uint64_t seed = 2, map[HAK_GRAIN_WORDS], prefer[HAK_GRAIN_WORDS];
	uint8_t model[GRAINS], preferred[GRAINS];

	for (int round = 0; round < ROUNDS; round++) {
		unsigned count = 1 + (unsigned)(next_random(&seed) % (1u << next_random(&seed) % 10));
		unsigned align = 1u << next_random(&seed) % 4, longest = 0;
		unsigned density = (unsigned)(next_random(&seed) % 100), value = 0;
		int wanted;

		for (unsigned i = 0; i < GRAINS; i++) {
			if (next_random(&seed) % 16 == 0)
				value = next_random(&seed) % 100 < density;
			model[i] = (uint8_t)value;
			preferred[i] = next_random(&seed) % 16 == 0 ? value : preferred[i ? i - 1 : 0];
			preferred[i] = preferred[i] && !value;
		}
		model_to_map(model, map);
		model_to_map(preferred, prefer);
		wanted = model_find(preferred, 1, count, align);
		if (wanted < 0)
			wanted = model_find(model, 0, count, align);
		require(hak_grainmap_find(map, prefer, count, align, &longest) == wanted);
		if (wanted < 0 && longest)
			require(model_find(model, 0, longest, 1) >= 0);
		if (wanted < 0 && longest < GRAINS)
			require(model_find(model, 0, longest + 1, 1) < 0);
	}
}
END_TEST

struct run {
	struct hak_slab *slab;
	char *base;
	unsigned grains;
};

static bool overlaps(const struct run *runs, const struct run *new)
{
	for (unsigned i = 0; i < RUNS; i++) {
		const struct run *old = &runs[i];

		if (old->slab && old->base < new->base + new->grains *HAK_GRAIN_BYTES &&new->base <
					 old->base + old->grains *HAK_GRAIN_BYTES)
			return true;
	}
	return false;
}

static void check_totals(const struct run *runs)
{
	struct hak_superslab_stats stats = hak_superslab_stats();
	size_t used_bytes = 0;

	for (unsigned i = 0; i < RUNS; i++)
		used_bytes += runs[i].slab ? runs[i].grains * (size_t)HAK_GRAIN_BYTES : 0;
	ck_assert_uint_eq(stats.mapped_bytes, stats.free_bytes + used_bytes);
	ck_assert_uint_le(stats.dirty_bytes, stats.free_bytes);
}

START_TEST(runs_never_overlap_and_totals_close)
{
	static struct run runs[RUNS];
	unsigned arenas = (unsigned)_i;
	uint64_t seed = 3;

	hak_pagemap_init(seed);
	atomic_store(&hak_arenas_used, arenas);
	for (int round = 0; round < ROUNDS; round++) {
		struct run *run = &runs[next_random(&seed) % RUNS];

		if (run->slab) {
			require(hak_superslab_run(run->base + (run->grains - 1) * HAK_GRAIN_BYTES) ==
				run->slab);
			hak_superslab_set_purge_due(false);
			hak_superslab_release(run->slab, (unsigned)(next_random(&seed) % (run->grains + 1)));
			if (hak_superslab_is_purge_due())
				(void)hak_superslab_purge(HAK_KEEP_ALLOWED);
			run->slab = NULL;
		} else {
			unsigned align = 1u << next_random(&seed) % 6;
			struct run new = {.grains = 1 + (unsigned)(next_random(&seed) %
								   (1u << next_random(&seed) % 10))};

			struct hak_arena_choice choice = {.arena = (uint8_t)(next_random(&seed) % arenas)};

			new.slab = hak_superslab_acquire(&choice, new.grains, align, true);
			require(new.slab);
			hak_superslab_share_out(new.slab);
			new.base = new.slab->base;
			require((uintptr_t) new.base % ((size_t)align * HAK_GRAIN_BYTES) == 0);
			require(!overlaps(runs, &new));
			new.base[0] = new.base[new.grains *HAK_GRAIN_BYTES - 1] = 1;
			*run = new;
		}
		check_totals(runs);
	}
}
END_TEST

START_TEST(purge_gives_zeroed_pages_and_leaves_live_runs_alone)
{
	enum { WHOLE = 16, BYTES = WHOLE * HAK_GRAIN_BYTES }; /* 64 KiB are whole pages everywhere */
	struct hak_slab *kept, *freed, *again;

	hak_pagemap_init(4);
	kept = acquire_run(WHOLE, 1);
	freed = acquire_run(WHOLE, 1);
	memset(kept->base, 1, BYTES);
	memset(freed->base, 2, BYTES);
	hak_superslab_release(freed, WHOLE);
	ck_assert_uint_eq(hak_superslab_stats().dirty_bytes, BYTES);
	ck_assert_uint_eq(hak_superslab_purge(0), BYTES);
	ck_assert_uint_eq(hak_superslab_stats().dirty_bytes, 0);
	again = acquire_run(WHOLE, 1);
	ck_assert_ptr_eq(again->base, freed->base);
	ck_assert_uint_eq(again->dirty, 0);
	for (unsigned i = 0; i < BYTES; i++) {
		require(again->base[i] == 0);
		require(kept->base[i] == 1);
	}
}
END_TEST

START_TEST(extend_takes_only_free_neighbours)
{
	struct hak_slab *first, *second;

	hak_pagemap_init(5);
	first = acquire_run(4, 1);
	second = acquire_run(4, 1);
	ck_assert(!hak_superslab_extend(first, 5));
	ck_assert(hak_superslab_extend(second, 100));
	ck_assert_uint_eq(second->grains, 100);
	hak_superslab_shorten(second, 2);
	hak_superslab_release(first, 4);
	first = acquire_run(5, 1);
	ck_assert_ptr_eq(first->base, second->base + 2 * HAK_GRAIN_BYTES);
	ck_assert(!hak_superslab_extend(second, HAK_SUPERSLAB_GRAINS));
}
END_TEST

/* Beyond the first GiB another table says how much room a superslab has. */
START_TEST(superslabs_beyond_the_first_gib_are_filled_as_those_below)
{
	enum { SUPERSLABS = 600 };
	static struct hak_slab *slab[SUPERSLABS];
	struct hak_slab *small;
	char *base;

	hak_pagemap_init(11);
	for (unsigned i = 0; i < SUPERSLABS; i++) {
		slab[i] = acquire_run(GRAINS - 8, 1);
		ck_assert_ptr_nonnull(slab[i]);
	}
	ck_assert_uint_eq(hak_superslab_stats().mapped_bytes, (size_t)SUPERSLABS * HAK_SUPERSLAB_BYTES);
	for (unsigned i = 0; i < SUPERSLABS; i++) {
		small = acquire_run(8, 1);
		ck_assert_ptr_nonnull(small);
	}
	ck_assert_uint_eq(hak_superslab_stats().mapped_bytes, (size_t)SUPERSLABS * HAK_SUPERSLAB_BYTES);
	ck_assert_uint_eq(hak_superslab_stats().free_bytes, 0);
	base = slab[SUPERSLABS - 1]->base;
	hak_superslab_release(slab[SUPERSLABS - 1], 0);
	ck_assert_ptr_eq(acquire_run(GRAINS / 2, 1)->base, base);
}
END_TEST

START_TEST(pagemap_refuses_what_is_not_aligned_or_not_covered)
{
	struct hak_slab *slab;

	ck_assert_uint_eq(hak_pagemap_class(&slab), HAK_CLASS_FOREIGN);
	hak_pagemap_init(6);
	slab = acquire_run(2, 1);
	hak_pagemap_set_classes(slab->base, 2, 7);
	for (unsigned i = 0; i < 2 * HAK_GRAIN_BYTES; i++)
		require(hak_pagemap_class(slab->base + i) == (i % 16 ? HAK_CLASS_FOREIGN : 7));
	ck_assert_uint_eq(hak_pagemap_class(slab->base - 16), HAK_CLASS_FOREIGN);
	ck_assert_uint_eq(hak_pagemap_class(slab->base + 2 * HAK_GRAIN_BYTES), HAK_CLASS_FOREIGN);
	for (unsigned bit = 0; bit < 64; bit++) {
		void *wild = (void *)(UINT64_C(1) << bit);

		ck_assert_uint_eq(hak_pagemap_class(wild), HAK_CLASS_FOREIGN);
		ck_assert_uint_eq(hak_pagemap_class((void *)~(uintptr_t)wild), HAK_CLASS_FOREIGN);
	}
}
END_TEST

START_TEST(pagemap_grows_and_keeps_what_it_knew)
{
	void *far[40];
	struct hak_slab *slab;

	hak_pagemap_init(7);
	slab = acquire_run(1, 1);
	hak_pagemap_set_class(slab->base, 9);
	/* 40 mappings of 64 MiB with as much room behind: far beyond the first GiB. */
	for (unsigned i = 0; i < 40; i++) {
		ck_assert_int_eq(hak_pagemap_map(64 << 20, HAK_USE_GROWING, &far[i]), 0);
		hak_pagemap_set_class(far[i], HAK_CLASS_LARGE);
		hak_pagemap_set_owner(far[i], HAK_OWNER_BYTES, &far[i]);
	}
	ck_assert_uint_gt((uintptr_t)far[39] - hak_pagemap.base, (uintptr_t)1 << 30);
	for (unsigned i = 0; i < 40; i++) {
		ck_assert_uint_eq(hak_pagemap_class(far[i]), HAK_CLASS_LARGE);
		ck_assert_ptr_eq(hak_pagemap_owner(far[i]), &far[i]);
	}
	ck_assert_uint_eq(hak_pagemap_class(slab->base), 9);
	ck_assert_ptr_eq(hak_superslab_run(slab->base), slab);
	ck_assert_int_eq(hak_pagemap_grow((char *)far[39] + (64 << 20), (char *)far[39] + (128 << 20)), 0);
	((char *)far[39])[(128 << 20) - 1] = 1;
}
END_TEST

static char *map_block(size_t bytes)
{
	void *memory;

	ck_assert_int_eq(hak_pagemap_map(bytes, HAK_USE_BLOCK, &memory), 0);
	return memory;
}

START_TEST(a_unit_is_free_when_its_last_step_is_unmapped)
{
	char *first;

	hak_pagemap_init(8);
	first = map_block(2 * HAK_SUPERSLAB_BYTES);
	hak_pagemap_unmap(first + HAK_STEP_BYTES, 2 * HAK_SUPERSLAB_BYTES - 2 * HAK_STEP_BYTES);
	*first = 1; /* the first and the last step are here */
	first[2 * HAK_SUPERSLAB_BYTES - 1] = 1;
	ck_assert_ptr_eq(map_block(HAK_SUPERSLAB_BYTES), first + 2 * HAK_SUPERSLAB_BYTES);
	hak_pagemap_unmap(first + 2 * HAK_SUPERSLAB_BYTES - HAK_STEP_BYTES, HAK_STEP_BYTES);
	ck_assert_ptr_eq(map_block(HAK_SUPERSLAB_BYTES), first + HAK_SUPERSLAB_BYTES);
	hak_pagemap_unmap(first, HAK_STEP_BYTES);
	ck_assert_ptr_eq(map_block(HAK_SUPERSLAB_BYTES), first);
}
END_TEST

START_TEST(a_mapping_grows_from_within_a_unit_if_nothing_is_there)
{
	char *first, *end, *behind;

	hak_pagemap_init(9);
	first = map_block(2 * HAK_SUPERSLAB_BYTES);
	end = first + HAK_SUPERSLAB_BYTES + HAK_STEP_BYTES;
	ck_assert_int_lt(hak_pagemap_grow(end, first + 2 * HAK_SUPERSLAB_BYTES), 0);
	hak_pagemap_unmap(end, HAK_SUPERSLAB_BYTES - HAK_STEP_BYTES);
	ck_assert_int_eq(hak_pagemap_grow(end, first + 4 * HAK_SUPERSLAB_BYTES), 0);
	first[4 * HAK_SUPERSLAB_BYTES - 1] = 1;
	behind = map_block(HAK_SUPERSLAB_BYTES);
	ck_assert_ptr_eq(behind, first + 4 * HAK_SUPERSLAB_BYTES);
	end = first + 3 * HAK_SUPERSLAB_BYTES + HAK_STEP_BYTES;
	hak_pagemap_unmap(end, HAK_SUPERSLAB_BYTES - HAK_STEP_BYTES);
	ck_assert_int_lt(hak_pagemap_grow(end, first + 5 * HAK_SUPERSLAB_BYTES), 0);
}
END_TEST

static struct hak_slab *begin_with_a_run(void)
{
	hak_pagemap_init(6);
	return acquire_run(16, 1);
}

static unsigned places_taken(const struct hak_superslab *superslab)
{
	return hak_grainmap_count(superslab->slab_used, 0, HAK_SUPERSLAB_GRAINS);
}

static bool lies_in(const void *p, const void *start, size_t bytes)
{
	return (uintptr_t)p - (uintptr_t)start < bytes;
}

START_TEST(bits_of_many_blocks_lie_among_the_descriptors_and_leave_with_their_slab)
{
	enum { BLOCKS = 4096, PLACES = BLOCKS / 8 / sizeof(struct hak_slab) };
	struct hak_slab *slab = begin_with_a_run();
	struct hak_superslab *superslab = hak_pagemap_owner(slab->base);
	unsigned before = places_taken(superslab);

	slab->capacity = BLOCKS;
	slab->bits = hak_superslab_bits(slab, BLOCKS);
	ck_assert(lies_in(slab->bits, superslab->slab, sizeof(superslab->slab)));
	ck_assert_uint_eq(places_taken(superslab), before + PLACES);
	for (unsigned word = 0; word < BLOCKS / 64; word++)
		ck_assert_uint_eq(slab->bits[word], 0);
	hak_superslab_release(slab, 0);
	ck_assert_uint_eq(places_taken(superslab), before - 1);
}
END_TEST

START_TEST(bits_lie_by_grain_where_no_places_lie_side_by_side)
{
	enum { BLOCKS = 4096 };
	struct hak_slab *slab = begin_with_a_run();
	struct hak_superslab *superslab = hak_pagemap_owner(slab->base);
	uint64_t before[HAK_GRAIN_WORDS];

	memcpy(before, superslab->slab_used, sizeof(before));
	for (unsigned place = 0; place < HAK_SUPERSLAB_GRAINS; place += 4) /* three are free between two */
		hak_grainmap_set(superslab->slab_used, place, 1, true);
	slab->capacity = BLOCKS;
	slab->bits = hak_superslab_bits(slab, BLOCKS);
	ck_assert_ptr_eq(slab->bits, superslab->far_bits[hak_superslab_first_grain(slab)]);
	memcpy(superslab->slab_used, before, sizeof(before));
	hak_superslab_release(slab, 0);
	ck_assert_uint_eq(places_taken(superslab), hak_grainmap_count(before, 0, HAK_SUPERSLAB_GRAINS) - 1);
}
END_TEST

/* Far more superslabs than there are addresses in one unused descriptor. */
START_TEST(unused_descriptors_are_used_again)
{
	enum { SUPERSLABS = 2 * HAK_SPARES + 10 };
	static struct hak_slab *slab[SUPERSLABS];
	size_t descriptors = 0;

	hak_pagemap_init(7);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < SUPERSLABS; i++) {
			slab[i] = acquire_run(HAK_SUPERSLAB_GRAINS, 1);
			ck_assert_ptr_nonnull(slab[i]);
			ck_assert_uint_eq(slab[i]->grains, HAK_SUPERSLAB_GRAINS);
		}
		if (round == 0)
			descriptors = hak_arenas[0].descriptors;
		for (unsigned i = 0; i < SUPERSLABS; i++)
			hak_superslab_release(slab[i], 0);
	}
	ck_assert_uint_eq(hak_arenas[0].descriptors, descriptors);
}
END_TEST

static bool is_purge_due_now(void)
{
	hak_superslab_set_purge_due(false);
	hak_arena_note_freed(&hak_arenas[0]);
	return hak_superslab_is_purge_due();
}

/* A clock of 32 bits: 25 days later it is far behind, or far ahead. */
START_TEST(purge_is_due_however_long_ago_the_last_one_was)
{
	enum { COUNT = 64, FREED = 6, MIB = 1 << 20, MIB_GRAINS = MIB >> HAK_GRAIN_SHIFT };
	struct hak_slab *run[COUNT];
	bool due;

	hak_pagemap_init(3);
	hak_lazy_set(&hak_lazy.allowed, true); /* nothing is kept unearned */
	for (unsigned i = 0; i < COUNT; i++) {
		run[i] = acquire_run(MIB_GRAINS, 1);
		memset(run[i]->base, 1, MIB);
	}
	for (unsigned i = COUNT - FREED; i < COUNT; i++)
		hak_superslab_release(run[i], MIB_GRAINS);
	do {
		hak_arenas[0].purged_msec = hak_os_coarse_msec();
		due = is_purge_due_now();
	} while (hak_os_coarse_msec() != hak_arenas[0].purged_msec);
	ck_assert(!due);
	for (uint32_t days = 1; days < 49; days += 4) {
		hak_arenas[0].purged_msec = hak_os_coarse_msec() - days * 24 * 3600 * 1000;
		ck_assert_msg(is_purge_due_now(), "after %u days", days);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("superslab");

	tcase_add_test(tcase, grainmap_set_and_count_agree_with_an_array);
	tcase_add_test(tcase, grainmap_find_gives_the_lowest_room_of_the_better_kind);
	tcase_add_loop_test(tcase, runs_never_overlap_and_totals_close, 1, 4);
	tcase_add_test(tcase, purge_gives_zeroed_pages_and_leaves_live_runs_alone);
	tcase_add_test(tcase, extend_takes_only_free_neighbours);
	tcase_add_test(tcase, superslabs_beyond_the_first_gib_are_filled_as_those_below);
	tcase_add_test(tcase, pagemap_refuses_what_is_not_aligned_or_not_covered);
	tcase_add_test(tcase, pagemap_grows_and_keeps_what_it_knew);
	tcase_add_test(tcase, a_unit_is_free_when_its_last_step_is_unmapped);
	tcase_add_test(tcase, a_mapping_grows_from_within_a_unit_if_nothing_is_there);
	tcase_add_test(tcase, bits_of_many_blocks_lie_among_the_descriptors_and_leave_with_their_slab);
	tcase_add_test(tcase, bits_lie_by_grain_where_no_places_lie_side_by_side);
	tcase_add_test(tcase, unused_descriptors_are_used_again);
	tcase_add_test(tcase, purge_is_due_however_long_ago_the_last_one_was);
	return run_suite("superslab", tcase);
}
