/* SPDX-License-Identifier: MIT */
/* Memory given back: what holding earns, what is lazily free, what may stay in sparse slabs. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "alloc.h"
#include "bigcache.h"
#include "heap.h"
#include "hold.h"
#include "knobs.h"
#include "lazy.h"
#include "mapping.h"
#include "os.h"
#include "policy.h"
#include "ranges.h"
#include "stats.h"
#include "runs.h"
#include "suite.h"
#include "superslab.h"

#define MIB ((size_t)1 << 20)

/* Machine pages of a range that are resident. */
static size_t resident_pages(const void *start, size_t bytes)
{
	size_t page_bytes = hak_os_page_bytes(), pages = bytes / page_bytes, resident = 0;
	unsigned char *in_core = calloc(pages, 1);

	ck_assert_int_eq(mincore((void *)start, bytes, in_core), 0);
	for (size_t i = 0; i < pages; i++)
		resident += in_core[i] & 1;
	free(in_core);
	return resident;
}

/* ---- what holding earns ------------------------------------------------------------------------------ */

START_TEST(growth_and_its_end_earn_nothing)
{
	struct hak_hold hold = {0};

	for (size_t used = 1; used <= 1000; used++)
		hak_hold_note(&hold, used);
	hak_hold_fade(&hold, 0, 1);
	ck_assert_uint_eq(hold.earned, 0);
	ck_assert_uint_eq(hak_hold_allowed(&hold, 0, (struct hak_hold_limits){.earned_percent = 100}), 0);
	ck_assert_uint_eq(hak_hold_allowed(&hold, 0, (struct hak_hold_limits){.unearned = 50}), 0);
	/* 50 were let go: an eighth of them in doubt, and once more of what is beyond the 30. */
	ck_assert_uint_eq(hak_hold_allowed(&hold, 950, (struct hak_hold_limits){.unearned = 30}), 30 - 8);
	ck_assert_uint_eq(hak_hold_allowed(&hold, 1000, (struct hak_hold_limits){.base = 7}), 7);
	ck_assert_uint_gt(hak_hold_excess(&hold, 0), 0);
}
END_TEST

START_TEST(the_more_was_let_go_the_less_is_kept_unearned)
{
	struct hak_hold_limits limits = {.base = 100, .unearned = 400, .earned_percent = 100};
	struct hak_hold hold = {0};
	size_t before = SIZE_MAX;

	hak_hold_note(&hold, 10000);
	for (size_t used = 9600; used >= 8400; used -= 400) {
		size_t allowed = hak_hold_allowed(&hold, used, limits);

		ck_assert_uint_lt(allowed, before);
		before = allowed;
	}
	ck_assert_uint_eq(hak_hold_allowed(&hold, 0, limits), hak_hold_least(100));
	hak_hold_note(&hold, 10000);
	ck_assert_uint_ge(hak_hold_allowed(&hold, 10000, limits), 100);
	hold.low = 2000; /* what fell and rises again is earned all the same */
	hak_hold_note(&hold, 9000);
	ck_assert_uint_ge(hak_hold_allowed(&hold, 0, limits), 7000);
}
END_TEST

START_TEST(use_that_falls_and_rises_earns_what_lies_between)
{
	struct hak_hold hold = {0};

	hak_hold_note(&hold, 1000);
	hak_hold_fade(&hold, 400, 1);
	hak_hold_note(&hold, 900);
	ck_assert_uint_eq(hold.earned, 500);
	hak_hold_note(&hold, 5000); /* up to the peak it is a return, above it is growth */
	ck_assert_uint_eq(hold.earned, 600);
	ck_assert_uint_eq(hak_hold_allowed(&hold, 5000, (struct hak_hold_limits){.earned_percent = 50}), 300);
	ck_assert_uint_eq(hak_hold_allowed(&hold, 5000, (struct hak_hold_limits){.share_percent = 10}), 500);
}
END_TEST

START_TEST(what_was_earned_lifts_the_peak_by_a_part_of_it)
{
	struct hak_hold_limits limits = {.earned_percent = 100, .above_part = 8};
	struct hak_hold hold = {0};

	hak_hold_note(&hold, 800);
	hak_hold_regret(&hold, 700);
	ck_assert_uint_eq(hak_hold_allowed(&hold, 800, limits), 100);
	ck_assert_uint_eq(hak_hold_allowed(&hold, 500, limits), 400);
	ck_assert_uint_eq(hak_hold_allowed(&hold, 0, limits), 700);
}
END_TEST

