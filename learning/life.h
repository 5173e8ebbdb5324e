/* SPDX-License-Identifier: MIT */
/*
 * The life of a program's learning: LEARN -> FROZEN -> CANARY -> (FROZEN | LEARN).
 *
 * Pure: a step takes what is known and the time, changes the state, and says what happened and why. The
 * daemon keeps one for each context and publishes what comes of it.
 *
 * What keeps it from swinging: a canary tests the winner against one rival by a duel, which a rival that is
 * the same wins in 5 % of all canaries at most; after each canary that changed nothing the next one waits
 * twice as long; and after a return to LEARN the first canary waits six times as long as it did before.
 */
#ifndef HAK_LEARNING_LIFE_H
#define HAK_LEARNING_LIFE_H

#include "contest.h"

#include <stdbool.h>
#include <stdint.h>

enum hak_phase_of_life { HAK_LIFE_LEARN, HAK_LIFE_FROZEN, HAK_LIFE_CANARY, HAK_LIFE_COUNT };

#define HAK_LIFE_REST_USEC      (UINT64_C(10) * 60 * 1000000)      /* from FROZEN to the first canary */
#define HAK_LIFE_REST_MOST_USEC (UINT64_C(24) * 60 * 60 * 1000000) /* and to later ones, at most */

enum {
	HAK_LIFE_CANARY_PAIRS = 16,
	HAK_LIFE_GUARD_PAIRS = 2,
	HAK_LIFE_GUARD_LOSS = -262144, /* Q20: 25 %, in the first pairs of a canary already */
};

struct hak_life {
	uint8_t phase;  /* enum hak_phase_of_life */
	uint8_t winner; /* number of a strategy; 0 while nothing was found */
	uint8_t rival;  /* its nearest; of the canary */
	bool held;      /* frozen by hand: nothing is tested, nothing changes */
	uint32_t epoch; /* counts snapshots; 0: never frozen */
	uint32_t rollbacks;
	uint64_t since_usec;          /* of this phase; of the day, as it outlives a boot */
	uint64_t rest_usec;           /* before the next canary */
	struct hak_score canary_base; /* winner against rival, as the canary began */
};

enum hak_life_event {
	HAK_LIFE_NOTHING,
	HAK_LIFE_FROZE_WINNER,    /* the contest was won */
	HAK_LIFE_FROZE_SAFE,      /* no challenger is better by enough */
	HAK_LIFE_FROZE_UNDECIDED, /* the games did not tell: the safe strategy stays */
	HAK_LIFE_BEGAN_CANARY,
	HAK_LIFE_CONFIRMED,   /* the canary changed nothing */
	HAK_LIFE_SHIFTED,     /* the rival has become better: learn anew */
	HAK_LIFE_ROLLED_BACK, /* the winner is far off: the safe strategy now, and learn anew */
	HAK_LIFE_EVENT_COUNT
};

/*
 * Have @usec passed since? A clock of the day may be set: the distance counts either way, so that a step back
 * of a second ends nothing, and one of years does not stop everything for as long.
 */
static inline bool hak_life_has_passed(uint64_t since_usec, uint64_t now_usec, uint64_t usec)
{
	return (now_usec > since_usec ? now_usec - since_usec : since_usec - now_usec) >= usec;
}

/* A name for journals: "froze-winner" and so on. */
const char *hak_life_event_name(enum hak_life_event event);
const char *hak_life_phase_name(enum hak_phase_of_life phase);

/**
 * hak_life_learn() - LEARN: what the contest says
 * @strategy: by player, the number of its strategy
 */
enum hak_life_event hak_life_learn(struct hak_life *life, const struct hak_contest_step *step,
				   const uint8_t *strategy, uint64_t now_usec);

/**
 * hak_life_watch() - FROZEN and CANARY
 * @score:      the winner against the rival, all pairs ever
 * @may_canary: a process runs that can play, and memory is not short
 */
enum hak_life_event hak_life_watch(struct hak_life *life, const struct hak_score *score, bool may_canary,
				   uint64_t now_usec);

/**
 * hak_life_take_over() - LEARN and FROZEN: a challenger has won its trial (trial.h); FROZEN
 * Return: HAK_LIFE_FROZE_WINNER; HAK_LIFE_NOTHING: held, or a canary goes on.
 */
enum hak_life_event hak_life_take_over(struct hak_life *life, uint8_t challenger, uint64_t now_usec);

/**
 * hak_life_tire() - LEARN after a shift that came to no end within its rest: what is in force stays, FROZEN
 * In modes that do not learn nobody plays the contest.
 * Return: did it?
 */
bool hak_life_tire(struct hak_life *life, uint64_t now_usec);

/* By hand. */
void hak_life_freeze(struct hak_life *life, uint8_t winner, uint64_t now_usec);
void hak_life_thaw(struct hak_life *life, uint64_t now_usec);
void hak_life_roll_back(struct hak_life *life, uint8_t winner, uint64_t now_usec);

#endif
