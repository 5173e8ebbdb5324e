/* SPDX-License-Identifier: MIT */
/* What large blocks cost once they are warm, and that what is given back goes in few calls; by counters. */
#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "alloc.h"
#include "bigcache.h"
#include "hot.h"
#include "huge.h"
#include "knobs.h"
#include "mapping.h"
#include "policy.h"
#include "stats.h"
#include "runs.h"
#include "suite.h"
#include "superslab.h"

enum { ARENAS_MAX = 6, ARENA_BYTES = 256 << 10, WARM_FUNCTIONS = 64, FUNCTIONS = 4096 };

static struct hak_stats before, after;

static uint64_t grown(enum hak_counter counter)
{
	return after.counter[counter] - before.counter[counter];
}

/* As the scenario mir: a compiler takes one to six arenas for a function and gives all back at its end. */
static void compile(unsigned functions, uint64_t *seed)
{
	for (unsigned i = 0; i < functions; i++) {
		unsigned count = 1 + (unsigned)(next_random(seed) % ARENAS_MAX);
		void *arena[ARENAS_MAX];

		for (unsigned j = 0; j < count; j++)
			memset(arena[j] = hak_alloc_malloc(ARENA_BYTES), 1, ARENA_BYTES / 8);
		while (count)
			hak_alloc_free(arena[--count]);
	}
}

START_TEST(arenas_hit_the_cache_and_cost_no_system_call_once_warm)
{
	uint64_t seed = 5, hits, calls;

	compile(WARM_FUNCTIONS, &seed);
	hak_alloc_stats(&before);
	compile(FUNCTIONS, &seed);
	hak_alloc_stats(&after);
	hits = grown(HAK_COUNTER_bigcache_hits);
	calls = grown(HAK_COUNTER_mmap_calls) + grown(HAK_COUNTER_munmap_calls) +
		grown(HAK_COUNTER_batch_calls);
	ck_assert_uint_gt(hits, FUNCTIONS);
	ck_assert_uint_ge(hits, 99 * grown(HAK_COUNTER_bigcache_misses));
	ck_assert_uint_eq(calls, 0);
}
END_TEST

/* Each second run is freed, then those between: what touches is merged, and goes in one call. */
START_TEST(ranges_that_touch_go_back_in_one_call)
{
	enum { RUNS = 16, GRAINS = 16 }; /* of 64 KiB, which are whole pages everywhere */
	struct hak_slab *run[RUNS + 1];

	hak_alloc_free(hak_alloc_malloc(1)); /* the books begin with a thread */
	for (unsigned i = 0; i <= RUNS; i++) {
		run[i] = acquire_run(GRAINS, GRAINS);
		memset(run[i]->base, 1, GRAINS * HAK_GRAIN_BYTES);
	}
	hak_alloc_stats(&before);
	for (unsigned first = 0; first < 2; first++)
		for (unsigned i = first; i < RUNS; i += 2)
			hak_superslab_release(run[i], GRAINS);
	(void)hak_superslab_purge(0);
	hak_alloc_stats(&after);
	ck_assert_uint_eq(grown(HAK_COUNTER_batch_ranges), RUNS);
	ck_assert_uint_eq(grown(HAK_COUNTER_batch_merged), RUNS / 2);
	ck_assert_uint_eq(grown(HAK_COUNTER_batch_flushes), 1);
	ck_assert_uint_eq(grown(HAK_COUNTER_batch_calls), 1);
	ck_assert_uint_eq(grown(HAK_COUNTER_batch_bytes), RUNS * GRAINS * HAK_GRAIN_BYTES);
}
END_TEST

START_TEST(calloc_clears_what_was_used_and_nothing_else)
{
	enum { BYTES = 640 << 10 };
	void *block;

	hak_alloc_stats(&before);
	block = hak_alloc_calloc(1, BYTES);
	hak_alloc_stats(&after);
	ck_assert_uint_eq(grown(HAK_COUNTER_calloc_cleared_bytes), 0);
	hak_alloc_free(block);
	block = hak_alloc_calloc(1, BYTES);
	hak_alloc_stats(&after);
	ck_assert_uint_eq(grown(HAK_COUNTER_calloc_cleared_bytes), BYTES);
	hak_alloc_free(block);
	(void)hak_alloc_trim(0); /* DONTNEED: fresh again */
	hak_alloc_stats(&before);
	block = hak_alloc_calloc(1, BYTES);
	hak_alloc_stats(&after);
	ck_assert_uint_eq(grown(HAK_COUNTER_calloc_cleared_bytes), 0);
	hak_alloc_free(block);
}
END_TEST