START_TEST(another_keepers_growth_takes_what_was_not_earned)
{
	struct hak_hold_limits limits = {.unearned = 1000};
	struct hak_hold hold = {0};

	hak_hold_note(&hold, 1000);
	hak_hold_fade(&hold, 200, 1);
	hak_hold_yield(&hold, 200, 300);
	ck_assert_uint_eq(hak_hold_excess(&hold, 200), 500);
	hak_hold_yield(&hold, 200, 900);
	ck_assert_uint_eq(hak_hold_excess(&hold, 200), 0);
	ck_assert_uint_eq(hak_hold_allowed(&hold, 200, limits), 0);
	hak_hold_note(&hold, 1000);
	hak_hold_regret(&hold, 700);
	hak_hold_yield(&hold, 900, 100);
	ck_assert_uint_eq(hold.earned, 700);
}
END_TEST

START_TEST(regrets_earn_up_to_the_peak)
{
	struct hak_hold hold = {0};

	hak_hold_note(&hold, 100);
	hak_hold_regret(&hold, 60);
	hak_hold_regret(&hold, 60);
	ck_assert_uint_eq(hold.earned, 100);
	hak_hold_fade(&hold, 0, HAK_HOLD_STEPS_MOST * HAK_HOLD_STEP_MSEC);
	ck_assert_uint_lt(hold.earned, 30);
}
END_TEST

/* ---- lazily free ------------------------------------------------------------------------------------- */

START_TEST(ranges_merge_and_the_largest_stay)
{
	static struct hak_lazy_ranges ranges;
	char *base = (char *)(uintptr_t)0x100000000;
	size_t total = 0;

	hak_lazy_add(&ranges, base, 100);
	hak_lazy_add(&ranges, base + 100, 50);
	ck_assert_uint_eq(ranges.count, 1);
	ck_assert_uint_eq(ranges.range[0].bytes, 150);
	for (unsigned i = 1; i <= 3 * HAK_LAZY_RANGES; i++)
		hak_lazy_add(&ranges, base + i * 100000, 1000 + i);
	ck_assert_uint_eq(ranges.count, HAK_LAZY_RANGES);
	for (unsigned i = 0; i < ranges.count; i++)
		total += ranges.range[i].bytes;
	/* The last ones were the largest. */
	ck_assert_uint_eq(total, HAK_LAZY_RANGES * 1000 + HAK_LAZY_RANGES * (5 * HAK_LAZY_RANGES + 1) / 2);
}
END_TEST

START_TEST(what_is_taken_is_cut_out_and_the_larger_rest_stays)
{
	static struct hak_lazy_ranges ranges;
	struct hak_lazy_range taken[HAK_LAZY_TAKEN];
	char *base = (char *)(uintptr_t)0x100000000;

	hak_lazy_add(&ranges, base, 1000);
	hak_lazy_add(&ranges, base + 2000, 1000);
	hak_lazy_add(&ranges, base + 4000, 1000);
	ck_assert(!hak_lazy_cut(&ranges, (uintptr_t)base + 1000, 1000));
	ck_assert(hak_lazy_cut(&ranges, (uintptr_t)base, 100)); /* the start */
	ck_assert_uint_eq(ranges.range[0].start, (uintptr_t)base + 100);
	ck_assert_uint_eq(ranges.range[0].bytes, 900);
	ck_assert(hak_lazy_cut(&ranges, (uintptr_t)base + 2700, 100)); /* the middle */
	ck_assert_uint_eq(ranges.range[1].start, (uintptr_t)base + 2000);
	ck_assert_uint_eq(ranges.range[1].bytes, 700);
	ck_assert(hak_lazy_cut(&ranges, (uintptr_t)base + 900, 2000)); /* the end of one, all of another */
	ck_assert_uint_eq(ranges.count, 2);
	ck_assert_uint_eq(ranges.range[0].bytes, 800);
	ck_assert_uint_eq(ranges.range[1].start, (uintptr_t)base + 4000);

	for (unsigned i = 0; i < 2 * HAK_LAZY_TAKEN; i++)
		hak_lazy_take(base + i * 500, 100);
	ck_assert(hak_lazy_is(&hak_lazy.taken));
	ck_assert_uint_eq(hak_lazy_taken(taken), HAK_LAZY_TAKEN);
	ck_assert_uint_eq(taken[0].bytes, 100);
	ck_assert_uint_eq(taken[HAK_LAZY_TAKEN - 1].start + taken[HAK_LAZY_TAKEN - 1].bytes,
			  (uintptr_t)base + (2 * HAK_LAZY_TAKEN - 1) * 500 + 100);
	ck_assert(!hak_lazy_is(&hak_lazy.taken));
	ck_assert_uint_eq(hak_lazy_taken(taken), 0);
}
END_TEST

