/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "life.h"
#include "suite.h"

static const uint8_t strategy[] = {0, 6, 3};

static void add_pairs(struct hak_score *score, unsigned pairs, int32_t ratio)
{
	while (pairs--)
		hak_score_add(score, ratio, ratio);
}

static struct hak_life frozen_life(uint64_t now)
{
	struct hak_life life = {.phase = HAK_LIFE_LEARN};
	const struct hak_contest_step step = {.state = HAK_CONTEST_WON, .a = 1, .b = 2};

	ck_assert_int_eq(hak_life_learn(&life, &step, strategy, now), HAK_LIFE_FROZE_WINNER);
	return life;
}

START_TEST(open_contest_leaves_learn)
{
	struct hak_life life = {.phase = HAK_LIFE_LEARN};
	const struct hak_contest_step step = {.state = HAK_CONTEST_PLAY, .a = 0, .b = 1};

	ck_assert_int_eq(hak_life_learn(&life, &step, strategy, 5), HAK_LIFE_NOTHING);
	ck_assert_uint_eq(life.phase, HAK_LIFE_LEARN);
	ck_assert_uint_eq(life.epoch, 0);
}
END_TEST

START_TEST(won_contest_freezes_the_winner_s_strategy)
{
	struct hak_life life = frozen_life(5);

	ck_assert_uint_eq(life.phase, HAK_LIFE_FROZEN);
	ck_assert_uint_eq(life.winner, 6);
	ck_assert_uint_eq(life.rival, 3);
	ck_assert_uint_eq(life.epoch, 1);
	ck_assert_uint_eq(life.since_usec, 5);
}
END_TEST

START_TEST(undecided_contest_freezes_the_safe_strategy)
{
	struct hak_life life = {.phase = HAK_LIFE_LEARN};
	const struct hak_contest_step step = {.state = HAK_CONTEST_UNDECIDED};

	ck_assert_int_eq(hak_life_learn(&life, &step, strategy, 5), HAK_LIFE_FROZE_UNDECIDED);
	ck_assert_uint_eq(life.winner, 0);
}
END_TEST

START_TEST(canary_waits_for_its_time_and_for_leave)
{
	struct hak_life life = frozen_life(0);
	struct hak_score score = {{0}, 0, 0, 0, 0};

	ck_assert_int_eq(hak_life_watch(&life, &score, true, HAK_LIFE_REST_USEC - 1), HAK_LIFE_NOTHING);
	ck_assert_int_eq(hak_life_watch(&life, &score, false, HAK_LIFE_REST_USEC), HAK_LIFE_NOTHING);
	ck_assert_int_eq(hak_life_watch(&life, &score, true, HAK_LIFE_REST_USEC), HAK_LIFE_BEGAN_CANARY);
}
END_TEST

START_TEST(canary_of_equals_confirms_and_waits_longer_each_time)
{
	struct hak_life life = frozen_life(0);
	struct hak_score score = {{0}, 0, 0, 0, 0};
	uint64_t now = 0, rest = life.rest_usec;

	for (int round = 0; round < 4; round++) {
		now += rest;
		ck_assert_int_eq(hak_life_watch(&life, &score, true, now), HAK_LIFE_BEGAN_CANARY);
		for (unsigned i = 0; i < HAK_LIFE_CANARY_PAIRS; i++) {
			ck_assert_int_eq(hak_life_watch(&life, &score, true, now), HAK_LIFE_NOTHING);
			add_pairs(&score, 1, i % 2 ? 20000 : -20000);
		}
		ck_assert_int_eq(hak_life_watch(&life, &score, true, now), HAK_LIFE_CONFIRMED);
		ck_assert_uint_eq(life.rest_usec, 2 * rest);
		rest = life.rest_usec;
	}
	ck_assert_uint_eq(life.epoch, 1);
}
END_TEST

