/* SPDX-License-Identifier: MIT */
/*
 * The daemon's learner with clients that are made here: canaries and what comes of them, games that rest
 * while memory is short, trials across processes, and the least used context that makes room for another.
 */
#include "learner_fixture.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "policy.h"
#include "shm_fixture.h"
#include "suite.h"

enum { SAFE = 0, HOARD = 7, HUGE = 8 };

static const struct hak_life *life_of(const struct player *player)
{
	return &player->client.learned->life;
}

/* HOARD is in force, its rest is over. */
static void freeze_hoard(struct player *player)
{
	begin_player(player, 1, 1);
	play(player, HOARD, SAFE, 12, 100000);
	learner_second(player, false);
	ck_assert_str_eq(told.what, "froze-winner");
	ck_assert_uint_eq(life_of(player)->winner, HOARD);
	player->client.learned->life.since_usec -= HAK_LIFE_REST_USEC;
}

/* ---- canaries ---------------------------------------------------------------------------------------- */

START_TEST(canary_begins_after_the_rest_and_is_played_by_one)
{
	struct player player;

	freeze_hoard(&player);
	learner_second(&player, false);
	ck_assert_str_eq(told.what, "began-canary");
	ck_assert_uint_eq(life_of(&player)->phase, HAK_LIFE_CANARY);
	ck_assert(player.client.canary);
	ck_assert_uint_eq(player.client.schedule.strategy_a, HOARD);
	ck_assert_uint_eq(player.client.schedule.strategy_b, SAFE);
	hak_learner_forget(&player.client);
}
END_TEST

START_TEST(canary_that_changes_nothing_confirms_and_ends)
{
	struct player player;

	freeze_hoard(&player);
	learner_second(&player, false);
	play(&player, HOARD, SAFE, HAK_LIFE_CANARY_PAIRS, 50000);
	learner_second(&player, false);
	ck_assert_str_eq(told.what, "confirmed");
	ck_assert_uint_eq(life_of(&player)->phase, HAK_LIFE_FROZEN);
	ck_assert_uint_eq(life_of(&player)->winner, HOARD);
	ck_assert(!player.client.canary && !player.client.schedule.game_id);
	hak_learner_forget(&player.client);
}
END_TEST

START_TEST(canary_that_is_far_off_rolls_back_after_two_pairs)
{
	struct player player;

	freeze_hoard(&player);
	learner_second(&player, false);
	play(&player, HOARD, SAFE, HAK_LIFE_GUARD_PAIRS, -400000);
	learner_second(&player, false);
	ck_assert_str_eq(told.what, "rolled-back");
	ck_assert_uint_eq(life_of(&player)->winner, SAFE);
	ck_assert_uint_eq(life_of(&player)->phase, HAK_LIFE_LEARN);
	ck_assert_uint_eq(life_of(&player)->rollbacks, 1);
	hak_learner_forget(&player.client);
}
END_TEST

START_TEST(canary_that_the_rival_wins_shifts_and_is_saved)
{
	struct player player;
	struct hak_key context;

	freeze_hoard(&player);
	learner_second(&player, false);
	play(&player, HOARD, SAFE, 12, -60000);
	learner_second(&player, false);
	ck_assert_str_eq(told.what, "shifted");
	ck_assert_uint_eq(life_of(&player)->winner, SAFE);
	context = player.client.context;
	hak_learner_forget(&player.client);
	learner_end();
	learner_begin();
	begin_player(&player, 2, 1);
	hak_learner_meet(&learner, &player.client);
	ck_assert_ptr_nonnull(hak_learner_find(&learner, &context));
	ck_assert_uint_eq(life_of(&player)->winner, SAFE);
	ck_assert_uint_eq(life_of(&player)->phase, HAK_LIFE_LEARN);
	hak_learner_forget(&player.client);
}
END_TEST

/* ---- memory is short --------------------------------------------------------------------------------- */

START_TEST(nobody_plays_while_memory_is_short)
{
	struct player player;

	freeze_hoard(&player);
	learner_second(&player, true);
	ck_assert_uint_eq(life_of(&player)->phase, HAK_LIFE_FROZEN);
	ck_assert(!player.client.canary);
	/* One strategy against itself: it stops what it was playing by itself. */
	ck_assert_uint_ne(player.client.schedule.game_id, 0);
	ck_assert_uint_eq(player.client.schedule.strategy_a, player.client.schedule.strategy_b);
	learner_second(&player, false);
	ck_assert_str_eq(told.what, "began-canary");
	hak_learner_forget(&player.client);
}
END_TEST

/* ---- trials ------------------------------------------------------------------------------------------ */

static uint64_t trial_key_of_starts(void)
{
	struct hak_context_payload payload;
	struct hak_key key;

	hak_start_key(LEARNER_UID, "program", &key);
	return hak_control_find_context(learner_writer.header, &key, &payload) == 0 ? payload.trial_key
										    : 0;
}

