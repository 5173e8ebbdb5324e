/* SPDX-License-Identifier: MIT */
/* From playing to a decision, and back where the program has changed. See games.h. */
#include <string.h>

#include "games.h"
#include "games_private.h"
#include "ghost.h"
#include "knobs.h"
#include "text.h"

enum {
	IDLE_PAIRS = 6,         /* in a row with nothing to gain */
	CHANGED = 425155,       /* Q20: half as much again as at first, or two thirds of it, */
	PATIENCE = 3,           /* looks in a row that find it so */
	PATIENCE_MOST = 1024,
	REST_NSEC = 100000000,
	REST_WINDOWS_MOST = HAK_GAMES_CANARY_WINDOWS << 8,
};

/* The policy in force is what all this is for. */
static void read_policy(void)
{
	struct hak_games_state *state = &hak_games_state;

	hak_process_play(&state->play);
	atomic_store_explicit(&hak_games.followed, state->play.epoch, memory_order_relaxed);
}

static void log_decision(const char *what, uint8_t strategy, int32_t gain)
{
	char buffer[HAK_TELEMETRY_LOG_CHARS];
	struct hak_text text;

	hak_text_init(&text, buffer, sizeof(buffer));
	hak_text_add(&text, what);
	hak_text_add(&text, hak_strategy_table[strategy].name);
	hak_text_add(&text, ", pairs ");
	hak_text_add_unsigned(&text, hak_games_state.pairs, 10);
	if (gain > 0) {
		hak_text_add(&text, ", gain per mille ");
		hak_text_add_unsigned(&text, (uint64_t)((int64_t)gain * 1000 / HAK_Q20_ONE), 10);
	}
	hak_process_log(HAK_LOG_MINIMAL, buffer);
}

static void decide(uint8_t winner, uint8_t rival, const char *why, int32_t gain);

/* ---- play -------------------------------------------------------------------------------------------- */

/* As the contest says: the same two, two others, or it is over. */
static void play_on(const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;
	struct hak_contest_step step = hak_contest_step(&state->contest);
	uint8_t a = state->player[step.a], b = state->player[step.b];
	struct hak_score score;

	switch (step.state) {
	case HAK_CONTEST_PLAY:
		if (state->phase == HAK_GAME_PLAY && state->match.strategy[0] == a &&
		    state->match.strategy[1] == b)
			return;
		state->phase = HAK_GAME_PLAY;
		hak_games_begin_match(a, b, hak_duel_coin(state->seed, ++state->coins), now);
		return;
	case HAK_CONTEST_WON:
		score = hak_contest_score(&state->contest, step.a, 0);
		decide(a, b, "learning: frozen: ", hak_score_mean(&score));
		return;
	case HAK_CONTEST_SAFE:
		decide(0, state->player[1], "learning: none is better: ", 0);
		return;
	case HAK_CONTEST_UNDECIDED:
		decide(0, state->player[1], "learning: undecided: ", 0);
		return;
	}
}

static void end_watch(const struct hak_match_sample *now, enum hak_games_seen seen)
{
	struct hak_games_state *state = &hak_games_state;

	switch (seen) {
	case HAK_GAMES_SEEN_TOO_LITTLE:
		return;
	case HAK_GAMES_SEEN_NOTHING:
		decide(0, state->player[1], "learning: nothing to gain: ", 0);
		return;
	case HAK_GAMES_SEEN_NOISE:
		decide(0, state->player[1], "learning: too noisy, undecided: ", 0);
		return;
	case HAK_GAMES_SEEN_PLAYERS:
		hak_games_mark(now);
		state->idle_pairs = 0;
		play_on(now);
	}
}

static unsigned player_of(uint8_t strategy)
{
	unsigned player = 0;

	while (player < hak_games_state.contest.players - 1 && hak_games_state.player[player] != strategy)
		player++;
	return player;
}

/* What was to be gained may have been a beginning's alone. */
static bool has_come_to_rest(const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;

	state->idle_pairs = hak_games_is_nothing_to_gain(now) ? state->idle_pairs + 1 : 0;
	hak_games_mark(now);
	return state->idle_pairs >= IDLE_PAIRS && state->play.policy.mode != HAK_MODE_RESEARCH;
}

