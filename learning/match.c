/* SPDX-License-Identifier: MIT */
#include "match.h"

#include <string.h>

enum { PAGE_BYTES = 4096, WASHOUT_PART = 4 };

/* Which side plays window @window: first, other, other, first. */
static unsigned side_of(const struct hak_match *match)
{
	bool middle = match->window == 1 || match->window == 2;

	return match->first ^ middle;
}

uint8_t hak_match_strategy(const struct hak_match *match)
{
	return match->strategy[side_of(match)];
}

static void start_washout(struct hak_match *match, const struct hak_match_rules *rules,
			  const struct hak_match_sample *now)
{
	match->washing = true;
	match->from = *now;
	match->switched_ticks = now->ticks;
	match->until_ticks = now->ticks + rules->window_ticks / WASHOUT_PART;
}

static void start_window(struct hak_match *match, const struct hak_match_rules *rules,
			 const struct hak_match_sample *now)
{
	match->washing = false;
	match->from = *now;
	match->until_ticks = now->ticks + rules->window_ticks;
}

void hak_match_begin(struct hak_match *match, const struct hak_match_rules *rules, uint8_t strategy_a,
		     uint8_t strategy_b, bool first_is_b, const struct hak_match_sample *now)
{
	*match = (struct hak_match){
		.strategy = {strategy_a, strategy_b},
		.first = first_is_b,
		.next_first = !first_is_b,
	};
	start_washout(match, rules, now);
}

/* What was held at the switch has been used, or must be taken for gone. */
static bool is_washed_out(const struct hak_match *match, const struct hak_match_rules *rules,
			  const struct hak_match_sample *now)
{
	return now->allocated_bytes - match->from.allocated_bytes >= match->from.held_bytes ||
	       now->ticks - match->switched_ticks >= rules->window_ticks;
}

static uint64_t cost_of(const struct hak_match_sample *from, const struct hak_match_sample *now,
			uint32_t give_back_page_ns)
{
	uint64_t cpu_ns = now->cpu_ns - from->cpu_ns, charge_ns;

	if (now->held_bytes >= from->held_bytes)
		return cpu_ns + (now->held_bytes - from->held_bytes) / PAGE_BYTES * give_back_page_ns;
	/* It did the other's work. */
	charge_ns = (from->held_bytes - now->held_bytes) / PAGE_BYTES * give_back_page_ns;
	return charge_ns < cpu_ns ? cpu_ns - charge_ns : 1;
}

static void end_window(struct hak_match *match, const struct hak_match_rules *rules,
		       const struct hak_match_sample *now)
{
	struct hak_match_side *side = &match->result.half[match->window / 2].side[side_of(match)];

	side->cost_ns += cost_of(&match->from, now, rules->give_back_page_ns);
	side->ticks += now->ticks - match->from.ticks;
	side->faults += now->faults - match->from.faults;
	side->lost += now->held_bytes > rules->budget_bytes + now->live_bytes / 100 * rules->budget_percent;
}

bool hak_match_turn(struct hak_match *match, const struct hak_match_rules *rules,
		    const struct hak_match_sample *now, struct hak_match_result *ret_result)
{
	uint8_t before = hak_match_strategy(match);
	bool done;

	if (now->ticks < match->until_ticks)
		return false;
	if (match->washing) {
		if (is_washed_out(match, rules, now))
			start_window(match, rules, now);
		else
			match->until_ticks = now->ticks + rules->window_ticks / WASHOUT_PART;
		return false;
	}
	end_window(match, rules, now);
	done = ++match->window == HAK_MATCH_WINDOWS;
	if (done) {
		*ret_result = match->result;
		memset(&match->result, 0, sizeof(match->result));
		match->window = 0;
		match->first = match->next_first;
	}
	/* A pair begins with a washout whoever comes first: neither order may be better off. */
	if (done || hak_match_strategy(match) != before)
		start_washout(match, rules, now);
	else
		start_window(match, rules, now);
	return done;
}
