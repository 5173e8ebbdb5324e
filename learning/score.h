/* SPDX-License-Identifier: MIT */
/*
 * A score: what is known of two strategies from the pairs of games that they played against each other. Every
 * field only ever rises, so the scores of one process at two moments merge by the maximum, and those of two
 * processes by the sum; in any order, any number of times, with the same result.
 *
 * Seen from the first of the two. A pair is four windows, A B B A or B A A B: two halves, each one game.
 */
#ifndef HAK_LEARNING_SCORE_H
#define HAK_LEARNING_SCORE_H

#include <stdbool.h>
#include <stdint.h>

enum hak_outcome {
	HAK_OUTCOME_LOST_BOTH,
	HAK_OUTCOME_LOST_ONE, /* the other one was a draw */
	HAK_OUTCOME_EVEN,     /* two draws, or one each */
	HAK_OUTCOME_WON_ONE,
	HAK_OUTCOME_WON_BOTH,
	HAK_OUTCOME_COUNT
};

enum {
	HAK_SCORE_DRAW = 5243,         /* Q20: within 0.5 % nobody won */
	HAK_SCORE_LOST = 104858,       /* Q20: a window over its memory budget costs this at least */
	HAK_SCORE_PAIRS_MAX = 1 << 30, /* of one outcome; stops there */
};
#define HAK_SCORE_SUM_MAX (UINT64_C(1) << 61) /* of plus and minus, and of squares; they stop there */

struct hak_score {
	uint32_t outcome[HAK_OUTCOME_COUNT];
	uint32_t reserved;
	uint64_t plus; /* Q20: of the pairs' log ratios (cost of second : cost of first) the positive ones, */
	uint64_t minus;   /* and the negative ones, negated */
	uint64_t squares; /* Q32: of their squares */
};

/* The number of pairs. */
uint64_t hak_score_pairs(const struct hak_score *score);

/**
 * hak_score_of_half() - one game's result
 * @first_cost, @second_cost: per unit of work; any unit
 * @first_lost, @second_lost: it held more memory than it may
 * Return: Q20, positive where the first won; HAK_SCORE_LOST against who alone held too much, at least.
 */
int32_t hak_score_of_half(uint64_t first_cost, uint64_t second_cost, bool first_lost, bool second_lost);

/* The same of a game that was measured otherwise, @ratio: Q20. */
int32_t hak_score_with_budget(int32_t ratio, bool first_lost, bool second_lost);

/* One pair more, from its halves (Q20); the pair's log ratio is their mean. */
void hak_score_add(struct hak_score *score, int32_t half0, int32_t half1);

/* Another look at the same process: the maximum of each field. */
void hak_score_merge(struct hak_score *score, const struct hak_score *look);

/* Another process: the sum of each field, which stops at its limit. */
void hak_score_sum(struct hak_score *score, const struct hak_score *other);

/* Has nothing fallen since @before, an earlier look at the same? */
bool hak_score_is_above(const struct hak_score *score, const struct hak_score *before);
/* What came since then. */
struct hak_score hak_score_difference(const struct hak_score *score, const struct hak_score *before);

/* The same shares in @pairs pairs at most; those that were fewer stay as they are. */
struct hak_score hak_score_scaled(const struct hak_score *score, uint32_t pairs);

/* The same pairs seen from the second strategy. */
struct hak_score hak_score_reversed(const struct hak_score *score);

/**
 * hak_score_is_sound() - could honest games have made it?
 * The sums must be possible with that many pairs, and the squares with those sums.
 */
bool hak_score_is_sound(const struct hak_score *score);

/* Mean of the pairs' log ratios and its standard error, Q20; both 0 without a pair. */
int32_t hak_score_mean(const struct hak_score *score);
int32_t hak_score_error(const struct hak_score *score);

/* Standard deviation of a pair's log ratio, Q20; about that of one window. */
int32_t hak_score_scatter(const struct hak_score *score);

#endif
