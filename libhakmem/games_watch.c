/* SPDX-License-Identifier: MIT */
/*
 * Watching: windows of work until they are quiet, ghosts that count what each strategy would have done, and
 * the cost model that names who plays. See games.h.
 */
#include <string.h>

#include "cost.h"
#include "games.h"
#include "games_private.h"
#include "ghost.h"
#include "knobs.h"
#include "superslab.h"

enum {
	WATCH_OPERATIONS = 192, /* of the learned layer; with fewer, */
	WATCH_WINDOWS = 64,     /* so many quiet windows */
	CONTEST_PAIRS = 240,    /* a process alone does not look for ever */
	NOTHING_PART = 200,     /* 0.5 %: what costs no more, or saves no more, is not worth a game */
	PAGE_BYTES = 4096,
};

void hak_games_mark(const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;

	state->marked = *now;
	memcpy(state->marked_counter, state->stats.counter, sizeof(state->marked_counter));
}

/* A program's first window is not like the others: ghosts are counted from its end on, too. */
static void mark_beginning(const struct hak_match_sample *now)
{
	hak_games_mark(now);
	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++)
		hak_games_state.marked_work[i] = hak_ghost_work(i);
}

/* What the strategy would have done since the mark. A keeper that has begun anew since counts from there. */
static struct hak_cost_work work_of(unsigned strategy)
{
	const struct hak_cost_work *before = &hak_games_state.marked_work[strategy];
	struct hak_cost_work work = hak_ghost_work(strategy);

	work.fresh_bytes -= hak_least(work.fresh_bytes, before->fresh_bytes);
	work.again_bytes -= hak_least(work.again_bytes, before->again_bytes);
	work.given_bytes -= hak_least(work.given_bytes, before->given_bytes);
	work.give_backs -= hak_least(work.give_backs, before->give_backs);
	work.large_fresh_bytes -= hak_least(work.large_fresh_bytes, before->large_fresh_bytes);
	work.large_again_bytes -= hak_least(work.large_again_bytes, before->large_again_bytes);
	work.large_given_bytes -= hak_least(work.large_given_bytes, before->large_given_bytes);
	work.large_misses -= hak_least(work.large_misses, before->large_misses);
	work.large_give_backs -= hak_least(work.large_give_backs, before->large_give_backs);
	return work;
}

void hak_games_begin_watch(const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;

	state->phase = HAK_GAME_WATCH;
	state->pairs = 0;
	state->watched_from = *now;
	state->operations_before = hak_games_operations_now();
	hak_sizing_begin(&state->sizing);
	hak_ghost_start();
	mark_beginning(now);
	hak_games_put_in_force(0);
	hak_games_await(now->ticks + state->sizing.window_ticks);
}

static uint64_t counted(enum hak_counter counter)
{
	return hak_games_state.stats.counter[counter] - hak_games_state.marked_counter[counter];
}

static struct hak_cost_shape shape_of(void)
{
	const struct hak_games_state *state = &hak_games_state;
	struct hak_cost_work work = work_of(0);
	uint64_t superslabs = hak_superslab_stats().mapped_bytes / HAK_SUPERSLAB_BYTES;
	uint64_t huge_from = hak_knob(huge_from_superslabs), runs_bytes, slab_bytes;
	struct hak_cost_shape shape = {.large_huge = state->play.policy.thp != HAK_THP_OFF};

	runs_bytes = work.fresh_bytes + work.again_bytes + 1;
	slab_bytes = counted(HAK_COUNTER_refill_new_slab) * (64 << 10);
	shape.slab_percent = slab_bytes < runs_bytes ? (uint32_t)(slab_bytes * 100 / runs_bytes) : 100;
	if (shape.large_huge && superslabs > huge_from)
		shape.huge_percent = (uint32_t)((superslabs - huge_from) * 100 / superslabs);
	return shape;
}

/* As far as they are known. */
static struct hak_cost_table machine_costs(void)
{
	const struct hak_machine_costs *costs = &hak_games_state.play.costs;

	return hak_cost_complete((struct hak_cost_table){
		.fault_small_ns = costs->fault_small_ns,
		.fault_huge_ns = costs->fault_huge_ns,
		.populate_page_ns = costs->populate_page_ns,
		.give_back_page_ns = costs->madvise_page_ns,
		.call_ns = costs->syscall_ns,
	});
}

bool hak_games_is_nothing_to_gain(const struct hak_match_sample *now)
{
	const struct hak_cost_table costs = machine_costs();
	uint64_t calls = counted(HAK_COUNTER_madvise_calls) + counted(HAK_COUNTER_mmap_calls) +
			 counted(HAK_COUNTER_munmap_calls) + counted(HAK_COUNTER_mremap_calls);
	uint64_t faults = now->faults - hak_games_state.marked.faults;

	uint64_t kernel_ns = faults * costs.fault_small_ns + calls * costs.call_ns +
			     counted(HAK_COUNTER_populated_bytes) / PAGE_BYTES * costs.populate_page_ns;

	return kernel_ns < (now->cpu_ns - hak_games_state.marked.cpu_ns) / NOTHING_PART;
}