static uint64_t key_of(unsigned strategy)
{
	return hak_strategy_key(&hak_strategy_table[strategy].strategy);
}

static void begin_large(struct player *player, uint64_t number)
{
	begin_player(player, number, 1);
	player->client.published = false;
	player->client.run = (struct hak_client_run){
		.start_usec = hak_clock_realtime_usec(),
		.cost.work = 1000,
		.mapped_bytes = 64 << 20,
		.cost.cpu_usec = 1000000,
		.cost.peak_kib = 50000,
	};
}

/* One more starts on its side of the trial, costs that much by side, and ends. */
static void start_at(uint64_t number, const struct hak_client_cost cost[2])
{
	struct player player;
	const struct hak_trial *trial;
	bool second;

	begin_large(&player, number);
	hak_learner_meet(&learner, &player.client);
	trial = &player.client.learned->trial;
	second = hak_trial_coin(player.client.key.word[1]);
	player.client.run.trial = 1U + trial->strategy[second];
	player.client.run.cost = cost[second];
	hak_learner_told(&learner, &player.client);
	player.client.published = true;
	player.part.slot[0].sample = NULL;
	hak_learner_collect(&learner, &player.client);
	hak_learner_forget(&player.client);
}

static void start(uint64_t number, uint32_t usec_a, uint32_t usec_b)
{
	const struct hak_client_cost cost[2] = {{.work = 1000, .cpu_usec = usec_a, .peak_kib = 50000},
						{.work = 1000, .cpu_usec = usec_b, .peak_kib = 50000}};

	start_at(number, cost);
}

START_TEST(trial_is_published_for_large_programs_in_mode_learning)
{
	struct player player;

	begin_player(&player, 1, 1);
	hak_learner_told(&learner, &player.client);
	ck_assert_uint_eq(trial_key_of_starts(), 0); /* it is small */
	hak_learner_forget(&player.client);
	begin_large(&player, 2);
	told.mode = HAK_MODE_BALANCED;
	hak_learner_told(&learner, &player.client);
	ck_assert_uint_eq(trial_key_of_starts(), 0);
	told.mode = HAK_MODE_LEARNING;
	hak_learner_told(&learner, &player.client);
	ck_assert_uint_eq(trial_key_of_starts(), key_of(HUGE));
	learner_second(&player, true);
	ck_assert_uint_eq(trial_key_of_starts(), 0); /* memory is short */
	hak_learner_forget(&player.client);
}
END_TEST

/* Of a server that makes its buffers when it starts. */
START_TEST(process_that_hardly_allocates_plays_a_trial_too)
{
	const struct hak_client_cost cost[2] = {{.cpu_usec = 1000000, .peak_kib = 50000},
						{.cpu_usec = 1000000, .peak_kib = 50000}};
	struct player player;

	begin_large(&player, 1);
	hak_learner_told(&learner, &player.client);
	for (uint64_t number = 2; number < 10; number++)
		start_at(number, cost);
	ck_assert_uint_gt(hak_learned_pairs(player.client.learned), 0);
	hak_learner_forget(&player.client);
}
END_TEST

START_TEST(process_that_did_nothing_tells_a_trial_nothing)
{
	struct player player;

	begin_large(&player, 1);
	hak_learner_told(&learner, &player.client);
	for (uint64_t number = 2; number < 10; number++)
		start(number, 999, 999);
	ck_assert_uint_eq(hak_learned_pairs(player.client.learned), 0);
	hak_learner_forget(&player.client);
}
END_TEST

START_TEST(decision_is_in_force_when_it_is_durable)
{
	struct player player;

	begin_player(&player, 1, 1);
	hak_learner_told(&learner, &player.client);
	told.disk_is_slow = true;
	ck_assert_int_eq(hak_learner_wish(&learner, player.client.learned, HAK_LEARNER_FREEZE, 0), 0);
	ck_assert_uint_eq(life_of(&player)->phase, HAK_LIFE_LEARN);
	ck_assert_uint_eq(told.decisions, 0);
	ck_assert_int_eq(hak_learner_wish(&learner, player.client.learned, HAK_LEARNER_THAW, 0), -EAGAIN);
	learner_second(&player, false); /* asks nothing meanwhile */
	learner_write(0);
	ck_assert_uint_eq(life_of(&player)->phase, HAK_LIFE_FROZEN);
	ck_assert_str_eq(told.what, "frozen-by-hand");
	learner_write(0); /* nothing is left to save */
	ck_assert_uint_eq(told.decisions, 1);
	hak_learner_forget(&player.client);
}
END_TEST

