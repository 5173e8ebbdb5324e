/* SPDX-License-Identifier: MIT */
#include "contest.h"

#include <stdbool.h>

#include "duel.h"
#include "fixed.h"

struct hak_score hak_contest_score(const struct hak_contest *contest, unsigned a, unsigned b)
{
	return a < b ? contest->score[a][b] : hak_score_reversed(&contest->score[b][a]);
}

uint64_t hak_contest_pairs(const struct hak_contest *contest)
{
	uint64_t pairs = 0;

	for (unsigned a = 0; a < contest->players; a++)
		for (unsigned b = a + 1; b < contest->players; b++)
			pairs += hak_score_pairs(&contest->score[a][b]);
	return pairs;
}

/* What a duel says of challengers against player 0. */
struct standing {
	bool beats_safe[HAK_CONTEST_PLAYERS];
	bool useless[HAK_CONTEST_PLAYERS];
	int64_t evidence[HAK_CONTEST_PLAYERS];
	int32_t mean[HAK_CONTEST_PLAYERS];
};

/* ln(challengers / 0.05): one of them wins by chance with 5 % at most. */
static int64_t bound_of(const struct hak_contest *contest)
{
	return HAK_DUEL_LN20 + hak_fixed_ln(contest->players - 1);
}

static void look(const struct hak_contest *contest, struct standing *standing)
{
	for (unsigned i = 1; i < contest->players; i++) {
		struct hak_score score = hak_contest_score(contest, i, 0);
		struct hak_evidence evidence = hak_duel_evidence(&score);

		standing->evidence[i] = evidence.first_wins;
		standing->mean[i] = hak_score_mean(&score);
		standing->beats_safe[i] = evidence.first_wins >= bound_of(contest) && standing->mean[i] > 0;
		standing->useless[i] = !standing->beats_safe[i] && (evidence.first_useless >= HAK_DUEL_LN20 ||
								    evidence.second_wins >= HAK_DUEL_LN20);
	}
}

/* How much better than player 0 it seems to be, with what others found. */
static int32_t promise_of(const struct hak_contest *contest, unsigned i)
{
	struct hak_score all = contest->score[0][i];

	hak_score_sum(&all, &contest->prior[i]);
	return -hak_score_mean(&all);
}

/* Against player 0: who has played least, counting the most promising one's pairs half. */
static struct hak_contest_step next_against_safe(const struct hak_contest *contest,
						 const struct standing *standing)
{
	struct hak_contest_step step = {.state = HAK_CONTEST_SAFE};
	uint64_t least = UINT64_MAX;
	int32_t best = INT32_MIN;

	for (unsigned i = 1; i < contest->players; i++)
		if (!standing->useless[i] && promise_of(contest, i) > best)
			best = promise_of(contest, i);
	for (unsigned i = 1; i < contest->players; i++) {
		uint64_t played = hak_score_pairs(&contest->score[0][i]) * 2;

		if (standing->useless[i])
			continue;
		if (promise_of(contest, i) == best)
			played /= 2;
		if (played < least) {
			least = played;
			step = (struct hak_contest_step){HAK_CONTEST_PLAY, 0, (uint8_t)i, 0};
		}
	}
	return step;
}

/* Is it settled that @leader is to be preferred to @other? */
static bool is_settled(const struct hak_contest *contest, unsigned leader, unsigned other)
{
	struct hak_score score = hak_contest_score(contest, leader, other);
	struct hak_evidence evidence = hak_duel_evidence(&score);

	return evidence.first_wins >= HAK_DUEL_LN20 || evidence.second_useless >= HAK_DUEL_LN20;
}

static bool has_lost(const struct hak_contest *contest, unsigned leader, unsigned other)
{
	struct hak_score score = hak_contest_score(contest, leader, other);

	return hak_duel_evidence(&score).second_wins >= HAK_DUEL_LN20;
}

/* Who beat player 0 and lost to nobody since; of several the better mean against player 0. 0: nobody. */
static unsigned find_leader(const struct hak_contest *contest, const struct standing *standing)
{
	unsigned leader = 0;

	for (unsigned i = 1; i < contest->players; i++) {
		if (!standing->beats_safe[i])
			continue;
		if (!leader || has_lost(contest, leader, i) ||
		    (standing->mean[i] > standing->mean[leader] && !has_lost(contest, i, leader)))
			leader = i;
	}
	return leader;
}

/* The leader is better than player 0; is it the best? */
static struct hak_contest_step next_for_leader(const struct hak_contest *contest,
					       const struct standing *standing, unsigned leader, bool is_over)
{
	struct hak_contest_step step = {HAK_CONTEST_WON, (uint8_t)leader, 0, standing->evidence[leader]};
	int32_t next_best = 0;

	for (unsigned i = 1; i < contest->players; i++) {
		if (i == leader)
			continue;
		if (standing->mean[i] > next_best) {
			next_best = standing->mean[i];
			step.b = (uint8_t)i;
		}
		if (is_over || standing->useless[i] || is_settled(contest, leader, i))
			continue;
		if (has_lost(contest, leader, i)) { /* and @i has beaten nobody else yet */
			step.a = (uint8_t)i;
			step.b = (uint8_t)leader;
			step.evidence = standing->evidence[i];
			return step;
		}
		return (struct hak_contest_step){HAK_CONTEST_PLAY, (uint8_t)(leader < i ? leader : i),
						 (uint8_t)(leader < i ? i : leader), 0};
	}
	return step;
}

struct hak_contest_step hak_contest_step(const struct hak_contest *contest)
{
	struct standing standing = {0};
	struct hak_contest_step step;
	bool is_over;
	unsigned leader;

	if (contest->players < 2)
		return (struct hak_contest_step){.state = HAK_CONTEST_SAFE};
	look(contest, &standing);
	is_over = hak_contest_pairs(contest) >= contest->budget_pairs;
	leader = find_leader(contest, &standing);
	if (leader)
		return next_for_leader(contest, &standing, leader, is_over);
	step = next_against_safe(contest, &standing);
	if (step.state == HAK_CONTEST_PLAY && is_over)
		step.state = HAK_CONTEST_UNDECIDED;
	return step;
}