START_TEST(canary_that_the_rival_wins_returns_to_learn)
{
	struct hak_life life = frozen_life(0);
	struct hak_score score = {{0}, 0, 0, 0, 0};
	enum hak_life_event event = HAK_LIFE_NOTHING;
	unsigned pairs = 0;

	add_pairs(&score, 500, 50000); /* how it was before counts for nothing */
	(void)hak_life_watch(&life, &score, true, HAK_LIFE_REST_USEC);
	while (event == HAK_LIFE_NOTHING && pairs++ < HAK_LIFE_CANARY_PAIRS) {
		add_pairs(&score, 1, -60000);
		event = hak_life_watch(&life, &score, true, HAK_LIFE_REST_USEC + pairs);
	}
	ck_assert_int_eq(event, HAK_LIFE_SHIFTED);
	ck_assert_uint_le(pairs, 8);
	ck_assert_uint_eq(life.phase, HAK_LIFE_LEARN);
	ck_assert_uint_eq(life.winner, 3); /* in force until the contest says otherwise */
	ck_assert(!hak_life_tire(&life, life.since_usec + life.rest_usec - 1));
	ck_assert(hak_life_tire(&life, life.since_usec + life.rest_usec));
	ck_assert_uint_eq(life.phase, HAK_LIFE_FROZEN);
	ck_assert_uint_eq(life.rollbacks, 0);
}
END_TEST

/* NTP mends the clock of the day by a second, or by what it was off since a boot without one. */
START_TEST(clock_that_is_set_back_ends_nothing_but_what_is_years_off)
{
	const uint64_t now = UINT64_C(1800000000) * 1000000, second = 1000000;
	struct hak_life life = frozen_life(now);
	struct hak_score score = {{0}, 0, 0, 0, 0};

	ck_assert_int_eq(hak_life_watch(&life, &score, true, now - second), HAK_LIFE_NOTHING);
	hak_life_thaw(&life, now);
	ck_assert(!hak_life_tire(&life, now - second));
	ck_assert(hak_life_tire(&life, now / 2));
	ck_assert_int_eq(hak_life_watch(&life, &score, true, now / 2 + life.rest_usec),
			 HAK_LIFE_BEGAN_CANARY);
}
END_TEST

START_TEST(winner_that_is_far_off_is_rolled_back_at_once)
{
	struct hak_life life = frozen_life(0);
	struct hak_score score = {{0}, 0, 0, 0, 0};

	(void)hak_life_watch(&life, &score, true, HAK_LIFE_REST_USEC);
	add_pairs(&score, 1, -400000);
	ck_assert_int_eq(hak_life_watch(&life, &score, true, HAK_LIFE_REST_USEC + 1), HAK_LIFE_NOTHING);
	add_pairs(&score, 1, -400000);
	ck_assert_int_eq(hak_life_watch(&life, &score, true, HAK_LIFE_REST_USEC + 2), HAK_LIFE_ROLLED_BACK);
	ck_assert_uint_eq(life.winner, 0);
	ck_assert_uint_eq(life.rollbacks, 1);
	ck_assert_uint_eq(life.phase, HAK_LIFE_LEARN);
}
END_TEST

/* An hour of a load that changes every few minutes: it may not swing with it. */
START_TEST(alternating_load_does_not_make_it_oscillate)
{
	struct hak_life life = frozen_life(0);
	struct hak_score score = {{0}, 0, 0, 0, 0};
	unsigned changes = 0;
	const uint64_t minute = 60 * UINT64_C(1000000);

	for (uint64_t now = 0; now < 60 * minute; now += minute / 4) {
		const struct hak_contest_step step = {.state = HAK_CONTEST_WON, .a = 1, .b = 2};
		bool bad = now / (3 * minute) % 2;
		enum hak_life_event event;

		if (life.phase == HAK_LIFE_CANARY)
			add_pairs(&score, 1, bad ? -60000 : 60000);
		event = life.phase == HAK_LIFE_LEARN ? hak_life_learn(&life, &step, strategy, now)
						     : hak_life_watch(&life, &score, true, now);
		changes += event == HAK_LIFE_SHIFTED || event == HAK_LIFE_ROLLED_BACK;
	}
	ck_assert_uint_le(changes, 1);
}
END_TEST

