/* SPDX-License-Identifier: MIT */
/* Mappings that are hot: who takes the same large buffer again gets it without a lock; nobody keeps more. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "alloc.h"
#include "bigcache.h"
#include "hot.h"
#include "knobs.h"
#include "large.h"
#include "mapping.h"
#include "stats.h"
#include "suite.h"

enum { MIB = 1 << 20, BYTES = 2 * MIB, ROUNDS = 256 };

static struct hak_stats before, after;

static uint64_t grown(enum hak_counter counter)
{
	return after.counter[counter] - before.counter[counter];
}

static size_t hot_bytes(void)
{
	return hak_hot_mapping_bytes(&hak_self->hot);
}

static size_t kept_bytes(void)
{
	return hak_bigcache_bytes(HAK_BIGCACHE_KEPT);
}

/* The first time the block is fresh, the second it comes out of BigCache. Return: it, freed. */
static void *make_hot(size_t bytes)
{
	void *block = hak_alloc_malloc(bytes);

	memset(block, 1, bytes);
	hak_alloc_free(block);
	ck_assert_uint_eq(hot_bytes(), 0);
	ck_assert_ptr_eq(hak_alloc_malloc(bytes), block);
	hak_alloc_free(block);
	ck_assert_uint_eq(hot_bytes(), bytes);
	return block;
}

START_TEST(same_block_comes_back_without_a_visit)
{
	void *block = make_hot(BYTES);

	ck_assert_uint_eq(kept_bytes(), 0);
	hak_alloc_stats(&before);
	for (unsigned i = 0; i < ROUNDS; i++) {
		ck_assert_ptr_eq(hak_alloc_malloc(BYTES), block);
		ck_assert_uint_eq(hot_bytes(), 0);
		hak_alloc_free(block);
	}
	hak_alloc_stats(&after);
	ck_assert_uint_eq(grown(HAK_COUNTER_bigcache_hits), ROUNDS);
	ck_assert_uint_eq(grown(HAK_COUNTER_bigcache_misses), 0);
	ck_assert_uint_eq(grown(HAK_COUNTER_alloc_count), ROUNDS);
	ck_assert_uint_eq(grown(HAK_COUNTER_free_count), ROUNDS);
	ck_assert_uint_le(grown(HAK_COUNTER_slow_visits), ROUNDS / 4);
	ck_assert_uint_eq(after.gauge[HAK_GAUGE_live_bytes], before.gauge[HAK_GAUGE_live_bytes]);
	ck_assert_uint_eq(after.gauge[HAK_GAUGE_cache_bytes], BYTES);
}
END_TEST

START_TEST(calloc_clears_all_of_it)
{
	char *block = make_hot(BYTES);
	size_t others = 0;

	ck_assert_ptr_eq(hak_alloc_calloc(1, BYTES), block);
	for (size_t i = 0; i < BYTES; i++)
		others += block[i] != 0;
	ck_assert_uint_eq(others, 0);
	hak_alloc_free(block);
}
END_TEST

START_TEST(another_size_is_made_of_what_was_hot)
{
	void *block = make_hot(2 * BYTES), *part;

	part = hak_alloc_malloc(BYTES);
	ck_assert_uint_eq(hot_bytes(), 0);
	ck_assert_ptr_eq(part, block);
	ck_assert_uint_eq(kept_bytes(), BYTES);
	hak_alloc_free(part);
}
END_TEST

/* A page more or less is another size; bytes of the same page are not. */
START_TEST(size_counts_by_pages)
{
	char *block = make_hot(BYTES);

	ck_assert_ptr_eq(hak_alloc_malloc(BYTES - 1), block);
	hak_alloc_free(block);
	ck_assert_uint_eq(hot_bytes(), BYTES);
	block = hak_alloc_malloc(BYTES + 1);
	ck_assert_uint_eq(hot_bytes(), 0);
	hak_alloc_free(block);
}
END_TEST

START_TEST(what_was_resized_is_not_hot)
{
	char *block = make_hot(BYTES);

	ck_assert_ptr_eq(hak_alloc_malloc(BYTES), block);
	block = hak_alloc_realloc(block, 2 * BYTES);
	hak_alloc_free(block);
	ck_assert_uint_eq(hot_bytes(), 0);
}
END_TEST

/* Alignments above a superslab's have address space before the block. */
START_TEST(aligned_block_is_hot_where_its_alignment_is_a_page_at_most)
{
	void *block = make_hot(BYTES), *aligned;

	ck_assert_ptr_eq(hak_alloc_aligned(HAK_GRAIN_BYTES, BYTES), block);
	hak_alloc_free(block);
	ck_assert_uint_eq(hot_bytes(), BYTES);
	aligned = hak_alloc_aligned(4 * BYTES, BYTES);
	ck_assert_uint_eq((uintptr_t)aligned % (4 * BYTES), 0);
	hak_alloc_free(aligned);
	ck_assert_uint_eq(hot_bytes(), 0);
}
END_TEST

