/* SPDX-License-Identifier: MIT */
/* What the parts of the games (games*.c) share; each calls those above it alone. All of it under the games'
 * lock. */
#ifndef HAK_GAMES_PRIVATE_H
#define HAK_GAMES_PRIVATE_H

#include "contest.h"
#include "cost.h"
#include "duel.h"
#include "fixed.h"
#include "match.h"
#include "process.h"
#include "sizing.h"
#include "stats.h"

struct hak_games_state {
	struct hak_lock lock;
	struct hak_process_play play; /* the policy that all this is for */
	bool begin_anew;              /* what goes on was another process's */
	enum hak_game_phase phase;
	uint8_t in_force; /* strategy */
	struct hak_match_rules rules;
	struct hak_match match;
	uint64_t seed; /* of the coins */
	uint32_t coins, pairs;
	uint64_t operations_before, operations; /* when learning began; that the last decision took */

	/* WATCH */
	struct hak_sizing sizing;
	struct hak_match_sample watched_from; /* the window's beginning */
	struct hak_match_sample marked;       /* from where on the kernel's work is counted */
	uint64_t marked_counter[HAK_COUNTER_COUNT];
	struct hak_cost_work marked_work[HAK_STRATEGY_COUNT]; /* what the ghosts had done by then */

	/* PLAY */
	struct hak_contest contest;
	uint8_t player[HAK_CONTEST_PLAYERS]; /* strategies of the contest */
	uint32_t idle_pairs;                 /* in a row in which there was nothing to gain */

	/* FROZEN, CANARY */
	uint8_t winner, rival;
	uint32_t rest_windows;          /* from one canary to the next */
	struct hak_score canary;        /* rival against winner, since it was frozen */
	struct hak_match_sample looked; /* when the cost was last looked at */
	uint64_t cost_before;           /* at the first look after the decision */
	uint32_t changed;               /* looks in a row that found another */
	uint32_t patience;              /* so many are too many */

	struct hak_stats stats; /* to collect into: too large for somebody's stack */
};
extern struct hak_games_state hak_games_state;

/* ---- games_match.c ----------------------------------------------------------------------------------- */

/* A pair's result: of A against B. */
struct hak_games_pair {
	int32_t half[2]; /* Q20 */
	uint64_t cost_a; /* ns of 64 ticks */
};

/* Clocks and books as they are now. Syscalls: clock_gettime, getrusage. */
void hak_games_sample(struct hak_match_sample *ret_sample);

/* The next turn is due at @ticks. */
void hak_games_await(uint64_t ticks);

void hak_games_put_in_force(uint8_t strategy);
void hak_games_begin_match(uint8_t a, uint8_t b, bool first_is_b, const struct hak_match_sample *now);

/* A border of the match may have been reached. Return: true: a pair is complete, and tallied. */
bool hak_games_play(const struct hak_match_sample *now, struct hak_games_pair *ret_pair);

/* Of the learned layer (new slabs, large blocks) since learning began, up to the decision. */
uint64_t hak_games_operations(void);
uint64_t hak_games_operations_now(void);

/* What we do now, into telemetry. */
void hak_games_report(void);

/* ---- games_watch.c ----------------------------------------------------------------------------------- */

enum hak_games_seen {
	HAK_GAMES_SEEN_TOO_LITTLE,
	HAK_GAMES_SEEN_NOTHING, /* that is worth a game: the program hardly asks the kernel for anything */
	HAK_GAMES_SEEN_NOISE,   /* windows that cannot be compared */
	HAK_GAMES_SEEN_PLAYERS, /* the contest is made */
};

void hak_games_begin_watch(const struct hak_match_sample *now);
/* A window has ended. */
enum hak_games_seen hak_games_watch(const struct hak_match_sample *now);

/* What the kernel does for us is counted from here on. */
void hak_games_mark(const struct hak_match_sample *now);
/* Is all that it has done since not worth a game? Some faults are others' even. */
bool hak_games_is_nothing_to_gain(const struct hak_match_sample *now);

struct hak_match_rules hak_games_rules(uint32_t window_ticks);

/* ---- games_learn.c ----------------------------------------------------------------------------------- */

/* What is due at @now; and what the policy in force wants, where it is a new one. */
void hak_games_turn(const struct hak_match_sample *now);
void hak_games_follow_locked(void);

/* How the program costs now, while it is frozen. */
void hak_games_look(const struct hak_match_sample *now);

#endif