START_TEST(decision_that_cannot_be_saved_changes_nothing)
{
	struct player player;
	char why[sizeof(player.client.learned->why)];

	begin_player(&player, 1, 1);
	hak_learner_told(&learner, &player.client);
	memcpy(why, player.client.learned->why, sizeof(why));
	told.disk_is_slow = true;
	ck_assert_int_eq(hak_learner_wish(&learner, player.client.learned, HAK_LEARNER_FREEZE, 0), 0);
	learner_write(-ENOSPC);
	ck_assert_uint_eq(life_of(&player)->phase, HAK_LIFE_LEARN);
	ck_assert_uint_eq(life_of(&player)->epoch, 0);
	ck_assert_str_eq(player.client.learned->why, why);
	ck_assert_uint_eq(told.decisions, 0);
	ck_assert_int_eq(hak_learner_wish(&learner, player.client.learned, HAK_LEARNER_FREEZE, 0), 0);
	learner_write(0);
	ck_assert_uint_eq(life_of(&player)->phase, HAK_LIFE_FROZEN);
	hak_learner_forget(&player.client);
}
END_TEST

/* On the disk it is in force: a daemon that is killed before it told anybody begins with it. */
START_TEST(decision_that_is_written_survives_the_daemon)
{
	struct player player;

	begin_player(&player, 1, 1);
	hak_learner_told(&learner, &player.client);
	ck_assert_int_eq(hak_learner_wish(&learner, player.client.learned, HAK_LEARNER_FREEZE, 0), 0);
	hak_learner_forget(&player.client);
	learner_end();
	learner_begin();
	begin_player(&player, 2, 1);
	hak_learner_told(&learner, &player.client);
	ck_assert_uint_eq(life_of(&player)->phase, HAK_LIFE_FROZEN);
	ck_assert(life_of(&player)->held);
	hak_learner_forget(&player.client);
}
END_TEST

START_TEST(trial_that_is_won_freezes_the_challenger)
{
	struct player player;

	begin_large(&player, 1);
	hak_learner_told(&learner, &player.client);
	for (uint64_t number = 2; number < 100 && !told.decisions; number++)
		start(number, 1000000, 900000);
	ck_assert_str_eq(told.what, "froze-winner");
	ck_assert_uint_eq(life_of(&player)->winner, HUGE);
	ck_assert_uint_eq(life_of(&player)->rival, SAFE);
	ck_assert_uint_eq(trial_key_of_starts(), 0);
	hak_learner_forget(&player.client);
}
END_TEST

static uint64_t strategy_of_starts(uint32_t uid)
{
	struct hak_context_payload payload;
	struct hak_key key;

	hak_start_key(uid, "program", &key);
	return hak_control_find_context(learner_writer.header, &key, &payload) == 0 ? payload.strategy_key
										    : 0;
}

/* He never played: his next process nevertheless starts with what is in force. */
START_TEST(another_users_starts_are_told_what_is_in_force)
{
	struct player player, other;

	begin_large(&player, 1);
	hak_learner_told(&learner, &player.client);
	for (uint64_t number = 2; number < 100 && !told.decisions; number++)
		start(number, 1000000, 900000);
	ck_assert_uint_eq(life_of(&player)->winner, HUGE);
	ck_assert_uint_eq(strategy_of_starts(LEARNER_UID + 1), 0);
	begin_player(&other, 200, 1);
	other.client.uid = LEARNER_UID + 1;
	hak_learner_told(&learner, &other.client);
	ck_assert_uint_eq(strategy_of_starts(LEARNER_UID + 1), key_of(HUGE));
	hak_learner_forget(&other.client);
	hak_learner_forget(&player.client);
}
END_TEST

/* It cannot be played within a process: those who start play it, in mode balanced as well. */
START_TEST(canary_of_a_layout_is_a_trial)
{
	struct player player;
	unsigned decisions;

	begin_large(&player, 1);
	hak_learner_told(&learner, &player.client);
	for (uint64_t number = 2; number < 100 && !told.decisions; number++)
		start(number, 1000000, 900000);
	ck_assert_uint_eq(life_of(&player)->winner, HUGE);
	player.client.learned->life.since_usec -= HAK_LIFE_REST_USEC;
	learner_second(&player, false);
	ck_assert_str_eq(told.what, "began-canary");
	ck_assert(!player.client.canary);
	told.mode = HAK_MODE_BALANCED;
	decisions = told.decisions;
	for (uint64_t number = 100; number < 400 && told.decisions == decisions; number++) {
		start(number, 900000, 1000000); /* A is now the winner */
		learner_second(&player, false);
	}
	ck_assert_str_eq(told.what, "confirmed");
	ck_assert_uint_eq(life_of(&player)->winner, HUGE);
	hak_learner_forget(&player.client);
}
END_TEST