static struct hak_slab *touched_run(void)
{
	struct hak_slab *run = acquire_run(HAK_SUPERSLAB_GRAINS, 1);

	memset(run->base, 0x5a, HAK_SUPERSLAB_BYTES);
	return run;
}

/* As a visit does. */
static void release(struct hak_slab *run)
{
	hak_superslab_set_purge_due(false);
	hak_superslab_release(run, HAK_SUPERSLAB_GRAINS);
	if (hak_superslab_is_purge_due())
		(void)hak_superslab_purge(HAK_KEEP_ALLOWED);
}

START_TEST(superslabs_are_lazily_free_while_somebody_collects)
{
	enum { COUNT = 24 };
	static struct hak_lazy_ranges ranges;
	struct hak_slab *run[COUNT];
	size_t published = 0;

	hak_pagemap_init(3);
	hak_lazy_set(&hak_lazy.allowed, true);
	for (unsigned i = 0; i < COUNT; i++)
		run[i] = touched_run();
	for (unsigned i = 0; i < COUNT; i++)
		release(run[i]);

	struct hak_superslab_stats stats = hak_superslab_stats();

	ck_assert_uint_ge(stats.lazy_bytes, 30 * MIB);
	ck_assert_uint_le(stats.dirty_bytes, 8 * MIB);
	ck_assert(hak_lazy_is(&hak_lazy.given));
	ck_assert(!hak_lazy_is(&hak_lazy.taken));
	hak_superslab_add_lazy(&ranges);
	for (unsigned i = 0; i < ranges.count; i++)
		published += ranges.range[i].bytes;
	ck_assert_uint_eq(published, stats.lazy_bytes);

	/* What is taken again may hold anything, is no longer published, and was wanted after all. */
	for (unsigned i = 0; i < COUNT; i++) {
		run[i] = acquire_run(HAK_SUPERSLAB_GRAINS, 1);
		ck_assert(run[i]->dirty);
	}
	ck_assert(hak_lazy_is(&hak_lazy.taken));
	ck_assert_uint_eq(hak_superslab_stats().lazy_bytes, 0);
	for (unsigned i = 0; i < COUNT; i++)
		hak_superslab_release(run[i], HAK_SUPERSLAB_GRAINS);
	(void)hak_superslab_purge(HAK_KEEP_ALLOWED);
	ck_assert_uint_ge(hak_superslab_stats().dirty_bytes, 30 * MIB);
}
END_TEST

START_TEST(what_is_lazily_free_goes_when_nobody_collects_any_more)
{
	enum { COUNT = 24 };
	struct hak_slab *run[COUNT];

	hak_pagemap_init(3);
	hak_lazy_set(&hak_lazy.allowed, true);
	for (unsigned i = 0; i < COUNT; i++)
		run[i] = touched_run();
	for (unsigned i = 1; i < COUNT; i++)
		release(run[i]);
	ck_assert_uint_gt(hak_superslab_stats().lazy_bytes, 0);
	hak_lazy_set(&hak_lazy.allowed, false);
	hak_lazy_set(&hak_lazy.taken, false);
	hak_superslab_set_purge_due(false);
	hak_superslab_release(run[0], HAK_SUPERSLAB_GRAINS);
	ck_assert(hak_superslab_is_purge_due());
	(void)hak_superslab_purge(HAK_KEEP_ALLOWED);
	ck_assert_uint_eq(hak_superslab_stats().lazy_bytes, 0);
	ck_assert(hak_lazy_is(&hak_lazy.taken)); /* what is published is so no more */
}
END_TEST

START_TEST(what_finds_no_place_in_the_table_goes_for_good)
{
	enum { COUNT = 3 * HAK_LAZY_RANGES };
	static struct hak_lazy_ranges ranges;
	static struct hak_slab *run[COUNT];

	hak_pagemap_init(3);
	hak_lazy_set(&hak_lazy.allowed, true);
	atomic_store(&hak_knobs.thp, HAK_THP_OFF);
	for (unsigned i = 0; i < COUNT; i++) {
		run[i] = acquire_run(HAK_SUPERSLAB_GRAINS, 1);
		run[i]->base[0] = 1;
	}
	for (unsigned i = 0; i < COUNT; i += 2)
		release(run[i]);
	ck_assert_uint_gt(hak_superslab_stats().lazy_bytes, HAK_LAZY_RANGES * HAK_SUPERSLAB_BYTES);
	hak_ranges_follow();
	ck_assert_uint_eq(hak_superslab_stats().lazy_bytes, HAK_LAZY_RANGES * HAK_SUPERSLAB_BYTES);
	hak_superslab_add_lazy(&ranges);
	ck_assert_uint_eq(ranges.count, HAK_LAZY_RANGES);
	ck_assert_uint_eq(ranges.left_count, 0);
	for (unsigned i = 1; i < COUNT; i += 2)
		ck_assert_int_eq(run[i]->base[0], 1);
}
END_TEST

