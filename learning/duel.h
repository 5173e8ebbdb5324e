/* SPDX-License-Identifier: MIT */
/*
 * A duel: is one of two strategies better? Decided while the games go on, as often as one likes to look,
 * from a score alone.
 *
 * Evidence is a bet against "they are the same": a player who starts with 1 and can never expect to win has
 * more than 1/p with a chance of p at most, at any moment (Ville). Which of the two plays a pair's first
 * window is a coin's choice (hak_duel_coin), and were they the same, the other choice would have given the
 * pair's log ratio x the other sign, whatever the noise was doing: drifting, bursty, correlated in time. So
 * each x is symmetric given what came before, and for every L
 *
 *     exp(L·x - L²·x²/2)  has a mean of at most 1  (cosh y <= exp(y²/2); de la Peña, Klass and Lai 2004)
 *
 * and so does the average over several L of the products, exp(L·S - L²·V/2), S the sum and V the sum of
 * squares. To it, with half of the weight, comes a bet of three quarters on the sign of each pair, which is
 * quicker where every pair is clearly won: 7/4 for two games won, 1/4 for two lost.
 *
 * Nothing is estimated: no variance, no correlation, no number of pairs from which on a limit theorem holds.
 */
#ifndef HAK_LEARNING_DUEL_H
#define HAK_LEARNING_DUEL_H

#include "score.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	HAK_DUEL_WORTH = 20972, /* Q20: 2 %, less is not worth more games */
};
#define HAK_DUEL_LN20 INT64_C(12866572142) /* Q32: evidence against p = 0.05 */

/* Each a natural logarithm, Q32. */
struct hak_evidence {
	int64_t first_wins;     /* the first is better */
	int64_t second_wins;    /* the second is */
	int64_t first_useless;  /* the first is not better by as much as HAK_DUEL_WORTH */
	int64_t second_useless; /* the second is not */
};

struct hak_evidence hak_duel_evidence(const struct hak_score *score);

/* That the first is not better by as much as @worth (Q20), in the same unit. */
int64_t hak_duel_useless(const struct hak_score *score, int32_t worth);

/**
 * hak_duel_coin() - does the second strategy play the first window of this pair?
 * @seed: nobody else's: of this process and this match
 * @pair: its number in the match
 */
bool hak_duel_coin(uint64_t seed, uint32_t pair);

#endif