START_TEST(no_thread_keeps_more_than_its_part)
{
	enum { BLOCKS = 2 * HAK_HOT_BYTES_MOST / BYTES };
	void *block[BLOCKS];

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < BLOCKS; i++)
			memset(block[i] = hak_alloc_malloc(BYTES), 1, BYTES);
		for (unsigned i = 0; i < BLOCKS; i++)
			hak_alloc_free(block[i]);
	}
	ck_assert_uint_eq(hot_bytes(), HAK_HOT_BYTES_MOST);
	ck_assert_uint_eq(kept_bytes(), HAK_HOT_BYTES_MOST);
}
END_TEST

START_TEST(who_has_many_threads_keeps_none)
{
	struct hak_hot hot = {.wanted_bytes = BYTES};
	struct hak_mapping mapping = {.block_bytes = BYTES, .mapped_bytes = BYTES, .stale_end = BYTES};

	ck_assert(!hak_hot_may_keep_mapping(&hot, &mapping)); /* it has not looked */
	hak_hot_look(&hot, HAK_HOT_BYTES_MOST / BYTES);
	ck_assert(hak_hot_may_keep_mapping(&hot, &mapping));
	hak_hot_keep_mapping(&hot, &mapping);
	ck_assert(!hak_hot_may_keep_mapping(&hot, &mapping)); /* a second one */
	ck_assert_ptr_eq(hak_hot_take_mapping(&hot, BYTES), &mapping);
	hak_hot_look(&hot, HAK_HOT_BYTES_MOST / BYTES + 1);
	ck_assert(!hak_hot_may_keep_mapping(&hot, &mapping));
	hak_hot_look(&hot, 1);
	mapping.stale_begin = HAK_GRAIN_BYTES; /* some of it was never touched */
	ck_assert(!hak_hot_may_keep_mapping(&hot, &mapping));
}
END_TEST

START_TEST(trim_and_policy_leave_none)
{
	(void)make_hot(BYTES);
	(void)hak_alloc_trim(0);
	ck_assert_uint_eq(hot_bytes(), 0);
	ck_assert_uint_eq(kept_bytes(), 0);
	(void)make_hot(BYTES);
	atomic_store(&hak_knobs.bigcache, false);
	hak_alloc_free(hak_alloc_malloc(BYTES));
	ck_assert_uint_eq(hot_bytes(), 0);
}
END_TEST

START_TEST(what_is_made_under_another_policy_was_not_hot)
{
	(void)make_hot(BYTES);
	hak_thread_set_bins(hak_self, hak_self->bins_on, hak_self->policy_epoch + 1);
	ck_assert_uint_eq(hot_bytes(), 0);
	ck_assert_uint_eq(kept_bytes(), BYTES);
}
END_TEST

/* Nor runs, however often the thread's bins are looked at. */
START_TEST(who_has_no_bins_keeps_nothing_hot)
{
	enum { RUN_BYTES = 64 << 10, VISITS = 4096 };

	(void)make_hot(BYTES);
	hak_thread_set_bins(hak_self, false, hak_self->policy_epoch);
	for (unsigned i = 0; i < VISITS; i++) {
		hak_alloc_free(hak_alloc_malloc(RUN_BYTES));
		require(hak_hot_bytes(&hak_self->hot) == 0);
		hak_alloc_free(hak_alloc_malloc(BYTES));
		require(hot_bytes() == 0);
	}
}
END_TEST

/* On the way without a visit, and in one. */
START_TEST(second_free_is_seen)
{
	void *block = make_hot(BYTES);

	ck_assert(hak_large_is_free(block));
	if (_i)
		hak_self->hot.uses = 0;
	hak_alloc_free(block);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("hot");

	tcase_add_test(tcase, same_block_comes_back_without_a_visit);
	tcase_add_test(tcase, calloc_clears_all_of_it);
	tcase_add_test(tcase, another_size_is_made_of_what_was_hot);
	tcase_add_test(tcase, size_counts_by_pages);
	tcase_add_test(tcase, what_was_resized_is_not_hot);
	tcase_add_test(tcase, aligned_block_is_hot_where_its_alignment_is_a_page_at_most);
	tcase_add_test(tcase, no_thread_keeps_more_than_its_part);
	tcase_add_test(tcase, who_has_many_threads_keeps_none);
	tcase_add_test(tcase, trim_and_policy_leave_none);
	tcase_add_test(tcase, what_is_made_under_another_policy_was_not_hot);
	tcase_add_test(tcase, who_has_no_bins_keeps_nothing_hot);
	tcase_add_loop_test_raise_signal(tcase, second_free_is_seen, SIGABRT, 0, 2);
	return run_suite("hot", tcase);
}