START_TEST(large_blocks_are_lazily_free_and_come_back)
{
	enum { COUNT = 8, BYTES = 6 << 20 };
	struct hak_tally tally = {0};
	struct hak_mapping *mapping[COUNT], *more[COUNT];
	static struct hak_lazy_ranges ranges;
	unsigned reused = 0;

	hak_pagemap_init(3);
	hak_lazy_set(&hak_lazy.allowed, true);
	for (unsigned i = 0; i < COUNT; i++) {
		mapping[i] = hak_mapping_make(BYTES, 1, HAK_USE_BLOCK, &tally);
		memset(mapping[i]->block, 1, BYTES);
	}
	for (unsigned i = 0; i < COUNT; i++)
		hak_mapping_free(mapping[i], &tally);
	ck_assert_uint_ge(hak_bigcache_bytes(HAK_BIGCACHE_LAZY), 30 * MIB);
	ck_assert_uint_le(hak_bigcache_bytes(HAK_BIGCACHE_KEPT), 8 * MIB);
	hak_bigcache_add_lazy(&ranges);
	ck_assert_uint_ge(ranges.count, 1);
	for (unsigned i = 0; i < COUNT; i++) {
		mapping[i] = hak_mapping_make(BYTES, 1, HAK_USE_BLOCK, &tally);
		reused += mapping[i]->stale_end > 0; /* so that calloc clears it */
		memset(mapping[i]->block, 2, BYTES);
	}
	ck_assert_uint_ge(reused, 6);
	ck_assert_uint_le(hak_bigcache_bytes(HAK_BIGCACHE_LAZY), 4 * MIB);
	ck_assert(hak_lazy_is(&hak_lazy.taken));

	/* All that came back was earned; as much again was not. */
	for (unsigned i = 0; i < COUNT; i++)
		more[i] = hak_mapping_make(BYTES, 1, HAK_USE_BLOCK, &tally);
	for (unsigned i = 0; i < COUNT; i++) {
		hak_mapping_free(mapping[i], &tally);
		hak_mapping_free(more[i], &tally);
	}
	ck_assert_uint_gt(hak_bigcache_bytes(HAK_BIGCACHE_LAZY), 0);
	hak_lazy_set(&hak_lazy.taken, false);
	hak_mapping_trim(0, HAK_COUNTER_bigcache_evicted_asked, &tally);
	ck_assert_uint_eq(hak_bigcache_bytes(HAK_BIGCACHE_LAZY), 0);
	ck_assert(hak_lazy_is(&hak_lazy.taken)); /* what is published is so no more */
}
END_TEST

START_TEST(each_eviction_of_large_blocks_has_its_reason)
{
	enum { COUNT = 3 * HAK_BIGCACHE_ENTRIES, BYTES = 2 << 20 };
	static struct hak_mapping *mapping[COUNT];
	struct hak_tally tally = {0};
	struct hak_stats stats;
	void *block[40];

	hak_pagemap_init(3);
	hak_lazy_set(&hak_lazy.allowed, true);
	for (unsigned i = 0; i < COUNT; i++)
		mapping[i] = hak_mapping_make(BYTES, 1, HAK_USE_BLOCK, &tally);
	for (unsigned i = 0; i < COUNT; i += 2) /* no two touch */
		hak_mapping_free(mapping[i], &tally);
	ck_assert_uint_gt(hak_tally_get(&tally, HAK_COUNTER_bigcache_evicted_full), 0);
	ck_assert_uint_gt(hak_tally_get(&tally, HAK_COUNTER_bigcache_evicted_excess), 0);
	ck_assert_uint_eq(hak_tally_get(&tally, HAK_COUNTER_bigcache_evictions),
			  hak_tally_get(&tally, HAK_COUNTER_bigcache_evicted_full) +
				  hak_tally_get(&tally, HAK_COUNTER_bigcache_evicted_excess));
	hak_mapping_trim(0, HAK_COUNTER_bigcache_evicted_asked, &tally);

	hak_lazy_set(&hak_lazy.allowed, false);
	for (unsigned i = 0; i < 40; i++)
		block[i] = hak_alloc_malloc(BYTES);
	for (unsigned i = 0; i < 20; i++)
		hak_alloc_free(block[i]);
	(void)hak_alloc_trim(0);
	hak_alloc_stats(&stats);
	ck_assert_uint_gt(stats.counter[HAK_COUNTER_bigcache_evicted_asked], 0);
	ck_assert_uint_eq(stats.counter[HAK_COUNTER_bigcache_evicted_short], 0);
	for (unsigned i = 20; i < 40; i++)
		hak_alloc_free(block[i]);
	ck_assert_ptr_null(hak_alloc_malloc(HAK_WINDOW_BYTES)); /* there is a little less */
	hak_alloc_stats(&stats);
	ck_assert_uint_gt(stats.counter[HAK_COUNTER_bigcache_evicted_short], 0);
	ck_assert_uint_eq(stats.gauge[HAK_GAUGE_cache_bytes], 0);
}
END_TEST

