/* SPDX-License-Identifier: MIT */
/* Ghosts against the books kept by hand, and the cost model on numbers that can be checked in the head. */
#include <check.h>
#include <string.h>

#include "cost.h"
#include "ghost.h"
#include "strategy.h"
#include "suite.h"

#define MIB ((size_t)1 << 20)

enum { SAFE = 0 };

static unsigned strategy_of(const char *name)
{
	int number = hak_strategy_parse(name);

	ck_assert_int_ge(number, 0);
	return (unsigned)number;
}

START_TEST(ghosts_that_do_not_watch_count_nothing)
{
	hak_ghost_start();
	hak_ghost_stop();
	hak_ghost_used(HAK_GHOST_RUNS, MIB, MIB);
	ck_assert_uint_eq(hak_ghost_work(SAFE).fresh_bytes, 0);
}
END_TEST

START_TEST(what_fits_the_base_is_faulted_in_once)
{
	hak_ghost_start();
	for (int i = 0; i < 100; i++) {
		hak_ghost_used(HAK_GHOST_RUNS, MIB, 10 * MIB + MIB);
		hak_ghost_freed(HAK_GHOST_RUNS, MIB, 10 * MIB);
	}
	ck_assert_uint_eq(hak_ghost_work(SAFE).fresh_bytes, MIB);
	ck_assert_uint_eq(hak_ghost_work(SAFE).again_bytes, 0);
	ck_assert_uint_eq(hak_ghost_work(SAFE).given_bytes, 0);
	ck_assert_uint_eq(hak_ghost_work(SAFE).most_held_bytes, MIB);
}
END_TEST

/* 64 MiB come and go: who holds them pays once, who does not pays each time. */
START_TEST(capacity_decides_who_faults_again)
{
	unsigned lean = strategy_of("lean"), hoard = strategy_of("hoard");
	struct hak_cost_work of_lean, of_hoard;

	hak_ghost_start();
	for (int i = 0; i < 50; i++) {
		hak_ghost_used(HAK_GHOST_LARGE, 64 * MIB, 64 * MIB);
		hak_ghost_freed(HAK_GHOST_LARGE, 64 * MIB, 0);
	}
	of_lean = hak_ghost_work(lean);
	of_hoard = hak_ghost_work(hoard);
	ck_assert_uint_eq(of_hoard.large_fresh_bytes, 64 * MIB);
	ck_assert_uint_eq(of_hoard.large_again_bytes, 0);
	ck_assert_uint_eq(of_hoard.large_misses, 1);
	ck_assert_uint_ge(of_lean.large_again_bytes, 49 * 40 * MIB);
	ck_assert_uint_eq(of_lean.large_misses, 50);
	ck_assert_uint_eq(of_lean.large_give_backs, 50);
	ck_assert_uint_eq(hak_ghost_work(SAFE).fresh_bytes, 0); /* runs are another keeper's */
}
END_TEST

START_TEST(books_of_all_ghosts_balance_under_random_use)
{
	uint64_t seed = 7, taken_bytes = 0, freed_bytes = 0;
	size_t used_bytes = 0;

	hak_ghost_start();
	for (int round = 0; round < 20000; round++) {
		size_t bytes = (1 + next_random(&seed) % 64) << 12;

		if (next_random(&seed) % 2 && used_bytes >= bytes) {
			used_bytes -= bytes;
			freed_bytes += bytes;
			hak_ghost_freed(HAK_GHOST_RUNS, bytes, used_bytes);
		} else {
			used_bytes += bytes;
			taken_bytes += bytes;
			hak_ghost_used(HAK_GHOST_RUNS, bytes, used_bytes);
		}
	}
	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++) {
		struct hak_cost_work work = hak_ghost_work(i);
		uint64_t held_bytes;

		ck_assert_uint_le(work.fresh_bytes + work.again_bytes, taken_bytes);
		ck_assert_uint_le(work.again_bytes, work.given_bytes);
		ck_assert_uint_le(work.given_bytes, freed_bytes);
		/* What was ever faulted in is in use, held, or was given back and has not returned. */
		held_bytes = work.fresh_bytes - used_bytes - (work.given_bytes - work.again_bytes);
		ck_assert_uint_le(held_bytes, work.most_held_bytes);
	}
	ck_assert_uint_eq(hak_ghost_work(0).large_fresh_bytes, 0);
}
END_TEST

START_TEST(starting_anew_forgets)
{
	hak_ghost_start();
	hak_ghost_used(HAK_GHOST_RUNS, MIB, MIB);
	ck_assert_uint_eq(hak_ghost_work(SAFE).fresh_bytes, MIB);
	hak_ghost_start();
	ck_assert_uint_eq(hak_ghost_work(SAFE).fresh_bytes, 0);
	hak_ghost_used(HAK_GHOST_RUNS, 2 * MIB, 3 * MIB);
	ck_assert_uint_eq(hak_ghost_work(SAFE).fresh_bytes, 2 * MIB);
}
END_TEST

