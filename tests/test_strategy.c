/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>
#include <sys/mman.h>

#include "bigcache.h"
#include "heap.h"
#include "knobs.h"
#include "mapping.h"
#include "os.h"
#include "strategy.h"
#include "runs.h"
#include "suite.h"

START_TEST(every_strategy_of_the_table_is_within_its_limits)
{
	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++)
		ck_assert_msg(hak_strategy_is_sound(&hak_strategy_table[i].strategy), "%s",
			      hak_strategy_table[i].name);
}
END_TEST

START_TEST(value_beyond_its_limit_is_not_sound)
{
	struct hak_strategy strategy = hak_strategy_table[0].strategy;

	strategy.value[HAK_DIMENSION_batch] = 65;
	ck_assert(!hak_strategy_is_sound(&strategy));
	strategy.value[HAK_DIMENSION_batch] = 0;
	ck_assert(!hak_strategy_is_sound(&strategy));
}
END_TEST

START_TEST(keys_and_names_of_the_table_are_distinct_and_found)
{
	for (int i = 0; i < HAK_STRATEGY_COUNT; i++) {
		ck_assert_int_eq(hak_strategy_find(hak_strategy_key(&hak_strategy_table[i].strategy)), i);
		ck_assert_int_eq(hak_strategy_parse(hak_strategy_table[i].name), i);
	}
	ck_assert_int_eq(hak_strategy_parse("no such strategy"), -1);
	ck_assert_int_eq(hak_strategy_find(0), -1);
}
END_TEST

START_TEST(key_depends_on_every_value)
{
	const struct hak_strategy *safe = &hak_strategy_table[0].strategy;

	for (unsigned i = 0; i < HAK_DIMENSION_COUNT; i++) {
		struct hak_strategy other = *safe;

		other.value[i] = (uint16_t)(other.value[i] + 1);
		ck_assert_uint_ne(hak_strategy_key(&other), hak_strategy_key(safe));
		other.value[i] = (uint16_t)(other.value[i] ^ 0x8000);
		ck_assert_uint_ne(hak_strategy_key(&other), hak_strategy_key(safe));
	}
}
END_TEST

/* Other hosts and later versions know a strategy by this: it may never change. */
START_TEST(key_of_a_known_vector_is_as_ever)
{
	struct hak_strategy strategy = {{64, 8, 4, 0, 16, 100, 4, 32, 1, 4, 4, 4}};

	ck_assert_uint_eq(hak_strategy_key(&strategy), UINT64_C(0x187739cc76ea3221));
}
END_TEST

START_TEST(only_huge_pages_are_layout)
{
	struct hak_strategy left = hak_strategy_table[0].strategy, right = left;

	right.value[HAK_DIMENSION_populate] = 0;
	right.value[HAK_DIMENSION_cache] = 0;
	ck_assert(hak_strategy_shares_layout(&left, &right));
	right.value[HAK_DIMENSION_huge_from] = HAK_HUGE_NEVER;
	ck_assert(!hak_strategy_shares_layout(&left, &right));
}
END_TEST

/* The knobs' initial values are the safe strategy's, without anybody having set them. */
START_TEST(knobs_at_rest_are_those_of_the_safe_strategy)
{
	struct hak_knobs before;

	memcpy(&before, &hak_knobs, sizeof(before));
	ck_assert(!hak_knobs_set(&hak_strategy_table[0].strategy));
	ck_assert_mem_eq(&before, &hak_knobs, sizeof(before));
}
END_TEST

START_TEST(knobs_are_in_the_units_of_those_who_obey)
{
	struct hak_strategy strategy = {{256, 8, 2, 50, 3, 25, 7, 64, 0, 32, 9, 16}};

	ck_assert(hak_knobs_set(&strategy)); /* huge pages from another size on */
	ck_assert_uint_eq(hak_knob(populate_bytes), 256 << 10);
	ck_assert_uint_eq(hak_knob(populate_part), 8);
	ck_assert_uint_eq(hak_knob(hold_base_bytes), 2 << 20);
	ck_assert_uint_eq(hak_knob(hold_share_percent), 50);
	ck_assert_uint_eq(hak_knob(hold_unearned_bytes), 3 << 20);
	ck_assert_uint_eq(hak_knob(hold_earned_percent), 25);
	ck_assert_uint_eq(hak_knob(cache_base_bytes), 7 << 20);
	ck_assert_uint_eq(hak_knob(cache_smallest_bytes), 64 << 10);
	ck_assert_uint_eq(hak_knob(batch_64ths), 32);
	ck_assert_uint_eq(hak_knob(huge_from_superslabs), 9);
	ck_assert_uint_eq(hak_knob(refill_blocks), 16);
	ck_assert(!hak_knob(lazy));
	ck_assert(!hak_knobs_set(&strategy));
	ck_assert(hak_knobs_set(&hak_strategy_table[0].strategy));
}
END_TEST

/* ---- what obeys: on superslabs and heaps of this process ---------------------------------------------- */

static uint64_t populated_bytes(void)
{
	return atomic_load(&hak_os_counter[HAK_COUNTER_populated_bytes]);
}

static void set_knob(enum hak_dimension dimension, uint16_t value)
{
	static struct hak_strategy strategy;

	if (!hak_strategy_is_sound(&strategy)) {
		strategy = hak_strategy_table[0].strategy;
		strategy.value[HAK_DIMENSION_huge_from] = HAK_HUGE_NEVER;
		strategy.value[HAK_DIMENSION_populate_part] = 1;
	}
	strategy.value[dimension] = value;
	(void)hak_knobs_set(&strategy);
}