START_TEST(held_life_does_nothing_by_itself)
{
	struct hak_life life = frozen_life(0);
	const struct hak_contest_step step = {.state = HAK_CONTEST_SAFE};
	struct hak_score score = {{0}, 0, 0, 0, 0};

	hak_life_freeze(&life, 3, 1);
	ck_assert_uint_eq(life.winner, 3);
	ck_assert_int_eq(hak_life_watch(&life, &score, true, UINT64_MAX / 2), HAK_LIFE_NOTHING);
	ck_assert_int_eq(hak_life_learn(&life, &step, strategy, 3), HAK_LIFE_NOTHING);
	hak_life_thaw(&life, 4);
	ck_assert_int_eq(hak_life_learn(&life, &step, strategy, 5), HAK_LIFE_FROZE_SAFE);
}
END_TEST

START_TEST(roll_back_by_hand_is_counted_and_a_snapshot_of_its_own)
{
	struct hak_life life = frozen_life(0);

	hak_life_roll_back(&life, 3, 1);
	ck_assert_uint_eq(life.winner, 3);
	ck_assert_uint_eq(life.rollbacks, 1);
	ck_assert_uint_eq(life.epoch, 2);
	ck_assert_uint_eq(life.phase, HAK_LIFE_FROZEN);
}
END_TEST

/* ---- trials ------------------------------------------------------------------------------------------- */

START_TEST(won_trial_takes_over_in_learn_and_when_frozen)
{
	struct hak_life life = {.phase = HAK_LIFE_LEARN};

	ck_assert_int_eq(hak_life_take_over(&life, 8, 7), HAK_LIFE_FROZE_WINNER);
	ck_assert_uint_eq(life.phase, HAK_LIFE_FROZEN);
	ck_assert_uint_eq(life.winner, 8);
	ck_assert_uint_eq(life.rival, 0);
	life = frozen_life(5);
	ck_assert_int_eq(hak_life_take_over(&life, 8, 7), HAK_LIFE_FROZE_WINNER);
	ck_assert_uint_eq(life.rival, 6);
	ck_assert_uint_eq(life.epoch, 2);
	ck_assert_uint_eq(life.since_usec, 7);
}
END_TEST

START_TEST(won_trial_changes_nothing_that_is_held_or_in_a_canary)
{
	struct hak_life life = frozen_life(5);

	life.phase = HAK_LIFE_CANARY;
	ck_assert_int_eq(hak_life_take_over(&life, 8, 7), HAK_LIFE_NOTHING);
	life = frozen_life(5);
	life.held = true;
	ck_assert_int_eq(hak_life_take_over(&life, 8, 7), HAK_LIFE_NOTHING);
	ck_assert_uint_eq(life.winner, 6);
	ck_assert_uint_eq(life.epoch, 1);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("life");

	tcase_add_test(tcase, open_contest_leaves_learn);
	tcase_add_test(tcase, won_contest_freezes_the_winner_s_strategy);
	tcase_add_test(tcase, undecided_contest_freezes_the_safe_strategy);
	tcase_add_test(tcase, canary_waits_for_its_time_and_for_leave);
	tcase_add_test(tcase, canary_of_equals_confirms_and_waits_longer_each_time);
	tcase_add_test(tcase, canary_that_the_rival_wins_returns_to_learn);
	tcase_add_test(tcase, clock_that_is_set_back_ends_nothing_but_what_is_years_off);
	tcase_add_test(tcase, winner_that_is_far_off_is_rolled_back_at_once);
	tcase_add_test(tcase, alternating_load_does_not_make_it_oscillate);
	tcase_add_test(tcase, held_life_does_nothing_by_itself);
	tcase_add_test(tcase, roll_back_by_hand_is_counted_and_a_snapshot_of_its_own);
	tcase_add_test(tcase, won_trial_takes_over_in_learn_and_when_frozen);
	tcase_add_test(tcase, won_trial_changes_nothing_that_is_held_or_in_a_canary);
	return run_suite("life", tcase);
}
