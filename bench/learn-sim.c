/* SPDX-License-Identifier: MIT */
/*
 * learn-sim [RUNS [SEED]]: how often the learner is wrong, how long it takes, what it costs; on the machine
 * of learn_model.h. The table of docs/learning.md.
 */
#include <stdio.h>
#include <stdlib.h>

#include "learn_model.h"

struct question {
	const char *text;
	double sigma;
	double gain[3];
};

static const struct question contest[] = {
	{"all the same, 5 %", 0.05, {0, 0, 0}},       {"all the same, 10 %", 0.10, {0, 0, 0}},
	{"all the same, 20 %", 0.20, {0, 0, 0}},      {"one 3 % better, 10 %", 0.10, {0, 0.03, 0}},
	{"one 3 % better, 5 %", 0.05, {0, 0.03, 0}},  {"3 and 10 % better, 5 %", 0.05, {0, 0.10, 0.03}},
	{"one 20 % better, 5 %", 0.05, {0, 0.20, 0}}, {"both 10 % worse, 5 %", 0.05, {0, -0.10, -0.10}},
};

static const struct question trial[] = {
	{"all the same, 2 %", 0.02, {0, 0, 0}},        {"all the same, 10 %", 0.10, {0, 0, 0}},
	{"all the same, 30 %", 0.30, {0, 0, 0}},       {"one 5 % better, 2 %", 0.02, {0, 0.05, 0}},
	{"one 2 % better, 2 %", 0.02, {0, 0.02, 0}},   {"one 5 % better, 10 %", 0.10, {0, 0.05, 0}},
	{"one 10 % better, 30 %", 0.30, {0, 0.10, 0}}, {"one 10 % worse, 10 %", 0.10, {0, -0.10, 0}},
};

/* Trials of starts that scatter by 2 %, have more to do or less, or allocate more or less for the same. */
static const struct {
	const char *text;
	double gain, input, miscount;
} measured[] = {
	{"the same, input 30 %", 0, 0.30, 0},          {"the same, count 30 %", 0, 0, 0.30},
	{"the same, both 30 %", 0, 0.30, 0.30},        {"5 % better, input 30 %", 0.05, 0.30, 0},
	{"5 % better, count 30 %", 0.05, 0, 0.30},     {"5 % better, both 5 %", 0.05, 0.05, 0.05},
};

enum { CONTESTS = sizeof(contest) / sizeof(*contest), TRIALS = sizeof(trial) / sizeof(*trial),
       MEASURED = sizeof(measured) / sizeof(*measured) };

static void show(const char *text, const struct model *model,
		 struct outcome (*play)(const struct model *, uint64_t), unsigned runs, uint64_t seed)
{
	struct summary s = model_run(model, play, runs, seed);

	printf("%-24s %-11s %6.2f %6.2f %6.2f %6.2f %8.0f %8.0f %8.0f %8.2f\n", text,
	       noise_name[model->noise], 100.0 * s.won[1] / runs, 100.0 * s.won[2] / runs,
	       100.0 * s.safe / runs, 100.0 * s.undecided / runs, s.pairs_median, s.pairs_most,
	       s.operations_median, s.regret_mean);
	fflush(stdout);
}

static void ask(const struct question *question, unsigned count,
		struct outcome (*play)(const struct model *, uint64_t), unsigned noises, unsigned runs,
		uint64_t seed)
{
	for (unsigned q = 0; q < count; q++)
		for (unsigned noise = 0; noise < noises; noise++) {
			struct model model = {
				.noise = (enum noise)noise,
				.sigma = question[q].sigma,
				.players = 3,
				.gain = {question[q].gain[0], question[q].gain[1], question[q].gain[2]}};

			show(question[q].text, &model, play, runs, seed);
		}
}

static void ask_measured(unsigned runs, uint64_t seed)
{
	for (unsigned q = 0; q < MEASURED; q++)
		for (unsigned noise = 0; noise < NOISE_CARRY; noise++) {
			struct model model = {.noise = (enum noise)noise,
					      .sigma = 0.02,
					      .players = 3,
					      .gain = {0, measured[q].gain},
					      .input = measured[q].input,
					      .miscount = measured[q].miscount};

			show(measured[q].text, &model, model_trial, runs, seed);
		}
}

int main(int argc, char **argv)
{
	unsigned runs = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

	if (!runs)
		return EXIT_FAILURE;
	printf("%u contests each, seed %llu; per cent of contests\n", runs, (unsigned long long)seed);
	printf("%-24s %-11s %6s %6s %6s %6s %8s %8s %8s %8s\n", "truth, window scatter", "noise", "1 won",
	       "2 won", "safe", "undec.", "pairs", "at most", "ops", "regret");
	ask(contest, CONTESTS, model_play, NOISE_COUNT, runs, seed);
	puts("trials: scatter is between processes, ops are starts");
	ask(trial, TRIALS, model_trial, NOISE_CARRY, runs, seed); /* nothing is carried over */
	ask_measured(runs, seed);
	return EXIT_SUCCESS;
}
