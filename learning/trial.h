/* SPDX-License-Identifier: MIT */
/*
 * A trial: two strategies that cannot take turns within one process, because what they differ in carries over
 * (huge pages). Each process that starts runs one of them, by the coin of its own key, for its first minute
 * or its life, and tells what that cost. Results are gathered until each side has enough, one at first; then
 * the sides are a pair, and what comes of it is a score as of any pair of games.
 *
 * With all coins since the last pair turned over the same processes would have been gathered, each on the
 * other side, and the pair's log ratio would have had the other sign: it is symmetric given what came before,
 * as duel.h needs it, whatever the costs of programs were doing meanwhile. So how many are enough may follow
 * from earlier pairs. What eight pairs of single starts do not tell (24 starts) is small, or drowned in
 * noise, which is often upwards: somebody else had the cache, or the other half of the core. From then on a
 * side is two starts or more, and costs what the cheaper half of them did: five and a half starts a pair. By
 * bench/learn-sim that needs as many starts as single ones where noise is even, finds more where every
 * fourth start is slow, and less where slow spells last for several starts.
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
	HAK_TRIAL_SINGLE_PAIRS = 8,     /* of single starts; then */
	HAK_TRIAL_SIDE = 2,             /* starts are a side */
	HAK_TRIAL_SIDE_MOST = 16,       /* of more the last ones count */
	HAK_TRIAL_PAIRS = 136,          /* and no decision: it has none */
	HAK_TRIAL_MEMORY_PERCENT = 110, /* of the other's: more has lost */
};

struct hak_trial_result {
	uint64_t cost;         /* CPU time per unit of work; any unit */
	uint64_t memory_bytes; /* most that was resident */
};

struct hak_trial_side {
	uint32_t starts;
	struct hak_trial_result result[HAK_TRIAL_SIDE_MOST]; /* of the last ones */
};

struct hak_trial {
	uint8_t strategy[2]; /* in force, challenger; the same: there is no trial */
	uint32_t uid;        /* of those gathered: pairs are of one user's processes */
	struct hak_trial_side side[2];
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

/* How many starts are a side of the next pair, after those of @score. */
unsigned hak_trial_side(const struct hak_score *score);

/**
 * hak_trial_add() - a process's result
 * @enough: starts that make a side, 1 to HAK_TRIAL_SIDE_MOST
 * @second: it ran the challenger
 * @ret_score: one pair, seen from the strategy in force; set where true is returned
 * Return: it completed a pair.
 */
bool hak_trial_add(struct hak_trial *trial, unsigned enough, bool second, uint32_t uid,
		   const struct hak_trial_result *result, struct hak_score *ret_score);

enum hak_trial_state {
	HAK_TRIAL_OPEN,
	HAK_TRIAL_WON,       /* the challenger is better */
	HAK_TRIAL_LOST,      /* it is not, by as much as HAK_DUEL_WORTH */
	HAK_TRIAL_UNDECIDED, /* HAK_TRIAL_PAIRS are played */
};

/* @score: of the strategy in force against the challenger. @challengers: that are tried in all, at least 1.
 */
enum hak_trial_state hak_trial_judge(const struct hak_score *score, unsigned challengers);

#endif
