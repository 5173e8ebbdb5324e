/* SPDX-License-Identifier: MIT */
/* The match that is on: its windows, what it puts in force, what is told of it. See games.h. */
#include "games.h"
#include "games_private.h"
#include "knobs.h"
#include "os.h"

struct hak_games hak_games;
struct hak_games_state hak_games_state;

void hak_games_sample(struct hak_match_sample *ret_sample)
{
	struct hak_stats *stats = &hak_games_state.stats;

	hak_stats_collect(stats);
	*ret_sample = (struct hak_match_sample){
		.ticks = atomic_load_explicit(&hak_games.ticks, memory_order_relaxed),
		.allocated_bytes = stats->counter[HAK_COUNTER_alloc_bytes],
		.held_bytes = stats->gauge[HAK_GAUGE_resident_free_bytes],
		.live_bytes = stats->gauge[HAK_GAUGE_live_bytes],
		.faults = hak_os_faults(),
		.cpu_ns = hak_os_cpu_nsec(), /* last: what comes before is not the window's */
	};
}

void hak_games_put_in_force(uint8_t strategy)
{
	if (hak_games_state.in_force == strategy)
		return;
	hak_games_state.in_force = strategy;
	(void)hak_knobs_set(
		&hak_strategy_table[strategy].strategy); /* huge pages are the same for all who play */
	hak_os_count(HAK_COUNTER_game_switches, 1);
}

void hak_games_await(uint64_t ticks)
{
	atomic_store_explicit(&hak_games.due_ticks, ticks, memory_order_relaxed);
}

void hak_games_report(void)
{
	const struct hak_games_state *state = &hak_games_state;
	struct hak_telemetry_slot *slot = atomic_load_explicit(&hak_process.slot, memory_order_relaxed);
	struct hak_game_report *report;

	if (!slot)
		return;
	report = &slot->game;
	/* relaxed, all: each is right by itself */
	atomic_store_explicit(&report->game_id, state->play.schedule.game_id, memory_order_relaxed);
	atomic_store_explicit(&report->phase, state->phase, memory_order_relaxed);
	atomic_store_explicit(&report->strategies,
			      state->in_force | (uint32_t)state->match.strategy[0] << 8 |
				      (uint32_t)state->match.strategy[1] << 16,
			      memory_order_relaxed);
	atomic_store_explicit(&report->window_ticks, state->rules.window_ticks, memory_order_relaxed);
	atomic_store_explicit(&report->operations, (uint32_t)hak_games_operations(), memory_order_relaxed);
	atomic_store_explicit(&report->scatter_permille,
			      (uint32_t)((int64_t)state->sizing.scatter * 1000 / HAK_Q20_ONE),
			      memory_order_relaxed);
	atomic_store_explicit(&report->pairs, state->pairs, memory_order_relaxed);
}

uint64_t hak_games_operations_now(void)
{
	const uint64_t *counter = hak_games_state.stats.counter;

	return counter[HAK_COUNTER_refill_new_slab] + counter[HAK_COUNTER_bigcache_hits] +
	       counter[HAK_COUNTER_bigcache_misses];
}

uint64_t hak_games_operations(void)
{
	const struct hak_games_state *state = &hak_games_state;

	if (state->phase == HAK_GAME_FROZEN || state->phase == HAK_GAME_CANARY)
		return state->operations;
	return hak_games_operations_now() - state->operations_before;
}

/* ---- matches ----------------------------------------------------------------------------------------- */

void hak_games_begin_match(uint8_t a, uint8_t b, bool first_is_b, const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;

	hak_match_begin(&state->match, &state->rules, a, b, first_is_b, now);
	state->match.next_first = hak_duel_coin(state->seed, ++state->coins);
	hak_games_put_in_force(hak_match_strategy(&state->match));
	hak_games_await(state->match.until_ticks);
}

static int32_t half_of(const struct hak_match_half *half)
{
	uint64_t cost[2];

	for (unsigned i = 0; i < 2; i++)
		cost[i] = half->side[i].cost_ns * 64 / (half->side[i].ticks ? half->side[i].ticks : 1);
	hak_os_count(HAK_COUNTER_game_windows_lost, half->side[0].lost + half->side[1].lost);
	return hak_score_of_half(cost[0], cost[1], half->side[0].lost, half->side[1].lost);
}

bool hak_games_play(const struct hak_match_sample *now, struct hak_games_pair *ret_pair)
{
	struct hak_games_state *state = &hak_games_state;
	struct hak_match_result result;
	struct hak_score score = {0};
	bool was_washing = state->match.washing;
	bool done = hak_match_turn(&state->match, &state->rules, now, &result);

	hak_os_count(HAK_COUNTER_game_windows, !was_washing);
	if (done) {
		state->match.next_first = hak_duel_coin(state->seed, ++state->coins);
		state->pairs++;
		for (unsigned i = 0; i < 2; i++)
			ret_pair->half[i] = half_of(&result.half[i]);
		ret_pair->cost_a = (result.half[0].side[0].cost_ns + result.half[1].side[0].cost_ns) * 64 /
				   (result.half[0].side[0].ticks + result.half[1].side[0].ticks);
		hak_score_add(&score, ret_pair->half[0], ret_pair->half[1]);
		hak_process_tally(state->match.strategy[0], state->match.strategy[1], &score);
		hak_os_count(HAK_COUNTER_game_pairs, 1);
	}
	hak_games_put_in_force(hak_match_strategy(&state->match));
	hak_games_await(state->match.until_ticks);
	return done;
}