/* ---- the cost model ---------------------------------------------------------------------------------- */

static const struct hak_cost_table costs = {
	.fault_small_ns = 1000,
	.fault_huge_ns = 5120,
	.populate_page_ns = 100,
	.give_back_page_ns = 50,
	.call_ns = 400,
};

START_TEST(predicted_cost_is_counts_times_costs)
{
	struct hak_strategy strategy = hak_strategy_table[SAFE].strategy;
	struct hak_cost_work work = {.fresh_bytes = 400 << 12, .given_bytes = 100 << 12, .give_backs = 3};
	struct hak_cost_shape shape = {.slab_percent = 25};

	strategy.value[HAK_DIMENSION_populate] = 0;
	ck_assert_uint_eq(hak_cost_predict(&strategy, &work, &shape, &costs),
			  400 * 1000 + 100 * 50 + 3 * 400);
	strategy.value[HAK_DIMENSION_populate] = 16; /* 4 pages a call: 100 + 100 ns a page */
	ck_assert_uint_eq(hak_cost_predict(&strategy, &work, &shape, &costs),
			  300 * 1000 + 100 * 200 + 100 * 50 + 3 * 400);
	shape.huge_percent = 50; /* 10 ns a page */
	ck_assert_uint_eq(hak_cost_predict(&strategy, &work, &shape, &costs),
			  200 * 10 + 150 * 1000 + 50 * 200 + 100 * 50 + 3 * 400);
}
END_TEST

START_TEST(large_blocks_cost_mappings_and_touches)
{
	const struct hak_strategy *safe = &hak_strategy_table[SAFE].strategy;
	struct hak_strategy flat = *safe;
	struct hak_cost_work work = {.large_fresh_bytes = 4 * MIB,
				     .large_again_bytes = 4 * MIB,
				     .large_given_bytes = 4 * MIB,
				     .large_misses = 2,
				     .large_give_backs = 1};
	struct hak_cost_shape shape = {.large_huge = true};

	flat.value[HAK_DIMENSION_huge_from] = HAK_HUGE_NEVER;
	ck_assert_uint_eq(hak_cost_predict(safe, &work, &shape, &costs), 4 * 5120 + 5 * 400 + 1024 * 50);
	ck_assert_uint_eq(hak_cost_predict(&flat, &work, &shape, &costs),
			  2048 * 1000 + 5 * 400 + 1024 * 50);
}
END_TEST

START_TEST(unknown_costs_are_replaced_one_by_one)
{
	struct hak_cost_table complete = hak_cost_complete((struct hak_cost_table){.call_ns = 7});

	ck_assert_uint_eq(complete.call_ns, 7);
	ck_assert_uint_eq(complete.fault_small_ns, hak_cost_unknown.fault_small_ns);
	ck_assert_uint_eq(complete.give_back_page_ns, hak_cost_unknown.give_back_page_ns);
}
END_TEST

START_TEST(shortlist_is_the_safe_one_and_the_cheapest_that_may_play)
{
	uint64_t predicted[HAK_STRATEGY_COUNT];
	uint8_t list[HAK_SHORTLIST];

	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++)
		predicted[i] = 100 - i;
	ck_assert_uint_eq(hak_cost_shortlist(predicted, 0xff, list), 3);
	ck_assert_uint_eq(list[0], 0);
	ck_assert_uint_eq(list[1], 7);
	ck_assert_uint_eq(list[2], 6);
	predicted[0] = 1; /* it plays in any case, and once */
	ck_assert_uint_eq(hak_cost_shortlist(predicted, 0x3, list), 2);
	ck_assert_uint_eq(list[1], 1);
	ck_assert_uint_eq(hak_cost_shortlist(predicted, 0, list), 1);
	ck_assert_uint_eq(list[0], 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("ghost");

	tcase_add_test(tcase, ghosts_that_do_not_watch_count_nothing);
	tcase_add_test(tcase, what_fits_the_base_is_faulted_in_once);
	tcase_add_test(tcase, capacity_decides_who_faults_again);
	tcase_add_test(tcase, books_of_all_ghosts_balance_under_random_use);
	tcase_add_test(tcase, starting_anew_forgets);
	tcase_add_test(tcase, predicted_cost_is_counts_times_costs);
	tcase_add_test(tcase, large_blocks_cost_mappings_and_touches);
	tcase_add_test(tcase, unknown_costs_are_replaced_one_by_one);
	tcase_add_test(tcase, shortlist_is_the_safe_one_and_the_cheapest_that_may_play);
	return run_suite("ghost", tcase);
}
