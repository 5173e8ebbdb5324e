/* SPDX-License-Identifier: MIT */
/*
 * Anything goes in the learner inside a process: loads, clocks, books, policies, forks and late comers at
 * random. libhakmem's games.c, games_watch.c, games_learn.c are real.
 */
#include <check.h>
#include <inttypes.h>

#include "games_fixture.h"
#include "suite.h"

static uint64_t roll(uint64_t sides)
{
	return next_random(&process.random) % sides;
}

/* As often small as large, and nothing now and then. */
static uint64_t roll_any(unsigned bits)
{
	return next_random(&process.random) >> 1 >> (63 - roll(bits));
}

/* What the machine and the program do next; most of the time something that can be learned. */
static void change_load(void)
{
	bool tame = roll(2);

	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++) {
		process.tick_nsec[i] = tame ? TICK_NSEC / 2 + roll(TICK_NSEC) : roll(4) ? roll_any(48) : 0;
		process.tick_bytes[i] = tame ? roll(2 * TICK_BYTES) : roll_any(48);
		process.most_held_bytes[i] = roll_any(40);
	}
	process.noise_percent = roll(2) ? 10 : (unsigned)roll(100);
	process.faults_a_tick = (unsigned)(tame ? 4 : roll_any(24));
}

static void change_policy(void)
{
	enum hak_mode mode = (enum hak_mode)roll(HAK_MODE_COUNT);

	process.play.policy = hak_policy_of_mode(roll(2) ? HAK_MODE_LEARNING : mode);
	process.play.frozen = false;
	process.play.schedule = (struct hak_schedule){0};
	process.play.costs = (struct hak_machine_costs){.fault_small_ns = (uint32_t)roll_any(32),
							.madvise_page_ns = (uint32_t)roll_any(32),
							.syscall_ns = (uint32_t)roll_any(32)};
	if (roll(8) == 0)
		process.play.schedule = (struct hak_schedule){.game_id = 1 + roll(9),
							      .strategy_a = (uint8_t)roll(HAK_STRATEGY_COUNT),
							      .strategy_b = (uint8_t)roll(HAK_STRATEGY_COUNT),
							      .window_ticks = (uint32_t)roll_any(16)};
	hak_process.plays = process.play.policy.evolution >= HAK_EVO_LEARN;
	hak_process.policy_epoch++;
}

static void fork_once(void)
{
	hak_games_fork_prepare();
	hak_games_fork_child();
	process.cpu_nsec = 0;
	process.faults = 0;
}

/* One tick of anything, as a visit counts it. */
static void tick_of_anything(void)
{
	uint64_t event = roll(1 << 16);

	if (event < 64)
		change_load();
	else if (event < 66)
		change_policy();
	else if (event < 68)
		fork_once();
	else if (event < 80)
		come_late();
	else if (event < 96)
		process.msec += (uint32_t)roll_any(32);
	else if (event < 1024)
		process.held_bytes = roll_any(36);
	else if (event < 1100)
		hak_process.policy_epoch++; /* of others */
	if (hak_games_are_on() || hak_process.plays)
		work(1);
	if (event % 64 == 0 && hak_games_are_on())
		hak_games_probe();
}

/* Whatever costs, clocks, books and policies say, each turn ends, and sets the next. */
START_TEST(anything_goes)
{
	struct hak_games_state *state = &hak_games_state;
	const unsigned enough = 200000, most = 50 * enough;
	uint64_t canaries = 0;
	bool has_all = false;

	process.random = (uint64_t)_i * UINT64_C(0x9e3779b97f4a7c15) + 1;
	change_load();
	for (unsigned i = 0; i < enough || (!has_all && i < most); i++) {
		bool was_canary = state->phase == HAK_GAME_CANARY;

		tick_of_anything();
		canaries += state->phase == HAK_GAME_CANARY && !was_canary;
		require(state->in_force < HAK_STRATEGY_COUNT);
		require(!hak_games_are_on() || hak_games.due_ticks > hak_games.ticks ||
			  hak_games_are_behind());
		has_all = process.tallied && process.freezes && process.thaws && canaries;
	}
	ck_assert_msg(has_all, "%" PRIu64 " pairs, %u freezes, %u thaws, %" PRIu64 " canaries",
		      process.tallied, process.freezes, process.thaws, canaries);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("anything");

	tcase_add_checked_fixture(tcase, games_set_up, NULL);
	tcase_add_loop_test(tcase, anything_goes, 0, 2);
	return run_suite("anything", tcase);
}
