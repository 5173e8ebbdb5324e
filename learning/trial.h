/* SPDX-License-Identifier: MIT */
/*
 * A trial: two strategies that cannot take turns within one process, because what they differ in carries over
 * (huge pages). Each process that starts runs one of them, by the coin of its own key, for its first minute
 * or its life, and tells what that cost. Two that follow each other and ran different strategies are a pair;
 * what comes of it is a score as of any pair of games.
 *
 * Of two that ran the same strategy the later one waits on. So with all coins since the last pair turned over
 * the same two processes would have met, and the pair's log ratio would have had the other sign: it is
 * symmetric given what came before, as duel.h needs it, whatever the programs' costs were doing meanwhile.
 * A pair takes three starts in the mean.
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
	HAK_TRIAL_PAIRS = 240,          /* and no decision: it has none */
	HAK_TRIAL_MEMORY_PERCENT = 110, /* of the other's: more has lost */
};

struct hak_trial_result {
	uint64_t cost;         /* CPU time per unit of work; any unit */
	uint64_t memory_bytes; /* most that was resident */
};

struct hak_trial {
	uint8_t strategy[2]; /* in force, challenger; the same: there is no trial */
	bool waits, waits_second;
	uint32_t waits_uid; /* pairs are of one user's processes */
	struct hak_trial_result waiting;
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

/* From now on @in_force against @challenger. Who waits goes on waiting where they are the same as before. */
void hak_trial_set(struct hak_trial *trial, uint8_t in_force, uint8_t challenger);

/**
 * hak_trial_add() - a process's result
 * @second: it ran the challenger
 * @ret_score: one pair, seen from the strategy in force; set where true is returned
 * Return: it made a pair with the one that waited.
 */
bool hak_trial_add(struct hak_trial *trial, bool second, uint32_t uid, const struct hak_trial_result *result,
		   struct hak_score *ret_score);

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
