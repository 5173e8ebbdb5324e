/* SPDX-License-Identifier: MIT */
#include "learn_model.h"

#include <math.h>
#include <stdlib.h>

#include "duel.h"
#include "trial.h"

const char *const noise_name[NOISE_COUNT] = {
	"white", "AR(1) 0.5", "drifting", "bursty", "spiky", "carry-over",
};

enum { WINDOW_OPERATIONS = 16, WASHOUT_OPERATIONS = 4 };
#define CARRIED 0.2 /* of the difference, into the first window after a washout */

struct machine {
	const struct model *model;
	uint64_t random;
	double level, walk; /* of AR(1); of the drift */
	unsigned windows;   /* passed */
	unsigned burst;     /* windows left of it */
	int last;           /* strategy of the window before; -1: none */
	struct outcome outcome;
};

static double uniform(struct machine *machine)
{
	uint64_t x = machine->random += UINT64_C(0x9e3779b97f4a7c15); /* SplitMix64 */

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return ((double)((x ^ x >> 31) >> 11) + 0.5) / 0x1p53;
}

static double normal(struct machine *machine)
{
	double radius = sqrt(-2 * log(uniform(machine)));

	return radius * cos(2 * M_PI * uniform(machine));
}

/* ln of what the machine makes of a window's cost. */
static double noise(struct machine *machine)
{
	double sigma = machine->model->sigma, own = sigma * normal(machine);

	machine->windows++;
	switch (machine->model->noise) {
	case NOISE_AR1: /* of variance sigma² altogether */
		return machine->level = 0.5 * machine->level + sqrt(0.75) * own;
	case NOISE_DRIFT:
		machine->walk += 0.2 * sigma * normal(machine);
		return own + machine->walk + 0.05 * sigma * machine->windows;
	case NOISE_BURSTY:
		if (machine->burst)
			machine->burst--;
		else if (uniform(machine) < 0.02)
			machine->burst = 1 + (unsigned)(12 * uniform(machine));
		return own + (machine->burst ? log(1.5) : 0);
	case NOISE_SPIKY:
		return own + (uniform(machine) < 0.25 ? log(1 + 0.6 * uniform(machine)) : 0);
	default:
		return own;
	}
}

static double window_cost(struct machine *machine, unsigned strategy)
{
	double ln_cost = log(1 - machine->model->gain[strategy]) + noise(machine);

	if (machine->model->noise == NOISE_CARRY && machine->last >= 0 && (unsigned)machine->last != strategy)
		ln_cost += 0.1 + CARRIED * log((1 - machine->model->gain[machine->last]) /
					       (1 - machine->model->gain[strategy]));
	machine->last = (int)strategy;
	machine->outcome.operations += WINDOW_OPERATIONS;
	return exp(ln_cost);
}

static double best_cost(const struct model *model)
{
	double best = 1;

	for (unsigned i = 0; i < model->players; i++)
		best = fmin(best, 1 - model->gain[i]);
	return best;
}

/* A washout passes before the first window of another strategy; the noise goes on meanwhile. */
static void switch_to(struct machine *machine, unsigned strategy)
{
	if (machine->last == (int)strategy)
		return;
	machine->outcome.operations += WASHOUT_OPERATIONS;
	if (uniform(machine) < (double)WASHOUT_OPERATIONS / WINDOW_OPERATIONS)
		(void)noise(machine);
}

static void play_pair(struct machine *machine, struct hak_score *score, unsigned a, unsigned b,
		      bool first_is_b)
{
	unsigned order[4] = {first_is_b ? b : a, first_is_b ? a : b, first_is_b ? a : b, first_is_b ? b : a};
	uint64_t cost[2][2]; /* [half][is b] */
	int32_t half[2];

	for (unsigned i = 0; i < 4; i++) {
		switch_to(machine, order[i]);
		cost[i / 2][order[i] == b] = (uint64_t)(1e9 * window_cost(machine, order[i]));
		machine->outcome.regret += 1 - machine->model->gain[order[i]] - best_cost(machine->model);
	}
	for (unsigned i = 0; i < 2; i++)
		half[i] = hak_score_of_half(cost[i][0], cost[i][1], false, false);
	hak_score_add(score, half[0], half[1]);
}