/* ---- sparse slabs ------------------------------------------------------------------------------------ */

enum { SMALL_BLOCKS = 1 << 19, SMALL_BYTES = 96, KEEP_ONE_IN = 1000 };

START_TEST(pages_of_sparse_slabs_go_and_live_blocks_stay)
{
	static unsigned char *block[SMALL_BLOCKS];
	size_t mapped_pages = 0;

	for (unsigned i = 0; i < SMALL_BLOCKS; i++) {
		block[i] = hak_alloc_malloc(SMALL_BYTES);
		memset(block[i], (int)(i % 251), SMALL_BYTES);
	}
	for (unsigned i = 0; i < SMALL_BLOCKS; i++) {
		/* It is looked for no more often than each 50 ms. */
		if (i % (SMALL_BLOCKS / 4) == 0)
			(void)nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL);
		if (i % KEEP_ONE_IN)
			hak_alloc_free(block[i]);
	}
	hak_heap_check_all();
	for (unsigned i = 0; i < SMALL_BLOCKS; i += KEEP_ONE_IN) {
		char *run = hak_superslab_run(block[i])->base;

		mapped_pages += resident_pages(run, (size_t)hak_superslab_run(block[i])->grains
							    << HAK_GRAIN_SHIFT);
		for (unsigned j = 0; j < SMALL_BYTES; j++)
			if (block[i][j] != i % 251)
				ck_abort_msg("block %u has lost its contents", i);
	}
	/* 16 pages would be whole slabs; those freed last have not been looked at. */
	ck_assert_uint_le(mapped_pages, 8 * (SMALL_BLOCKS / KEEP_ONE_IN));
	/* Hollow slabs serve again. */
	for (unsigned i = 0; i < SMALL_BLOCKS; i++) {
		if (i % KEEP_ONE_IN == 0)
			continue;
		block[i] = hak_alloc_malloc(SMALL_BYTES);
		memset(block[i], (int)(i % 251), SMALL_BYTES);
	}
	for (unsigned i = 0; i < SMALL_BLOCKS; i++) {
		if (block[i][0] != i % 251 || block[i][SMALL_BYTES - 1] != i % 251)
			ck_abort_msg("block %u was given out twice", i);
		hak_alloc_free(block[i]);
	}
	hak_heap_check_all();
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("reclaim");

	tcase_set_timeout(tcase, 600);
	tcase_add_test(tcase, growth_and_its_end_earn_nothing);
	tcase_add_test(tcase, the_more_was_let_go_the_less_is_kept_unearned);
	tcase_add_test(tcase, use_that_falls_and_rises_earns_what_lies_between);
	tcase_add_test(tcase, regrets_earn_up_to_the_peak);
	tcase_add_test(tcase, what_was_earned_lifts_the_peak_by_a_part_of_it);
	tcase_add_test(tcase, another_keepers_growth_takes_what_was_not_earned);
	tcase_add_test(tcase, ranges_merge_and_the_largest_stay);
	tcase_add_test(tcase, what_is_taken_is_cut_out_and_the_larger_rest_stays);
	tcase_add_test(tcase, what_finds_no_place_in_the_table_goes_for_good);
	tcase_add_test(tcase, superslabs_are_lazily_free_while_somebody_collects);
	tcase_add_test(tcase, what_is_lazily_free_goes_when_nobody_collects_any_more);
	tcase_add_test(tcase, large_blocks_are_lazily_free_and_come_back);
	tcase_add_test(tcase, each_eviction_of_large_blocks_has_its_reason);
	tcase_add_test(tcase, pages_of_sparse_slabs_go_and_live_blocks_stay);
	return run_suite("reclaim", tcase);
}
