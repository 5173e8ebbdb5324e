/* SPDX-License-Identifier: MIT */
/* What lies behind large blocks: given back, from behind old ones and on request, and nothing else is. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alloc.h"
#include "bigcache.h"
#include "hot.h"
#include "knobs.h"
#include "mapping.h"
#include "policy.h"
#include "stats.h"
#include "suite.h"

enum { MIB = 1 << 20, LONG_BYTES = 4 * MIB, SHORT_BYTES = 2 * MIB + MIB / 4, LATER_MSEC = 1 << 30 };

static size_t resident_bytes(const char *begin, size_t bytes)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), pages = bytes / page_bytes, resident = 0;
	unsigned char present[LONG_BYTES / 4096];

	ck_assert_uint_le(pages, sizeof(present));
	ck_assert_int_eq(mincore((void *)(uintptr_t)begin, bytes, present), 0);
	for (size_t i = 0; i < pages; i++)
		resident += present[i] & 1;
	return resident * page_bytes;
}

static char *make(size_t bytes)
{
	char *block = hak_alloc_malloc(bytes);

	ck_assert_ptr_nonnull(block);
	memset(block, 1, bytes);
	return block;
}

static void check_filled(const char *block, size_t bytes)
{
	size_t others = 0;

	for (size_t i = 0; i < bytes; i++)
		others += block[i] != 1;
	ck_assert_uint_eq(others, 0);
}

static size_t tails(void)
{
	return atomic_load(&hak_mapping_tail_bytes);
}

/* A long block that has become short, in small pages: all that it was is resident. */
static char *make_with_tail(void)
{
	char *block;

	atomic_store(&hak_knobs.thp, HAK_THP_OFF);
	block = hak_alloc_realloc(make(LONG_BYTES), SHORT_BYTES);
	ck_assert_uint_eq(resident_bytes(block, LONG_BYTES), LONG_BYTES);
	ck_assert_uint_eq(tails(), LONG_BYTES - SHORT_BYTES);
	return block;
}

START_TEST(trim_gives_back_what_lies_behind_a_block_and_nothing_of_it)
{
	char *block = make_with_tail();

	ck_assert(hak_alloc_trim(0));
	ck_assert_uint_eq(resident_bytes(block, LONG_BYTES), SHORT_BYTES);
	ck_assert_uint_eq(tails(), 0);
	check_filled(block, SHORT_BYTES);
	hak_alloc_free(block);
}
END_TEST

START_TEST(a_tail_is_in_the_books_as_long_as_it_is_resident)
{
	struct hak_stats with, without;
	char *block = make_with_tail();

	hak_alloc_stats(&with);
	ck_assert_uint_eq(hak_mapping_give_tails(0), LONG_BYTES - SHORT_BYTES);
	hak_alloc_stats(&without);
	ck_assert_uint_eq(with.gauge[HAK_GAUGE_resident_free_bytes] -
				  without.gauge[HAK_GAUGE_resident_free_bytes],
			  LONG_BYTES - SHORT_BYTES);
	hak_alloc_free(block);
}
END_TEST

START_TEST(a_young_block_keeps_its_tail)
{
	char *block = make_with_tail();

	ck_assert_uint_eq(hak_mapping_give_tails(LATER_MSEC), 0);
	ck_assert_uint_eq(resident_bytes(block, LONG_BYTES), LONG_BYTES);
	hak_alloc_free(block);
	ck_assert_uint_eq(tails(), 0);
	ck_assert_uint_eq(hak_mapping_give_tails(0), 0);
}
END_TEST

static void visit_often(void)
{
	for (unsigned i = 0; i < 1000; i++) {
		void *batch[256];

		for (unsigned j = 0; j < 256; j++)
			batch[j] = hak_alloc_malloc(1024);
		for (unsigned j = 0; j < 256; j++)
			hak_alloc_free(batch[j]);
	}
}

/* At the slow visits of whatever else the program does. */
START_TEST(an_old_block_loses_its_tail_without_being_asked)
{
	char *block = make_with_tail();

	usleep(1200 * 1000);
	visit_often();
	ck_assert_uint_eq(tails(), 0);
	ck_assert_uint_eq(resident_bytes(block, LONG_BYTES), SHORT_BYTES);
	check_filled(block, SHORT_BYTES);
}
END_TEST