/* Who has the same layout as what is in force, and would not hold too much. */
static uint32_t eligible(const struct hak_match_sample *now)
{
	const struct hak_strategy *safe = &hak_strategy_table[0].strategy;
	uint64_t budget_bytes = HAK_GAMES_BUDGET_BYTES + now->live_bytes / 100 * HAK_GAMES_BUDGET_PERCENT;
	uint64_t safe_bytes = hak_ghost_work(0).most_held_bytes;
	uint32_t mask = 1;

	if (budget_bytes < safe_bytes)
		budget_bytes = safe_bytes;
	for (unsigned i = 1; i < HAK_STRATEGY_COUNT; i++)
		if (hak_strategy_shares_layout(safe, &hak_strategy_table[i].strategy) &&
		    hak_ghost_work(i).most_held_bytes <= budget_bytes)
			mask |= UINT32_C(1) << i;
	return mask;
}

/*
 * Of the shortlist those whose dealings with the kernel should save as much as is worth a game, by exact
 * counts and a quarter of what the contest asks for, since costs are less exact. With the others' games it
 * would be shown, over thousands of operations, what the counts tell: that they do the same.
 */
static unsigned count_promising(const struct hak_match_sample *now, const uint64_t *predicted)
{
	const struct hak_games_state *state = &hak_games_state;
	uint64_t worth_ns = (now->cpu_ns - state->marked.cpu_ns) / NOTHING_PART;
	unsigned players = 1; /* they are in order */

	while (players < state->contest.players &&
	       predicted[state->player[players]] + worth_ns <= predicted[0])
		players++;
	return players;
}

/* Who plays, and by which rules. Return: false: nobody needs to. */
static bool make_contest(const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;
	const struct hak_cost_table costs = machine_costs();
	struct hak_cost_shape shape = shape_of();
	uint64_t predicted[HAK_STRATEGY_COUNT];

	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++) {
		struct hak_cost_work work = work_of(i);

		predicted[i] = hak_cost_predict(&hak_strategy_table[i].strategy, &work, &shape, &costs);
	}
	state->rules = hak_games_rules(state->sizing.window_ticks);
	memset(&state->contest, 0, sizeof(state->contest));
	memset(state->player, 0, sizeof(state->player));
	state->contest.budget_pairs = CONTEST_PAIRS;
	state->contest.players = hak_cost_shortlist(predicted, eligible(now), state->player);
	if (state->play.policy.mode != HAK_MODE_RESEARCH)
		state->contest.players = count_promising(now, predicted);
	return state->contest.players > 1 && !hak_games_is_nothing_to_gain(now);
}

struct hak_match_rules hak_games_rules(uint32_t window_ticks)
{
	return (struct hak_match_rules){
		.window_ticks = window_ticks,
		.give_back_page_ns = machine_costs().give_back_page_ns,
		.budget_bytes = HAK_GAMES_BUDGET_BYTES,
		.budget_percent = HAK_GAMES_BUDGET_PERCENT,
	};
}

/*
 * Exact counts need no quiet windows: where they say that nothing is to be gained, it is over after the first
 * eight windows of any size. Only who is to play waits until windows can be compared.
 */
enum hak_games_seen hak_games_watch(const struct hak_match_sample *now)
{
	struct hak_games_state *state = &hak_games_state;
	uint64_t cpu_ns = now->cpu_ns - state->watched_from.cpu_ns;
	uint64_t ticks = now->ticks - state->watched_from.ticks;
	bool sized = hak_sizing_add(&state->sizing, cpu_ns * 64 / ticks, cpu_ns);
	bool is_judged = sized || state->sizing.windows == 0; /* quiet; or doubled, for it was not */
	bool is_enough = hak_games_operations() >= WATCH_OPERATIONS || state->sizing.windows >= WATCH_WINDOWS;

	state->watched_from = *now;
	if (is_judged && is_enough) {
		bool is_nothing = !make_contest(now) && state->play.policy.mode != HAK_MODE_RESEARCH;

		if (is_nothing || sized) {
			hak_ghost_stop();
			return is_nothing                                 ? HAK_GAMES_SEEN_NOTHING
			       : state->sizing.scatter > HAK_SIZING_NOISY ? HAK_GAMES_SEEN_NOISE
									  : HAK_GAMES_SEEN_PLAYERS;
		}
	}
	if (state->sizing.windows <= 1)
		mark_beginning(now);
	hak_games_await(now->ticks + state->sizing.window_ticks);
	return HAK_GAMES_SEEN_TOO_LITTLE;
}