/* MADV_POPULATE_WRITE is of Linux 5.14. */
static bool kernel_populates(void)
{
	char *place = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool populates = place != MAP_FAILED && madvise(place, 4096, MADV_POPULATE_WRITE) == 0;

	if (place != MAP_FAILED)
		(void)munmap(place, 4096);
	return populates;
}

/* Take 4 KiB blocks worth @bytes. Return: bytes that were populated for them, descriptors left out. */
static uint64_t populated_by_taking(struct hak_heap *heap, struct hak_tally *tally, size_t bytes)
{
	const unsigned c = hak_class_of(4096);
	uint64_t before = populated_bytes();

	for (size_t taken = 0; taken < bytes; taken += hak_size_class[c].block_bytes) {
		void *block;

		ck_assert_uint_eq(hak_heap_take(heap, c, &block, 1, true, tally), 1);
	}
	return populated_bytes() - before;
}

START_TEST(populate_steps_are_obeyed_from_the_next_slab_on)
{
	static struct hak_tally tally;
	struct hak_heap *heap;

	hak_pagemap_init(1);
	heap = hak_heap_attach(NULL, &tally);
	set_knob(HAK_DIMENSION_populate, 0);
	ck_assert_uint_eq(populated_by_taking(heap, &tally, 2 << 20), 0);
	set_knob(HAK_DIMENSION_populate, 64);
	ck_assert_uint_ge(populated_by_taking(heap, &tally, 256 << 10), 192 << 10);
	set_knob(HAK_DIMENSION_populate, 16);
	(void)populated_by_taking(heap, &tally, 64 << 10); /* the slab that is there already */

	uint64_t fine = populated_by_taking(heap, &tally, 20 << 10);

	ck_assert_uint_ge(fine, 16 << 10);
	ck_assert_uint_le(fine, 32 << 10);
	set_knob(HAK_DIMENSION_populate, 256);
	/* A step is at most an eighth of what the class has. */
	(void)populated_by_taking(heap, &tally, 2 << 20);

	uint64_t calls = atomic_load(&hak_os_counter[HAK_COUNTER_madvise_calls]);

	/* A slab and the 192 KiB behind it, which serve three more slabs: two calls where there were four. */
	ck_assert_uint_ge(populated_by_taking(heap, &tally, 512 << 10), 512 << 10);
	ck_assert_uint_le(atomic_load(&hak_os_counter[HAK_COUNTER_madvise_calls]) - calls, 6);
	set_knob(HAK_DIMENSION_populate_part, 64); /* a 64th of what the class has is no slab */
	(void)populated_by_taking(heap, &tally, 256 << 10);
	calls = atomic_load(&hak_os_counter[HAK_COUNTER_madvise_calls]);
	(void)populated_by_taking(heap, &tally, 512 << 10);
	ck_assert_uint_ge(atomic_load(&hak_os_counter[HAK_COUNTER_madvise_calls]) - calls, 8);
	hak_heap_check_all();
}
END_TEST

START_TEST(hold_base_says_how_much_stays_resident)
{
	struct hak_slab *slab[64];
	size_t kept[2];

	hak_pagemap_init(1);
	for (int round = 0; round < 2; round++) {
		set_knob(HAK_DIMENSION_hold_unearned, 0);
		set_knob(HAK_DIMENSION_hold_earned, 0);
		set_knob(HAK_DIMENSION_hold_base, round ? 16 : 1);
		for (unsigned i = 0; i < 64; i++)
			ck_assert_ptr_nonnull(slab[i] = acquire_run(128, 1));
		for (unsigned i = 0; i < 64; i++)
			hak_superslab_release(slab[i], 128);
		(void)hak_superslab_purge(HAK_KEEP_ALLOWED);
		kept[round] = hak_superslab_stats().dirty_bytes;
	}
	ck_assert_uint_le(kept[0], 1 << 20);
	ck_assert_uint_le(kept[1], 16 << 20);
	ck_assert_uint_ge(kept[1], 4 * kept[0]);
	ck_assert_uint_gt(kept[1], 4 << 20);
}
END_TEST

START_TEST(small_large_blocks_are_not_cached_beyond_the_smallest)
{
	struct hak_bigcache_range range;
	struct hak_tally tally = {0};

	hak_pagemap_init(1);
	for (int smallest = 32; smallest <= 4096; smallest += 4096 - 32) {
		struct hak_mapping *mapping = hak_mapping_make(2 << 20, 1, HAK_USE_BLOCK, &tally);

		set_knob(HAK_DIMENSION_cache_smallest, (uint16_t)smallest);
		ck_assert_ptr_nonnull(mapping);
		hak_mapping_free(mapping, &tally);
		ck_assert_int_eq(hak_bigcache_take(HAK_SUPERSLAB_BYTES, &range), smallest == 32);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("strategy");

	tcase_add_test(tcase, every_strategy_of_the_table_is_within_its_limits);
	tcase_add_test(tcase, value_beyond_its_limit_is_not_sound);
	tcase_add_test(tcase, keys_and_names_of_the_table_are_distinct_and_found);
	tcase_add_test(tcase, key_depends_on_every_value);
	tcase_add_test(tcase, key_of_a_known_vector_is_as_ever);
	tcase_add_test(tcase, only_huge_pages_are_layout);
	tcase_add_test(tcase, knobs_at_rest_are_those_of_the_safe_strategy);
	tcase_add_test(tcase, knobs_are_in_the_units_of_those_who_obey);
	if (kernel_populates())
		tcase_add_test(tcase, populate_steps_are_obeyed_from_the_next_slab_on);
	tcase_add_test(tcase, hold_base_says_how_much_stays_resident);
	tcase_add_test(tcase, small_large_blocks_are_not_cached_beyond_the_smallest);
	return run_suite("strategy", tcase);
}