struct outcome model_play(const struct model *model, uint64_t seed)
{
	struct hak_contest contest = {.players = model->players, .budget_pairs = HAK_CONTEST_PAIRS};
	struct machine machine = {.model = model, .random = seed, .last = -1};

	for (uint32_t pair = 0;; pair++) {
		struct hak_contest_step step = hak_contest_step(&contest);

		if (step.state != HAK_CONTEST_PLAY) {
			machine.outcome.state = step.state;
			machine.outcome.winner = step.state == HAK_CONTEST_WON ? step.a : 0;
			machine.outcome.pairs = pair;
			return machine.outcome;
		}
		play_pair(&machine, &contest.score[step.a][step.b], step.a, step.b,
			  hak_duel_coin(seed, pair));
	}
}

/* Nothing is drawn where nothing scatters. */
static double scattered(struct machine *machine, double sigma)
{
	return sigma > 0 ? exp(sigma * normal(machine)) : 1;
}

struct outcome model_trial(const struct model *model, uint64_t seed)
{
	struct machine machine = {.model = model, .random = seed, .last = -1};
	struct outcome *outcome = &machine.outcome;
	struct hak_trial trial = {.strategy = {0, 1}};
	struct hak_score score = {.plus = 0}, pair;

	for (;;) {
		bool second = hak_trial_coin((uint64_t)(2 * uniform(&machine)));
		double cost = (1 - model->gain[second]) * exp(noise(&machine));
		double input = scattered(&machine, model->input);
		double count = scattered(&machine, model->miscount);
		const struct hak_trial_result result = {
			.cost = {[HAK_TRIAL_PER_ALLOCATION] = (uint64_t)(1e6 * cost / count),
				 [HAK_TRIAL_PER_START] = (uint64_t)(1e6 * cost * input)},
			.memory_bytes = 1};
		enum hak_trial_state state;

		outcome->operations++;
		outcome->regret += 1 - model->gain[second] - best_cost(model);
		if (!hak_trial_add(&trial, second, 0, &result, &pair))
			continue;
		outcome->pairs++;
		hak_score_sum(&score, &pair);
		state = hak_trial_judge(&score, 2); /* huge and flat */
		if (state == HAK_TRIAL_OPEN)
			continue;
		outcome->winner = state == HAK_TRIAL_WON;
		outcome->state = state == HAK_TRIAL_WON    ? HAK_CONTEST_WON
				 : state == HAK_TRIAL_LOST ? HAK_CONTEST_SAFE
							   : HAK_CONTEST_UNDECIDED;
		return *outcome;
	}
}

static int compare(const void *left, const void *right)
{
	double l = *(const double *)left, r = *(const double *)right;

	return (l > r) - (l < r);
}

struct summary model_run(const struct model *model, struct outcome (*play)(const struct model *, uint64_t),
			 unsigned runs, uint64_t seed)
{
	struct summary summary = {.runs = runs};
	double *pairs = calloc(runs, sizeof(*pairs)), *operations = calloc(runs, sizeof(*operations));

	for (unsigned i = 0; pairs && operations && i < runs; i++) {
		struct outcome outcome = play(model, (seed + i) * UINT64_C(0xd1342543de82ef95));

		summary.won[outcome.winner] += outcome.state == HAK_CONTEST_WON;
		summary.safe += outcome.state == HAK_CONTEST_SAFE;
		summary.undecided += outcome.state == HAK_CONTEST_UNDECIDED;
		summary.regret_mean += outcome.regret / runs;
		pairs[i] = (double)outcome.pairs;
		operations[i] = (double)outcome.operations;
	}
	qsort(pairs, runs, sizeof(*pairs), compare);
	qsort(operations, runs, sizeof(*operations), compare);
	summary.pairs_median = pairs[runs / 2];
	summary.pairs_most = pairs[runs - 1];
	summary.operations_median = operations[runs / 2];
	free(pairs);
	free(operations);
	return summary;
}
