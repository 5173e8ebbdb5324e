/* SPDX-License-Identifier: MIT */
/* Windows and their order, with an injected process whose ticks cost what the strategy in force says. */
#include <check.h>
#include <string.h>

#include "match.h"
#include "suite.h"

enum { A = 3, B = 7, WINDOW = 16 };

static const struct hak_match_rules rules = {
	.window_ticks = WINDOW,
	.give_back_page_ns = 100,
	.budget_bytes = 1 << 20,
	.budget_percent = 50,
};

/* A process that works tick by tick. */
struct process {
	struct hak_match_sample now;
	uint64_t tick_ns[8]; /* by strategy */
	uint64_t allocated_a_tick;
	char order[512]; /* the strategy in force, a letter a tick; lower case while washing out */
	unsigned used;
};

static bool work(struct process *process, struct hak_match *match, struct hak_match_result *result)
{
	uint8_t strategy = hak_match_strategy(match);
	char letter = strategy == A ? 'A' : 'B';

	process->now.ticks++;
	process->now.cpu_ns += process->tick_ns[strategy];
	process->now.faults += strategy;
	process->now.allocated_bytes += process->allocated_a_tick;
	if (process->used + 1 < sizeof(process->order))
		process->order[process->used++] = match->washing ? (char)(letter + ('a' - 'A')) : letter;
	return hak_match_turn(match, &rules, &process->now, result);
}

static struct process fresh_process(void)
{
	return (struct process){
		.now = {.ticks = 1000, .cpu_ns = 5000, .live_bytes = 100 << 20},
		.tick_ns = {[A] = 100, [B] = 130},
		.allocated_a_tick = 4096,
	};
}

/* Both halves of a side. */
static struct hak_match_side total(const struct hak_match_result *result, unsigned side)
{
	const struct hak_match_side *first = &result->half[0].side[side];
	const struct hak_match_side *second = &result->half[1].side[side];

	return (struct hak_match_side){.cost_ns = first->cost_ns + second->cost_ns,
				       .ticks = first->ticks + second->ticks,
				       .faults = first->faults + second->faults,
				       .lost = first->lost + second->lost};
}

static void play_pair(struct process *process, struct hak_match *match, struct hak_match_result *result)
{
	unsigned ticks = 0;

	while (!work(process, match, result))
		ck_assert_uint_lt(++ticks, 100000);
}

START_TEST(pair_is_abba_with_a_quarter_of_a_window_washed_out_after_each_switch)
{
	struct process process = fresh_process();
	struct hak_match_result result;
	struct hak_match match;

	hak_match_begin(&match, &rules, A, B, false, &process.now);
	play_pair(&process, &match, &result);
	ck_assert_str_eq(process.order, "aaaaAAAAAAAAAAAAAAAA"
					"bbbbBBBBBBBBBBBBBBBB"
					"BBBBBBBBBBBBBBBB"
					"aaaaAAAAAAAAAAAAAAAA");
	ck_assert_uint_eq(total(&result, 0).ticks, 2 * WINDOW);
	ck_assert_uint_eq(total(&result, 1).ticks, 2 * WINDOW);
	ck_assert_uint_eq(total(&result, 0).cost_ns, 2 * WINDOW * 100);
	ck_assert_uint_eq(total(&result, 1).cost_ns, 2 * WINDOW * 130);
	ck_assert_uint_eq(total(&result, 0).faults, 2 * WINDOW * A);
	ck_assert_uint_eq(total(&result, 0).lost + total(&result, 1).lost, 0);
	for (unsigned half = 0; half < 2; half++)
		for (unsigned side = 0; side < 2; side++)
			ck_assert_uint_eq(result.half[half].side[side].ticks, WINDOW);
}
END_TEST

START_TEST(b_goes_first_where_the_schedule_says_so)
{
	struct process process = fresh_process();
	struct hak_match_result result;
	struct hak_match match;

	hak_match_begin(&match, &rules, A, B, true, &process.now);
	ck_assert_uint_eq(hak_match_strategy(&match), B);
	play_pair(&process, &match, &result);
	ck_assert_uint_eq(process.order[4], 'B');
	ck_assert_uint_eq(process.order[30], 'A');
	ck_assert_uint_eq(total(&result, 1).cost_ns, 2 * WINDOW * 130);
}
END_TEST

START_TEST(next_pair_begins_as_the_coin_fell)
{
	struct process process = fresh_process();
	struct hak_match_result result;
	struct hak_match match;

	hak_match_begin(&match, &rules, A, B, false, &process.now);
	for (int pair = 0; pair < 4; pair++) {
		unsigned before = process.used;

		match.next_first = pair % 2 == 0;
		play_pair(&process, &match, &result);
		ck_assert_uint_eq(process.order[before], pair % 2 ? 'b' : 'a'); /* a washout in any case */
		ck_assert_uint_eq(hak_match_strategy(&match), match.next_first ? B : A);
		ck_assert_uint_eq(total(&result, 0).cost_ns, 2 * WINDOW * 100);
		ck_assert_uint_eq(total(&result, 1).cost_ns, 2 * WINDOW * 130);
	}
}
END_TEST