START_TEST(pairs_of_two_layouts_within_a_process_are_a_lie)
{
	struct player player;

	begin_player(&player, 1, 1);
	play(&player, HUGE, SAFE, 12, 100000);
	ck_assert_uint_eq(told.poisonings, 1);
	ck_assert_uint_eq(hak_learned_pairs(player.client.learned), 0);
	hak_learner_forget(&player.client);
}
END_TEST

/* The clock was set back since it began: it is not a minute old. */
START_TEST(start_that_seems_to_lie_ahead_goes_on_with_its_trial)
{
	struct player first, player;

	begin_large(&first, 1);
	hak_learner_told(&learner, &first.client);
	begin_large(&player, 2);
	hak_learner_meet(&learner, &player.client);
	player.client.run.trial =
		1U + first.client.learned->trial.strategy[hak_trial_coin(player.client.key.word[1])];
	hak_learner_told(&learner, &player.client);
	ck_assert_uint_ne(player.client.trial, 0);
	player.client.published = true;
	player.client.run.start_usec += 5000000;
	hak_learner_told(&learner, &player.client);
	ck_assert_uint_ne(player.client.trial, 0);
	player.client.run.start_usec -= 65000000;
	hak_learner_told(&learner, &player.client);
	ck_assert_uint_eq(player.client.trial, 0);
	hak_learner_forget(&player.client);
	hak_learner_forget(&first.client);
}
END_TEST

/* ---- ten thousand ------------------------------------------------------------------------------------ */

START_TEST(least_used_context_makes_room_and_keeps_its_tallies_on_disk)
{
	struct player player;
	struct hak_key first = shm_key(1), second = shm_key(2);

	begin_large(&player, 1);
	play(&player, HOARD, SAFE, 3, 100000);
	ck_assert_uint_eq(trial_key_of_starts(), key_of(HUGE));
	hak_learner_forget(&player.client);
	for (uint64_t context = 2; context <= HAK_LEARNER_CONTEXTS; context++) {
		begin_player(&player, context, context);
		hak_learner_meet(&learner, &player.client);
		hak_learner_forget(&player.client);
	}
	ck_assert_uint_eq(learner.contexts.count, HAK_LEARNER_CONTEXTS);
	ck_assert_ptr_nonnull(hak_learner_find(&learner, &first));
	hak_learner_find(&learner, &first)->used_usec =
		1; /* a clock may not have moved between two of them */
	begin_player(&player, HAK_LEARNER_CONTEXTS + 1, HAK_LEARNER_CONTEXTS + 1);
	hak_learner_meet(&learner, &player.client);
	hak_learner_forget(&player.client);
	ck_assert_uint_eq(learner.contexts.count, HAK_LEARNER_CONTEXTS);
	ck_assert_ptr_null(hak_learner_find(&learner, &first));
	ck_assert_uint_eq(trial_key_of_starts(), 0); /* nobody would hear what came of it */
	ck_assert_ptr_nonnull(hak_learner_find(&learner, &second));
	begin_player(&player, 1, 1);
	hak_learner_meet(&learner, &player.client); /* from disk */
	ck_assert_uint_eq(hak_learned_pairs(player.client.learned), 3);
	ck_assert_uint_eq(learner.contexts.count, HAK_LEARNER_CONTEXTS);
	hak_learner_forget(&player.client);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("learner");

	tcase_add_checked_fixture(tcase, learner_set_up, learner_tear_down);
	tcase_add_test(tcase, canary_begins_after_the_rest_and_is_played_by_one);
	tcase_add_test(tcase, canary_that_changes_nothing_confirms_and_ends);
	tcase_add_test(tcase, canary_that_is_far_off_rolls_back_after_two_pairs);
	tcase_add_test(tcase, canary_that_the_rival_wins_shifts_and_is_saved);
	tcase_add_test(tcase, nobody_plays_while_memory_is_short);
	tcase_add_test(tcase, trial_is_published_for_large_programs_in_mode_learning);
	tcase_add_test(tcase, process_that_hardly_allocates_plays_a_trial_too);
	tcase_add_test(tcase, process_that_did_nothing_tells_a_trial_nothing);
	tcase_add_test(tcase, decision_is_in_force_when_it_is_durable);
	tcase_add_test(tcase, decision_that_cannot_be_saved_changes_nothing);
	tcase_add_test(tcase, decision_that_is_written_survives_the_daemon);
	tcase_add_test(tcase, trial_that_is_won_freezes_the_challenger);
	tcase_add_test(tcase, another_users_starts_are_told_what_is_in_force);
	tcase_add_test(tcase, canary_of_a_layout_is_a_trial);
	tcase_add_test(tcase, pairs_of_two_layouts_within_a_process_are_a_lie);
	tcase_add_test(tcase, start_that_seems_to_lie_ahead_goes_on_with_its_trial);
	tcase_add_test(tcase, least_used_context_makes_room_and_keeps_its_tallies_on_disk);
	return run_suite("learner", tcase);
}