START_TEST(a_block_that_grows_into_its_tail_keeps_what_it_writes_there)
{
	char *block = make_with_tail(), *same;

	same = hak_alloc_realloc(block, LONG_BYTES);
	ck_assert_ptr_eq(same, block);
	memset(block, 1, LONG_BYTES);
	ck_assert_uint_eq(tails(), 0);
	ck_assert_uint_eq(hak_mapping_give_tails(0), 0);
	check_filled(block, LONG_BYTES);
}
END_TEST

/* Of 4 MiB that were freed 2.25 and then 1.5 are taken; the second begins in a unit of the first. */
START_TEST(what_a_short_block_leaves_of_a_long_one_serves_the_next)
{
	enum { NEXT_BYTES = MIB + MIB / 2 };
	char *block, *next;

	atomic_store(&hak_knobs.thp, HAK_THP_OFF);
	hak_alloc_free(make(LONG_BYTES));
	block = make(SHORT_BYTES);
	next = make(NEXT_BYTES);
	ck_assert_uint_eq(tails(), 0);
	ck_assert_ptr_eq(next, block + SHORT_BYTES);
	ck_assert_uint_eq(resident_bytes(block, LONG_BYTES), LONG_BYTES);
	ck_assert(hak_alloc_trim(0));
	check_filled(block, SHORT_BYTES);
	check_filled(next, NEXT_BYTES);
	ck_assert_int_eq(mincore(next + NEXT_BYTES, 4096, &(unsigned char){0}), -1); /* unmapped */

	hak_alloc_free(block);
	check_filled(next, NEXT_BYTES);
	ck_assert_uint_eq(hak_alloc_usable("test", next), NEXT_BYTES);
	hak_alloc_free(next);
}
END_TEST

/* What lies behind a block in its unit it grows over, and behind that over fresh units. */
START_TEST(a_block_grows_over_what_is_free_behind_it)
{
	char *block;

	atomic_store(&hak_knobs.thp, HAK_THP_OFF);
	hak_alloc_free(make(LONG_BYTES));
	block = make(SHORT_BYTES);
	ck_assert_ptr_eq(hak_alloc_realloc(block, LONG_BYTES + MIB), block);
	check_filled(block, LONG_BYTES); /* it was the long one's */
	memset(block, 1, LONG_BYTES + MIB);
	hak_alloc_free(block);
}
END_TEST

/* 1.5 MiB of 2, and 0.25: the one stays whole, the other is not made whole again by khugepaged. */
START_TEST(a_huge_page_that_is_mostly_live_is_not_split)
{
	enum { MOSTLY = 2 * MIB + MIB * 3 / 2 };
	char *mostly, *hardly;

	atomic_store(&hak_knobs.thp, HAK_THP_ON);
	mostly = make(MOSTLY);
	hardly = make(SHORT_BYTES);
	ck_assert_uint_eq(tails(), 2 * LONG_BYTES - MOSTLY - SHORT_BYTES);
	ck_assert_uint_eq(hak_mapping_give_tails(0), LONG_BYTES - SHORT_BYTES);
	ck_assert_uint_eq(tails(), LONG_BYTES - MOSTLY); /* in the books as long as it stays */
	ck_assert_uint_eq(hak_mapping_of(mostly)->huge_bytes, LONG_BYTES);
	ck_assert_uint_eq(hak_mapping_of(hardly)->huge_bytes, 2 * MIB);
	ck_assert_uint_eq(resident_bytes(hardly, LONG_BYTES), SHORT_BYTES);
	hak_alloc_free(mostly);
	ck_assert_uint_eq(tails(), 0);
}
END_TEST

/*
 * Short blocks that share the units of long ones, of which every other is freed: no unit is free as a whole,
 * and yet what was freed goes back once it is old, at the slow visits of whatever else the program does.
 */
