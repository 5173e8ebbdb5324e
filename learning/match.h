/* SPDX-License-Identifier: MIT */
/*
 * A match: two strategies take turns in one process, in windows of equal work. Four windows are a pair, in
 * the order A B B A or B A A B, as a coin fell, so that a steady drift favours nobody, and give one result of
 * two halves.
 *
 *   washout A ─ window A ─ washout B ─ window B │ window B ─ washout A ─ window A      then the next pair
 *
 * In a washout what the other strategy left behind is used up: a quarter of a window at least, and until
 * as many bytes were allocated as it had kept, a whole window at most. At a window's end what has not been
 * given back yet is charged at what it will cost: work put off must not win.
 *
 * Pure: the caller brings the work done so far, the clocks and the books, and puts in force what is said.
 */
#ifndef HAK_LEARNING_MATCH_H
#define HAK_LEARNING_MATCH_H

#include <stdbool.h>
#include <stdint.h>

enum { HAK_MATCH_WINDOWS = 4 };

/* Read at the borders of windows; since the process began, but for the last two. */
struct hak_match_sample {
	uint64_t ticks;           /* work done; its unit is the caller's */
	uint64_t cpu_ns;          /* of the whole process */
	uint64_t faults;          /* page faults, minor and major */
	uint64_t allocated_bytes;
	uint64_t held_bytes;      /* now free and resident */
	uint64_t live_bytes;      /* now in the program's hands */
};

struct hak_match_rules {
	uint32_t window_ticks;     /* work of a window; at least 4 */
	uint32_t give_back_page_ns; /* what 4 KiB that are held will cost to give back */
	uint64_t budget_bytes;     /* a window that ends with more held is lost, */
	uint32_t budget_percent;   /* beside this much of what is live */
};

struct hak_match_side {
	uint64_t cost_ns; /* CPU time of its windows and the charge */
	uint64_t ticks;
	uint64_t faults;
	uint32_t lost; /* windows over the memory budget */
};

/* One pair's result; side 0 is A. Each half has one window of each. */
struct hak_match_result {
	struct hak_match_half {
		struct hak_match_side side[2];
	} half[2];
};

struct hak_match {
	uint8_t strategy[2];
	uint8_t first;      /* side of the pair's first and last window */
	uint8_t next_first; /* of the next pair's: the caller's coin, thrown while this one is played */
	uint8_t window; /* of the pair */
	bool washing;
	uint64_t until_ticks; /* hak_match_turn() is due; look at it as often as you like */
	uint64_t switched_ticks;
	struct hak_match_sample from; /* the window's beginning; while washing, the switch */
	struct hak_match_result result; /* so far */
};

/**
 * hak_match_begin() - a and b, of which one is to be put in force now
 * @now: the moment of the switch
 */
void hak_match_begin(struct hak_match *match, const struct hak_match_rules *rules, uint8_t strategy_a,
		     uint8_t strategy_b, bool first_is_b, const struct hak_match_sample *now);

/* The strategy that is to be in force. */
uint8_t hak_match_strategy(const struct hak_match *match);

/**
 * hak_match_turn() - a border may have been reached
 * @now: taken after match->until_ticks; before it nothing happens
 * @ret_result: set where true is returned
 * The next strategy, hak_match_strategy(), is to be put in force at once.
 * Return: true: a pair is complete, and the next one has begun as match->next_first says.
 */
bool hak_match_turn(struct hak_match *match, const struct hak_match_rules *rules,
		    const struct hak_match_sample *now, struct hak_match_result *ret_result);

#endif