/* One set of the cache is what a program goes through that touches a word of each page. */
START_TEST(what_describes_a_large_block_is_not_in_the_first_line_of_a_page)
{
	enum { BYTES = 2 << 20, BLOCKS = 2 * HAK_GRAIN_BYTES / HAK_LINE_BYTES };
	static void *block[BLOCKS];

	for (unsigned i = 0; i < BLOCKS; i++) {
		block[i] = hak_alloc_malloc(BYTES);
		ck_assert_uint_ge((uintptr_t)hak_mapping_of(block[i]) % HAK_GRAIN_BYTES, HAK_LINE_BYTES);
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		hak_alloc_free(block[i]);
}
END_TEST

static bool is_resident(void *block, size_t bytes)
{
	unsigned char page[256];

	ck_assert_int_eq(mincore(block, bytes, page), 0);
	for (size_t at = 0; at < bytes; at += hak_os_page_bytes())
		if (!(page[at / hak_os_page_bytes()] & 1))
			return false;
	return true;
}

/* Of the huge page nothing is left but small ones: to touch them one by one would be a fault each. */
START_TEST(run_that_was_given_back_out_of_a_huge_page_comes_back_in_one_call)
{
	enum { BYTES = 640 << 10 };
	void *block, *again, *neighbour;

	atomic_store(&hak_knobs.thp, HAK_THP_ON);
	block = memset(hak_alloc_malloc(BYTES), 1, BYTES);
	neighbour = memset(hak_alloc_malloc(BYTES), 1, BYTES);
	hak_alloc_free(block);
	(void)hak_alloc_trim(0);
	ck_assert(!is_resident(block, BYTES));
	again = hak_alloc_malloc(BYTES);
	ck_assert_ptr_eq(again, block);
	ck_assert(is_resident(again, BYTES));
	hak_alloc_free(again);
	hak_alloc_free(neighbour);
}
END_TEST

static struct hak_slab *new_run(unsigned grains)
{
	struct hak_slab *slab;

	hak_alloc_free(hak_alloc_malloc(1)); /* the books begin with a thread */
	slab = acquire_run(grains, 1);
	hak_hot_and_out_add(&hak_self->hot, (size_t)grains << HAK_GRAIN_SHIFT); /* as large.c counts it */
	slab->size_class = HAK_CLASS_LARGE;
	return slab;
}

START_TEST(a_length_has_what_was_asked_for_and_less_than_an_eighth_more)
{
	unsigned next_index = 0, length = 1;

	for (unsigned grains = 1; grains <= HAK_RUN_MAX_GRAINS; grains++) {
		if (grains > length) {
			ck_assert_uint_eq(hak_run_length_index(grains - 1), next_index);
			next_index++;
		}
		length = hak_run_length(grains);
		ck_assert_uint_ge(length, grains);
		ck_assert_uint_le((length - grains) * 8, grains - 1);
		ck_assert_uint_eq(hak_run_length_index(length), next_index);
	}
	ck_assert_uint_eq(next_index, HAK_RUN_LENGTHS - 1);
}
END_TEST

START_TEST(hot_run_is_of_the_length_asked_for_or_of_the_next)
{
	static struct hak_hot hot = {.most_bytes = HAK_HOT_BYTES_MOST, .longest_bytes = HAK_HOT_BYTES_MOST};
	struct hak_slab *of_16 = new_run(16), *of_18 = new_run(18), *of_64 = new_run(64);
	struct hak_slab *of_130 = new_run(130), *of_256 = new_run(HAK_RUN_MAX_GRAINS);
	struct hak_slab *of[] = {of_18, of_64, of_16, of_256, of_130};
	size_t bytes;

	for (unsigned i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		hak_hot_put(&hot, of[i]);
	bytes = hak_hot_bytes(&hot);
	ck_assert_ptr_null(hak_hot_take(&hot, 14, HAK_GRAIN_BYTES));
	ck_assert_ptr_null(hak_hot_take(&hot, 19, HAK_GRAIN_BYTES));
	ck_assert_ptr_null(hak_hot_take(&hot, 112, HAK_GRAIN_BYTES));
	ck_assert_ptr_null(hak_hot_take(&hot, 129, HAK_GRAIN_BYTES)); /* that of 130 counts as of 128 */
	ck_assert_ptr_null(hak_hot_take(&hot, HAK_RUN_MAX_GRAINS + 1, HAK_GRAIN_BYTES));
	ck_assert_ptr_eq(hak_hot_take(&hot, 16, HAK_GRAIN_BYTES), of_16);
	ck_assert_ptr_eq(hak_hot_take(&hot, 16, HAK_GRAIN_BYTES), of_18);
	ck_assert_ptr_null(hak_hot_take(&hot, 16, HAK_GRAIN_BYTES));
	ck_assert_ptr_eq(hak_hot_take(&hot, 60, HAK_GRAIN_BYTES), of_64);
	ck_assert_ptr_eq(hak_hot_take(&hot, 116, HAK_GRAIN_BYTES), of_130);
	ck_assert_ptr_eq(hak_hot_take(&hot, HAK_RUN_MAX_GRAINS, HAK_GRAIN_BYTES), of_256);
	ck_assert_uint_eq(bytes - hak_hot_bytes(&hot), (16 + 18 + 64 + 130 + 256) << HAK_GRAIN_SHIFT);
	ck_assert(!hak_hot_is(of_64));
	for (unsigned i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		hak_hot_put(&hot, of[i]);
	hak_hot_flush_runs(&hot);
	ck_assert_uint_eq(hak_hot_bytes(&hot), 0);
}
END_TEST

START_TEST(run_that_would_drive_out_much_is_not_hot)
{
	enum { LONG = HAK_HOT_RUN_BYTES >> HAK_GRAIN_SHIFT, TWICE = 2 * LONG };
	static struct hak_hot hot;
	struct hak_slab *is_long = new_run(LONG), *longer = new_run(LONG + 1);
	struct hak_slab *twice = new_run(TWICE), *thrice = new_run(3 * LONG);

	ck_assert(!hak_hot_may_keep(&hot, is_long)); /* it has not looked */
	hak_hot_look(&hot, 1);
	ck_assert(hak_hot_may_keep(&hot, is_long));
	ck_assert(!hak_hot_may_keep(&hot, longer));

	hak_hot_and_out_add(&hot, 2 * HAK_HOT_RUN_BYTES * HAK_HOT_RUN_OUT_PART);
	hak_hot_look(&hot, 1);
	ck_assert(!hak_hot_may_keep(&hot, longer)); /* no quarter of what may be hot */
	hot.most_bytes = HAK_HOT_BYTES_MOST;
	hak_hot_look(&hot, 1);
	ck_assert(hak_hot_may_keep(&hot, twice));
	ck_assert(!hak_hot_may_keep(&hot, thrice));

	hak_hot_put(&hot, twice); /* it was out, and is no more */
	hak_hot_look(&hot, 1);
	ck_assert(hak_hot_may_keep(&hot, longer));
	ck_assert(!hak_hot_may_keep(&hot, twice));
	hak_hot_flush_runs(&hot);
	hak_hot_and_out_sub(&hot, 4 * HAK_HOT_RUN_BYTES * HAK_HOT_RUN_OUT_PART); /* those of others */
	hak_hot_look(&hot, 1);
	ck_assert(hak_hot_may_keep(&hot, is_long));
	ck_assert(!hak_hot_may_keep(&hot, longer));
	hak_superslab_release(is_long, 0);
	hak_superslab_release(longer, 0);
	hak_superslab_release(thrice, 0);
}
END_TEST

START_TEST(hot_run_serves_what_it_is_aligned_for_and_nothing_else)
{
	static struct hak_hot hot = {.most_bytes = HAK_HOT_BYTES, .longest_bytes = HAK_HOT_BYTES};
	struct hak_slab *run = new_run(16);
	size_t align_bytes = (uintptr_t)run->base & -(uintptr_t)run->base;

	hak_hot_put(&hot, run);
	ck_assert_ptr_null(hak_hot_take(&hot, 16, align_bytes * 2));
	ck_assert(hak_hot_is(run));
	ck_assert_ptr_eq(hak_hot_take(&hot, 16, align_bytes), run);
	hak_hot_put(&hot, run);
	hak_hot_flush_runs(&hot);
}
END_TEST

START_TEST(aligned_block_comes_back_as_it_was_freed)
{
	enum { BYTES = 64 << 10 };
	void *block = hak_alloc_aligned(BYTES, BYTES);

	hak_alloc_free(block);
	ck_assert_ptr_eq(hak_alloc_aligned(BYTES, BYTES), block);
	hak_alloc_free(block);
}
END_TEST

/* What nobody asks for any more goes, though another length is freed again and again. */
START_TEST(hot_runs_are_bounded_and_each_length_has_its_turn_to_go)
{
	enum { LONG = 64, FIT = HAK_HOT_BYTES / (LONG << HAK_GRAIN_SHIFT) };
	static struct hak_hot hot = {.most_bytes = HAK_HOT_BYTES, .longest_bytes = HAK_HOT_BYTES};

	hak_hot_put(&hot, new_run(9));
	hak_hot_put(&hot, new_run(10));
	for (unsigned i = 0; i < FIT + 2; i++) {
		hak_hot_put(&hot, new_run(LONG));
		ck_assert_uint_le(hak_hot_bytes(&hot), HAK_HOT_BYTES);
	}
	ck_assert_ptr_null(hak_hot_take(&hot, 9, HAK_GRAIN_BYTES));
	ck_assert_ptr_null(hak_hot_take(&hot, 10, HAK_GRAIN_BYTES));
	ck_assert_uint_eq(hak_hot_bytes(&hot), HAK_HOT_BYTES);
	hak_hot_flush_runs(&hot);
}
END_TEST

/* What one thread keeps that is one of @threads and frees much @rounds times. */
static size_t kept_of_many(unsigned threads, unsigned rounds, bool is_wanted_back)
{
	enum { LONG = 64, MANY = 3 * HAK_HOT_BYTES_MOST / (LONG << HAK_GRAIN_SHIFT) };
	struct hak_hot hot = {0};
	size_t kept_bytes;

	for (unsigned i = 0; i < rounds * MANY; i++) {
		struct hak_slab *run = new_run(LONG);

		hak_hot_look(&hot, threads);
		hak_hot_put(&hot, run);
		if (i % MANY == MANY - 1)
			hot.missed = is_wanted_back; /* as large.c tells */
	}
	kept_bytes = hak_hot_bytes(&hot);
	hak_hot_flush_runs(&hot);
	return kept_bytes;
}

START_TEST(more_runs_are_hot_where_they_are_wanted_back)
{
	ck_assert_uint_eq(kept_of_many(1, 1, true), HAK_HOT_BYTES);
	ck_assert_uint_eq(kept_of_many(1, 3, true), 4 * HAK_HOT_BYTES);
	ck_assert_uint_eq(kept_of_many(1, 9, true), HAK_HOT_BYTES_MOST);
	ck_assert_uint_eq(kept_of_many(1, 9, false), HAK_HOT_BYTES);
	ck_assert_uint_eq(kept_of_many(2, 9, true), HAK_HOT_BYTES_MOST / 2);
	ck_assert_uint_eq(kept_of_many(100, 9, true), HAK_HOT_BYTES);
}
END_TEST

/* All that is free is hot, and of another length than is asked for: longer, or a slab's. */
START_TEST(hot_runs_go_home_before_a_superslab_is_mapped)
{
	enum { BYTES = 128 << 10, COUNT = 160, FREED = COUNT / 4, WANTED = 20 };
	static const size_t wanted_bytes[] = { 192 << 10, 24 << 10 };
	static void *block[COUNT], *wanted[WANTED];

	for (unsigned i = 0; i < COUNT; i++)
		block[i] = hak_alloc_malloc(BYTES);
	for (unsigned round = 0; round < 4; round++) {
		for (unsigned i = COUNT - FREED; i < COUNT; i++)
			hak_alloc_free(block[i]);
		for (unsigned i = COUNT - FREED; i < COUNT && round < 3; i++)
			block[i] = hak_alloc_malloc(BYTES);
	}
	ck_assert_uint_ge(hak_hot_bytes(&hak_self->hot), 4 * HAK_HOT_BYTES);
	hak_alloc_stats(&before);
	for (unsigned i = 0; i < WANTED; i++)
		wanted[i] = hak_alloc_malloc(wanted_bytes[_i]);
	hak_alloc_stats(&after);
	ck_assert_uint_eq(grown(HAK_COUNTER_superslab_os), 0);
	ck_assert_uint_le(hak_hot_bytes(&hak_self->hot), HAK_HOT_BYTES);
	for (unsigned i = 0; i < WANTED; i++)
		hak_alloc_free(wanted[i]);
	for (unsigned i = 0; i < COUNT - FREED; i++)
		hak_alloc_free(block[i]);
}
END_TEST

START_TEST(block_takes_what_is_kept_and_fresh_pages_for_the_rest)
{
	enum { MIB = 1 << 20, KEPT_BYTES = 2 * MIB, FRESH_BYTES = 4 * MIB, BYTES = KEPT_BYTES + FRESH_BYTES };
	char *kept = hak_alloc_malloc(KEPT_BYTES), *block;

	memset(kept, 1, KEPT_BYTES);
	hak_alloc_free(kept);
	hak_alloc_stats(&before);
	block = hak_alloc_calloc(1, BYTES);
	hak_alloc_stats(&after);
	ck_assert_uint_eq(grown(HAK_COUNTER_mremap_calls), 1);
	ck_assert_uint_eq(grown(HAK_COUNTER_calloc_cleared_bytes), KEPT_BYTES);
	ck_assert(!is_resident(block, HAK_GRAIN_BYTES));
	ck_assert(!is_resident(block + FRESH_BYTES - MIB, HAK_GRAIN_BYTES));
	ck_assert(is_resident(block + FRESH_BYTES, MIB) && is_resident(block + FRESH_BYTES + MIB, MIB));
	for (size_t i = 0; i < BYTES; i++)
		require(!block[i]);
	hak_alloc_free(block);
}
END_TEST

START_TEST(little_that_is_kept_stays_for_blocks_that_it_serves_better)
{
	enum { MIB = 1 << 20 };
	char *kept = hak_alloc_malloc(2 * MIB), *block;

	memset(kept, 1, 2 * MIB);
	hak_alloc_free(kept);
	hak_alloc_stats(&before);
	block = hak_alloc_malloc(10 * MIB);
	ck_assert_ptr_eq(hak_alloc_malloc(2 * MIB), kept);
	hak_alloc_stats(&after);
	ck_assert_uint_eq(grown(HAK_COUNTER_mremap_calls), 0);
	hak_alloc_free(block);
	hak_alloc_free(kept);
}
END_TEST

START_TEST(what_no_address_space_holds_empties_no_cache)
{
	size_t kept_bytes;

	hak_alloc_free(hak_alloc_malloc(2 * (size_t)HAK_SUPERSLAB_BYTES));
	kept_bytes = hak_bigcache_bytes(HAK_BIGCACHE_KEPT);
	ck_assert_uint_ge(kept_bytes, 2 * (size_t)HAK_SUPERSLAB_BYTES);
	errno = 0;
	ck_assert_ptr_null(hak_alloc_malloc(HAK_WINDOW_BYTES + 1));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_ptr_null(hak_alloc_calloc(2, HAK_WINDOW_BYTES));
	ck_assert_ptr_null(hak_alloc_aligned(1 << 20, PTRDIFF_MAX));
	ck_assert_ptr_null(hak_alloc_realloc(NULL, (size_t)1 << 50));
	ck_assert_uint_eq(hak_bigcache_bytes(HAK_BIGCACHE_KEPT), kept_bytes);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("large");

	tcase_add_test(tcase, arenas_hit_the_cache_and_cost_no_system_call_once_warm);
	tcase_add_test(tcase, ranges_that_touch_go_back_in_one_call);
	tcase_add_test(tcase, calloc_clears_what_was_used_and_nothing_else);
	tcase_add_test(tcase, what_describes_a_large_block_is_not_in_the_first_line_of_a_page);
	tcase_add_test(tcase, block_takes_what_is_kept_and_fresh_pages_for_the_rest);
	tcase_add_test(tcase, little_that_is_kept_stays_for_blocks_that_it_serves_better);
	if (!hak_huge_is_refused())
		tcase_add_test(tcase, run_that_was_given_back_out_of_a_huge_page_comes_back_in_one_call);
	tcase_add_test(tcase, hot_run_is_of_the_length_asked_for_or_of_the_next);
	tcase_add_test(tcase, a_length_has_what_was_asked_for_and_less_than_an_eighth_more);
	tcase_add_test(tcase, run_that_would_drive_out_much_is_not_hot);
	tcase_add_test(tcase, hot_run_serves_what_it_is_aligned_for_and_nothing_else);
	tcase_add_test(tcase, aligned_block_comes_back_as_it_was_freed);
	tcase_add_test(tcase, more_runs_are_hot_where_they_are_wanted_back);
	tcase_add_loop_test(tcase, hot_runs_go_home_before_a_superslab_is_mapped, 0, 2);
	tcase_add_test(tcase, hot_runs_are_bounded_and_each_length_has_its_turn_to_go);
	tcase_add_test(tcase, what_no_address_space_holds_empties_no_cache);
	return run_suite("large", tcase);
}