START_TEST(what_was_freed_between_old_blocks_goes_back_without_being_asked)
{
	enum { LONG = 24, SHORT = 40 };
	char *block[SHORT];
	size_t kept_bytes;

	atomic_store(&hak_knobs.thp, HAK_THP_OFF);
	for (unsigned i = 0; i < LONG; i++)
		block[i] = make(LONG_BYTES);
	for (unsigned i = 0; i < LONG; i++)
		hak_alloc_free(block[i]);
	for (unsigned i = 0; i < SHORT; i++)
		block[i] = make(SHORT_BYTES);
	atomic_store(&hak_knobs.hold_unearned_bytes, 0); /* nothing is held for long */
	atomic_store(&hak_knobs.hold_earned_percent, 0);
	for (unsigned i = 0; i < SHORT; i += 2)
		hak_alloc_free(block[i]);
	hak_hot_flush_mappings(&hak_self->hot, &hak_self->tally); /* the last are hot */
	kept_bytes = hak_bigcache_bytes(HAK_BIGCACHE_KEPT);
	ck_assert_uint_gt(kept_bytes, LONG * LONG_BYTES / 8);
	for (unsigned i = 0; i < 4; i++) {
		usleep(600 * 1000);
		visit_often();
	}
	ck_assert_uint_lt(hak_bigcache_bytes(HAK_BIGCACHE_KEPT), kept_bytes / 2);
	for (unsigned i = 1; i < SHORT; i += 2) {
		check_filled(block[i], SHORT_BYTES);
		hak_alloc_free(block[i]);
	}
}
END_TEST

static atomic_bool over;

static void *give_all_the_time(void *unused)
{
	(void)unused;
	while (!atomic_load(&over))
		(void)hak_mapping_give_tails(0);
	return NULL;
}

/* First and last bytes of each page tell whether one was lost. */
static void mark(char *block, size_t from, size_t bytes, char mark)
{
	for (size_t at = from; at < bytes; at += 4096)
		block[at] = block[at + 4095] = mark;
}

static void check_marks(const char *block, size_t bytes, char mark)
{
	for (size_t at = 0; at < bytes; at += 4096)
		ck_assert(block[at] == mark && block[at + 4095] == mark);
}

static void *use_large_blocks(void *argument)
{
	enum { ROUNDS = 300 };
	uint64_t seed = (uintptr_t)argument;

	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t bytes = (256 + next_random(&seed) % 768) * 4096;
		size_t more = bytes + next_random(&seed) % 256 * 4096;
		char *block = hak_alloc_malloc(bytes);

		mark(block, 0, bytes, (char)i);
		block = hak_alloc_realloc(block, more);
		mark(block, bytes, more, (char)i);
		check_marks(block, more, (char)i);
		hak_alloc_free(block);
	}
	return NULL;
}

START_TEST(blocks_that_come_change_and_go_meanwhile_lose_nothing)
{
	pthread_t giver, user[2];

	pthread_create(&giver, NULL, give_all_the_time, NULL);
	for (uintptr_t i = 0; i < 2; i++)
		pthread_create(&user[i], NULL, use_large_blocks, (void *)(i + 1));
	for (unsigned i = 0; i < 2; i++)
		pthread_join(user[i], NULL);
	atomic_store(&over, true);
	pthread_join(giver, NULL);
	ck_assert_uint_eq(tails(), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("tail");

	tcase_add_test(tcase, trim_gives_back_what_lies_behind_a_block_and_nothing_of_it);
	tcase_add_test(tcase, a_tail_is_in_the_books_as_long_as_it_is_resident);
	tcase_add_test(tcase, a_young_block_keeps_its_tail);
	tcase_add_test(tcase, an_old_block_loses_its_tail_without_being_asked);
	tcase_add_test(tcase, what_was_freed_between_old_blocks_goes_back_without_being_asked);
	tcase_add_test(tcase, a_block_that_grows_into_its_tail_keeps_what_it_writes_there);
	tcase_add_test(tcase, what_a_short_block_leaves_of_a_long_one_serves_the_next);
	tcase_add_test(tcase, a_block_grows_over_what_is_free_behind_it);
	tcase_add_test(tcase, a_huge_page_that_is_mostly_live_is_not_split);
	tcase_add_test(tcase, blocks_that_come_change_and_go_meanwhile_lose_nothing);
	return run_suite("tail", tcase);
}