START_TEST(steady_drift_favours_nobody)
{
	struct process process = fresh_process();
	struct hak_match_result result;
	struct hak_match match;

	process.tick_ns[A] = process.tick_ns[B] = 1000;
	process.allocated_a_tick = 1 << 20;
	hak_match_begin(&match, &rules, A, B, false, &process.now);
	do {
		process.tick_ns[A] += 10;
		process.tick_ns[B] += 10;
	} while (!work(&process, &match, &result));
	/* The washouts between make it not quite symmetric; each window alone differs by 16 %. */
	ck_assert_uint_le(total(&result, 0).cost_ns * 1000, total(&result, 1).cost_ns * 1010);
	ck_assert_uint_le(total(&result, 1).cost_ns * 1000, total(&result, 0).cost_ns * 1010);
}
END_TEST

START_TEST(washout_lasts_until_what_was_held_is_turned_over)
{
	struct process process = fresh_process();
	struct hak_match_result result;
	struct hak_match match;

	process.now.held_bytes = 10 * 4096;
	hak_match_begin(&match, &rules, A, B, false, &process.now);
	play_pair(&process, &match, &result);
	ck_assert_uint_eq(strncmp(process.order, "aaaaaaaaaaaaA", 13), 0);
	/* Never longer than a window. */
	process = fresh_process();
	process.now.held_bytes = 1 << 30;
	hak_match_begin(&match, &rules, A, B, false, &process.now);
	play_pair(&process, &match, &result);
	ck_assert_uint_eq(strncmp(process.order, "aaaaaaaaaaaaaaaaA", 17), 0);
}
END_TEST

START_TEST(work_that_is_put_off_is_charged_and_work_done_for_the_other_is_credited)
{
	struct process process = fresh_process();
	struct hak_match_result result;
	struct hak_match match;

	hak_match_begin(&match, &rules, A, B, false, &process.now);
	do {
		/* A defers ten pages in each of its windows, B gives them back in its own. */
		if (process.now.ticks + 1 == match.until_ticks && !match.washing)
			process.now.held_bytes += hak_match_strategy(&match) == A ? 40960 : -40960ULL;
		if (process.now.held_bytes > 1 << 30)
			process.now.held_bytes = 0;
	} while (!work(&process, &match, &result));
	ck_assert_uint_eq(total(&result, 0).cost_ns, 2 * WINDOW * 100 + 2 * 1000);
	ck_assert_uint_lt(total(&result, 1).cost_ns, 2 * WINDOW * 130);
}
END_TEST

START_TEST(window_over_the_memory_budget_is_lost)
{
	struct process process = fresh_process();
	struct hak_match_result result;
	struct hak_match match;

	hak_match_begin(&match, &rules, A, B, false, &process.now);
	do
		process.now.held_bytes = hak_match_strategy(&match) == B ? 52 << 20 : 50 << 20;
	while (!work(&process, &match, &result));
	ck_assert_uint_eq(total(&result, 0).lost, 0);
	ck_assert_uint_eq(total(&result, 1).lost, 2);
}
END_TEST

START_TEST(late_looks_make_longer_windows_and_cost_per_tick_stays)
{
	struct process process = fresh_process();
	struct hak_match_result result;
	struct hak_match match;
	bool done = false;

	process.allocated_a_tick = 1 << 20;
	hak_match_begin(&match, &rules, A, B, false, &process.now);
	while (!done) {
		uint8_t strategy = hak_match_strategy(&match);

		process.now.ticks += 7;
		process.now.cpu_ns += 7 * process.tick_ns[strategy];
		done = hak_match_turn(&match, &rules, &process.now, &result);
	}
	ck_assert_uint_eq(total(&result, 0).cost_ns, total(&result, 0).ticks * 100);
	ck_assert_uint_eq(total(&result, 1).cost_ns, total(&result, 1).ticks * 130);
	ck_assert_uint_ge(total(&result, 0).ticks, 2 * WINDOW);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("match");

	tcase_add_test(tcase, pair_is_abba_with_a_quarter_of_a_window_washed_out_after_each_switch);
	tcase_add_test(tcase, b_goes_first_where_the_schedule_says_so);
	tcase_add_test(tcase, next_pair_begins_as_the_coin_fell);
	tcase_add_test(tcase, steady_drift_favours_nobody);
	tcase_add_test(tcase, washout_lasts_until_what_was_held_is_turned_over);
	tcase_add_test(tcase, work_that_is_put_off_is_charged_and_work_done_for_the_other_is_credited);
	tcase_add_test(tcase, window_over_the_memory_budget_is_lost);
	tcase_add_test(tcase, late_looks_make_longer_windows_and_cost_per_tick_stays);
	return run_suite("match", tcase);
}
