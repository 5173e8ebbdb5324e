/* SPDX-License-Identifier: MIT */
/*
 * A trial: two strategies that cannot take turns within one process, because what they differ in carries
 * over (huge pages). Each process that starts runs one of them, by the coin of its own key, for its first
 * minute or its life, and tells what that cost. Each is a game: against what is usual, the middle between the
 * medians of what the last few of either strategy cost. Two are a pair, whichever strategies they ran, and
 * what comes of it is a score as of any pair of games.
 *
 * Both games of a pair are measured by what was usual before the pair. So with both coins turned over the
 * pair's log ratio would have had the other sign: it is symmetric given what came before, as duel.h needs it,
 * whatever the costs of programs were doing meanwhile. Where a start costs x more under one strategy than
 * under the other, it is x/2 off the middle: a game counts that twice. Two starts that ran different
 * strategies are thereby compared with each other, and what is usual drops out.
 *
 * Noise is often upwards: somebody else had the cache, or the other half of the core. So a game counts no
 * more than a limit that is known before it: a third more than the least of the last few lies below what is
 * usual, or as much as the two strategies seem to differ.
 *
 * Nobody knows what a program's work is. Costs are told by two measures: per allocation, which is right where
 * starts have inputs of different size, and of the whole start, which is right where allocations say nothing
 * about the work (memcached makes 133, whatever it serves). A pair's games are measured by the one that
 * scattered less in the last few starts before it.
 *
 * Memory is a limit: a strategy of another layout than the safe one's that used more than a tenth beyond the
 * other has lost, however fast it was. It is no merit: who used less has still to be faster.
 *
 * Pure; any thread.
 */
#ifndef HAK_LEARNING_TRIAL_H
#define HAK_LEARNING_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "score.h"

enum {
	HAK_TRIAL_RECENT = 8,           /* starts of a strategy tell what is usual */
	HAK_TRIAL_PAIRS = 340,          /* and no decision: it has none */
	HAK_TRIAL_WORTH = 10486,        /* Q20: 1 %; games cost nothing here, as somebody starts anyway */
	HAK_TRIAL_MEMORY_PERCENT = 110, /* of the other's: more has lost */
};

/* What CPU time is told per. */
enum hak_trial_measure { HAK_TRIAL_PER_ALLOCATION, HAK_TRIAL_PER_START, HAK_TRIAL_MEASURES };

struct hak_trial_result {
	uint64_t cost[HAK_TRIAL_MEASURES]; /* CPU time, at least 1; any units */
	uint64_t memory_bytes;             /* most that was resident */
};

struct hak_trial_side {
	uint32_t starts;
	struct hak_trial_result recent[HAK_TRIAL_RECENT]; /* the last of them */
};

struct hak_trial {
	uint8_t strategy[2]; /* in force, challenger; the same: there is no trial */
	uint32_t uid;        /* of those gathered: pairs are of one user's processes */
	struct hak_trial_side side[2];

	/* Of the pair that is being played: */
	bool is_begun;  /* its first game is played, */
	int32_t played; /* with this result; */
	enum hak_trial_measure measure;
	struct hak_trial_result usual[2];
	int64_t limit; /* Q20: of a game */
};

/* Does the process whose key ends in @word run the challenger? */
static inline bool hak_trial_coin(uint64_t word)
{
	return word & 1;
}

static inline bool hak_trial_is_open(const struct hak_trial *trial)
{
	return trial->strategy[0] != trial->strategy[1];
}

/* From now on @in_force against @challenger. What was gathered stays where they are the same as before. */
void hak_trial_set(struct hak_trial *trial, uint8_t in_force, uint8_t challenger);

/**
 * hak_trial_add() - a process's result
 * @second: it ran the challenger
 * @ret_score: one pair, seen from the strategy in force; set where true is returned
 * Return: it completed a pair.
 */
bool hak_trial_add(struct hak_trial *trial, bool second, uint32_t uid, const struct hak_trial_result *result,
		   struct hak_score *ret_score);

enum hak_trial_state {
	HAK_TRIAL_OPEN,
	HAK_TRIAL_WON,       /* the challenger is better */
	HAK_TRIAL_LOST,      /* it is not, by as much as HAK_TRIAL_WORTH */
	HAK_TRIAL_UNDECIDED, /* HAK_TRIAL_PAIRS are played */
};

/* @score: of the strategy in force against the challenger. @challengers: that are tried in all, at least 1.
 */
enum hak_trial_state hak_trial_judge(const struct hak_score *score, unsigned challengers);

#endif
