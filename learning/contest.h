/* SPDX-License-Identifier: MIT */
/*
 * A contest: the few strategies of a shortlist, of which one is to be found that is better than the safe one,
 * or none. Says after every pair of games who plays next, or that it is over and why.
 *
 * Player 0 is the safe strategy. Another one is frozen only after it has beaten player 0 in a duel
 * (learning/duel.h) whose bound is corrected for the number of challengers, so that where all are the same a
 * challenger is frozen in 5 % of contests at most. Between two that both beat player 0 a duel decides too, up
 * to the contest's budget; then the better mean does, and either choice is a gain.
 *
 * Pure; any thread. The in-process learner and the daemon use the same one.
 */
#ifndef HAK_LEARNING_CONTEST_H
#define HAK_LEARNING_CONTEST_H

#include "score.h"

#include <stdint.h>

enum { HAK_CONTEST_PLAYERS = 4, HAK_CONTEST_PAIRS = 1200 };

struct hak_contest {
	uint32_t players;      /* 2 to HAK_CONTEST_PLAYERS; fewer: over at once */
	uint32_t budget_pairs; /* of all duels together; HAK_CONTEST_PAIRS where nothing says otherwise */
	struct hak_score score[HAK_CONTEST_PLAYERS][HAK_CONTEST_PLAYERS]; /* [a][b] with a < b only */
	/* Player 0 against each, as others found it: who is promising, and plays more. No evidence. */
	struct hak_score prior[HAK_CONTEST_PLAYERS];
};

enum hak_contest_state {
	HAK_CONTEST_PLAY,      /* a against b */
	HAK_CONTEST_WON,       /* by a, which is not player 0 */
	HAK_CONTEST_SAFE,      /* no challenger is better than player 0 by as much as HAK_DUEL_WORTH */
	HAK_CONTEST_UNDECIDED, /* the budget is used up: player 0 stays */
};

struct hak_contest_step {
	enum hak_contest_state state;
	uint8_t a, b;     /* PLAY: the next pair, a < b. WON: a the winner, b the next best, or player 0 */
	int64_t evidence; /* WON: Q32, of a against player 0 */
};

struct hak_contest_step hak_contest_step(const struct hak_contest *contest);

/* The score of @a against @b, whichever of them is less. */
struct hak_score hak_contest_score(const struct hak_contest *contest, unsigned a, unsigned b);

/* Pairs played, all duels together. */
uint64_t hak_contest_pairs(const struct hak_contest *contest);

#endif
