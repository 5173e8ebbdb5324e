/* SPDX-License-Identifier: MIT */
/*
 * A machine on which strategies differ by what we say and everything else is noise, to find out how often the
 * learner is wrong, how long it takes, and what it costs. Plays contests (learning/contest.h) window by
 * window as a process does: pairs A B B A or B A A B by a coin, washouts after switches.
 *
 * Floating point is fine here: nothing of it is in the learner.
 */
#ifndef HAK_BENCH_LEARN_MODEL_H
#define HAK_BENCH_LEARN_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "contest.h"

enum noise {
	NOISE_WHITE,  /* each window's own */
	NOISE_AR1,    /* half of the last window's, and its own */
	NOISE_DRIFT,  /* white, upon a random walk and a slope of half a sigma in ten windows */
	NOISE_BURSTY, /* white, and now and then a spell of windows that cost half as much again */
	NOISE_SPIKY,  /* white, and each fourth window costs up to 60 % more */
	NOISE_CARRY,  /* white, and the first window after a switch pays for the other's leavings */
	NOISE_COUNT
};
extern const char *const noise_name[NOISE_COUNT];

struct model {
	enum noise noise;
	double sigma;                     /* of a window's ln cost */
	unsigned players;                 /* 0 is the safe one */
	double gain[HAK_CONTEST_PLAYERS]; /* by which a strategy is cheaper than player 0: 0.03 is 3 % */
	/* Of trials: scatters from one start to the next, of the ln of what it has to do, */
	double input;
	double miscount; /* and of the ln of how many allocations it makes for the same */
};

struct outcome {
	enum hak_contest_state state;
	unsigned winner; /* 0 unless WON */
	uint64_t pairs;
	uint64_t operations; /* 16 a window, 4 a washout */
	double regret;       /* windows' worth of cost above always playing the best strategy */
};

/* One contest from its first pair to its end. */
struct outcome model_play(const struct model *model, uint64_t seed);

/*
 * One trial (learning/trial.h): processes start one after the other, each on one of two strategies, and cost
 * what the model says of player 0 and 1. `noise` is then from one process to the next; AR(1) is a program
 * that has other input for a while. outcome.operations counts starts; regret is in processes' worth.
 */
struct outcome model_trial(const struct model *model, uint64_t seed);

/* Many contests, or trials. */
struct summary {
	unsigned runs, won[HAK_CONTEST_PLAYERS], safe, undecided;
	double pairs_median, pairs_most, operations_median, regret_mean;
};
struct summary model_run(const struct model *model, struct outcome (*play)(const struct model *, uint64_t),
			 unsigned runs, uint64_t seed);

#endif