static void play(const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;
	struct hak_games_pair pair;

	if (!hak_games_play(now, &pair))
		return;
	if (state->play.schedule.game_id) /* the daemon's business */
		return;
	hak_score_add(&state->contest.score[player_of(state->match.strategy[0])]
					   [player_of(state->match.strategy[1])],
		      pair.half[0], pair.half[1]);
	if (has_come_to_rest(now))
		decide(0, state->player[1], "learning: nothing to gain: ", 0);
	else
		play_on(now);
}

/* ---- frozen ------------------------------------------------------------------------------------------ */

static void rest(uint64_t ticks)
{
	struct hak_games_state *state = &hak_games_state;

	state->phase = HAK_GAME_FROZEN;
	if (!state->patience)
		state->patience = PATIENCE;
	hak_games_put_in_force(state->winner);
	hak_games_await(ticks + (uint64_t)state->rules.window_ticks * state->rest_windows);
}

/* What the program costs is looked at from @now on. */
static void look_from(const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;

	state->looked = *now;
	state->cost_before = 0;
	state->changed = 0;
}

static void decide(uint8_t winner, uint8_t rival, const char *why, int32_t gain)
{
	struct hak_games_state *state = &hak_games_state;
	struct hak_match_sample now;

	hak_ghost_stop();
	state->operations = hak_games_operations();
	hak_games_sample(&now);
	look_from(&now);
	state->rest_windows = HAK_GAMES_CANARY_WINDOWS;
	state->winner = winner;
	state->rival = rival;
	state->canary = (struct hak_score){0};
	log_decision(why, winner, gain);
	/* Research goes on learning; its decisions are in force meanwhile. */
	if (state->play.policy.mode != HAK_MODE_RESEARCH) {
		hak_process_freeze(winner);
		read_policy();
		state->in_force = winner;
	}
	rest(now.ticks);
}

static void thaw(const char *why, const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;

	log_decision(why, state->winner, 0);
	if (state->play.frozen) {
		hak_process_thaw();
		read_policy();
		state->in_force = 0;
	}
	hak_games_begin_watch(now);
}

static void begin_canary(const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;

	if (state->play.policy.mode == HAK_MODE_RESEARCH) {
		thaw("learning: again after: ", now);
		return;
	}
	if (state->rival == state->winner) { /* no other may hold so much */
		rest(now->ticks);
		return;
	}
	state->phase = HAK_GAME_CANARY;
	hak_games_begin_match(state->rival, state->winner, hak_duel_coin(state->seed, ++state->coins), now);
}

/*
 * Short windows need not be tested more often than each tenth of a second. Once a canary: its cost is a
 * sample, and next to nothing where it used up what the other side held.
 */
static void space_canaries(uint64_t cost)
{
	struct hak_games_state *state = &hak_games_state;

	if (cost * state->rules.window_ticks / 64 * state->rest_windows < REST_NSEC &&
	    state->rest_windows < REST_WINDOWS_MOST)
		state->rest_windows *= 2;
}

static void canary(const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;
	struct hak_games_pair pair;

	if (!hak_games_play(now, &pair))
		return;
	hak_score_add(&state->canary, pair.half[0], pair.half[1]);
	space_canaries(pair.cost_a);
	if (hak_duel_evidence(&state->canary).first_wins >= HAK_DUEL_LN20)
		thaw("learning: the rival is better than: ", now);
	else
		rest(now->ticks);
}

/*
 * Does the program still do what it did when we decided? Its cost a tick says so, without a game. Who has
 * been wrong before takes longer each time: loads that swing do not make us swing with them.
 */
static bool has_changed(uint64_t cost)
{
	struct hak_games_state *state = &hak_games_state;
	int32_t ratio;

	if (!state->cost_before)
		state->cost_before = cost;
	ratio = hak_fixed_log_ratio(cost, state->cost_before);
	state->changed = ratio > CHANGED || ratio < -CHANGED ? state->changed + 1 : 0;
	return state->changed >= state->patience;
}

void hak_games_look(const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;
	uint64_t ticks = now->ticks - state->looked.ticks;
	uint64_t cpu_ns = now->cpu_ns - state->looked.cpu_ns;

	if (state->phase != HAK_GAME_FROZEN || ticks == 0)
		return;
	state->looked = *now;
	if (!has_changed(cpu_ns * 64 / ticks))
		return;
	if (state->patience < PATIENCE_MOST)
		state->patience *= 2;
	thaw("learning: another load than with: ", now);
	hak_games_report();
}

