/* SPDX-License-Identifier: MIT */
/*
 * Ratings: what all scores together say of each player, a pure function of them. The order in which games
 * were played or scores were merged changes nothing, and every machine gets the same bits.
 *
 * Elo: Bradley and Terry's model by maximum likelihood (Newton's method; Hunter 2004 for the model), of the
 * pairs' points: 0, 1/4, 1/2, 3/4 or 1. Two drawn pairs against player 0 are imagined for everybody, so that
 * who won all its games is not rated infinite. Player 0 stands at 1500; an error is that of the difference to
 * it. Elo alone measures noise: 3 % is 169 Elo where windows scatter by 5 %, 42 where they do by 20 %.
 *
 * Gain: how much cheaper than player 0, by weighted least squares over the mean log ratios, so that a player
 * who never met player 0 is rated through the others.
 */
#ifndef HAK_LEARNING_RATING_H
#define HAK_LEARNING_RATING_H

#include "score.h"

#include <stdint.h>

enum { HAK_RATING_PLAYERS = 16 };

struct hak_rating_table {
	uint32_t players; /* 1 to HAK_RATING_PLAYERS; 0 is the safe one */
	struct hak_score score[HAK_RATING_PLAYERS][HAK_RATING_PLAYERS]; /* [a][b] with a < b only */
};

struct hak_rating {
	int32_t elo_milli; /* 1500000 for player 0 */
	uint32_t elo_error_milli;
	int32_t gain_ppm; /* 30000: it costs 3 % less than player 0 */
	uint32_t gain_error_ppm;
	uint64_t pairs; /* that it played */
};

/**
 * hak_rating_compute() - rate all players of a table
 * @ret_ratings: one a player
 * About a millisecond for 12 players. Memory: 4 KiB of stack. Any thread.
 */
void hak_rating_compute(const struct hak_rating_table *table, struct hak_rating *ret_ratings);

#endif