/* ---- turns ------------------------------------------------------------------------------------------- */

static bool is_playable(const struct hak_schedule *schedule)
{
	return schedule->strategy_a != schedule->strategy_b && schedule->strategy_a < HAK_STRATEGY_COUNT &&
	       schedule->strategy_b < HAK_STRATEGY_COUNT && schedule->window_ticks >= 4 &&
	       hak_strategy_shares_layout(&hak_strategy_table[schedule->strategy_a].strategy,
					  &hak_strategy_table[schedule->strategy_b].strategy);
}

/*
 * Nobody plays. Who found the lock taken has left it to the next tick, which comes only while the games are
 * on; where that was for nothing the tick finds a turn due, and it ends here again.
 */
static void stop(void)
{
	struct hak_games_state *state = &hak_games_state;

	hak_ghost_stop();
	state->phase = HAK_GAME_NONE;
	hak_games_await(0);
	/* acquire [G1]: pairs with the release in hak_games_adopt() */
	(void)atomic_exchange_explicit(&hak_games.on, false, memory_order_acquire);
	if (hak_games_are_behind())
		atomic_store_explicit(&hak_games.on, true, memory_order_relaxed);
}

static void play_schedule(const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;
	const struct hak_schedule *schedule = &state->play.schedule;

	hak_ghost_stop();
	state->phase = HAK_GAME_PLAY;
	state->pairs = 0;
	state->rules = hak_games_rules(schedule->window_ticks);
	hak_games_begin_match(schedule->strategy_a, schedule->strategy_b, schedule->first_is_b, now);
}

static bool is_same(const struct hak_process_play *left, const struct hak_process_play *right)
{
	return memcmp(&left->policy, &right->policy, sizeof(left->policy)) == 0 &&
	       memcmp(&left->schedule, &right->schedule, sizeof(left->schedule)) == 0 &&
	       left->frozen == right->frozen;
}

static uint64_t new_seed(const struct hak_match_sample *now)
{
	return now->cpu_ns ^ (uint64_t)(uintptr_t)__builtin_frame_address(0) << 16 ^ now->faults << 48;
}

/* Under another policy, or in a forked child, whose clocks begin at zero. */
static void rest_anew(const struct hak_match_sample *now)
{
	look_from(now);
	rest(now->ticks);
}

/* Another policy, or another entry of ours. With the policy its own strategy was put in force. */
static void adopt(void)
{
	struct hak_games_state *state = &hak_games_state;
	const struct hak_process_play *play = &state->play;
	struct hak_match_sample now;

	if (play->policy.panic || !(play->policy.evolution >= HAK_EVO_LEARN || play->frozen) ||
	    (play->schedule.game_id && !is_playable(&play->schedule))) {
		stop();
		return;
	}
	hak_games_sample(&now);
	if (!state->seed)
		state->seed = new_seed(&now);
	atomic_store_explicit(&hak_games.on, true, memory_order_relaxed);
	if (play->schedule.game_id)
		play_schedule(&now);
	else if (play->frozen)
		rest_anew(&now);
	else if (play->policy.evolution == HAK_EVO_LEARN)
		hak_games_begin_watch(&now);
	else
		stop();
}

void hak_games_follow_locked(void)
{
	struct hak_games_state *state = &hak_games_state;
	struct hak_process_play before = state->play;
	uint8_t in_force = state->in_force;

	read_policy();
	state->in_force = state->play.policy.strategy < HAK_STRATEGY_COUNT ? state->play.policy.strategy : 0;
	(void)hak_knobs_set(&hak_strategy_table[state->in_force].strategy); /* a fork may have left another */
	if (state->phase != HAK_GAME_NONE && !state->begin_anew && is_same(&before, &state->play)) {
		hak_games_put_in_force(in_force); /* the change was others' */
		return;
	}
	if (state->begin_anew)
		state->seed = 0;
	state->begin_anew = false;
	adopt();
	hak_games_report();
}

void hak_games_turn(const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;

	if (state->phase == HAK_GAME_WATCH)
		end_watch(now, hak_games_watch(now));
	else if (state->phase == HAK_GAME_PLAY)
		play(now);
	else if (state->phase == HAK_GAME_FROZEN)
		begin_canary(now);
	else if (state->phase == HAK_GAME_CANARY)
		canary(now);
	else
		stop();
	hak_games_report();
}
