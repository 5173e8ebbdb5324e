/* SPDX-License-Identifier: MIT */
/*
 * Trials: strategies of another layout than the one in force, compared across the processes of a context as
 * they start (learning/trial.h). See learner.h.
 *
 *	a process in mode learning is told  -> the trial that its context wants is published for those who
 *	                                       start
 *	one of them is told                 -> it keeps what it began with, until its result is known
 *	it has ended, or run for a minute   -> a result; with another one a pair, which goes into the tallies
 *	                                       and may decide it
 *
 * Which context wants one: it learns, its processes are large enough for huge pages to matter, and nothing
 * was decided about them by hand. While a canary tests a winner against a rival of another layout, that is
 * played in mode balanced, too.
 */
#include <inttypes.h>
#include <string.h>
#include <syslog.h>

#include "clock.h"
#include "learner_private.h"
#include "log.h"

enum {
	TRIAL_CPU_USEC = 1000,        /* a process that did less tells nothing */
	TRIAL_MAPPED_BYTES = 4 << 20, /* where none maps so much, huge pages do not matter */
	TRIAL_RUN_USEC = 60000000,    /* of a long run the first minute counts */
	TRIAL_IDLE_USEC = 600000000,  /* nobody started for so long: it rests */
	TRIAL_COST_SCALE = 1 << 20,   /* CPU time of an allocation in units of 2^-20 us */
};

/* ---- who plays --------------------------------------------------------------------------------------- */

static unsigned count_challengers(void)
{
	unsigned count = 0;

	for (unsigned i = 1; i < HAK_STRATEGY_COUNT; i++)
		count += !hak_share_layout(i, 0);
	return count;
}

static enum hak_trial_state judge(const struct hak_learned *learned, unsigned in_force, unsigned challenger)
{
	struct hak_score score = hak_learned_recent_score(learned, in_force, challenger);

	return hak_trial_judge(&score, count_challengers());
}

/* One that has won stays until that is in force. What is no better than the safe strategy is not tried again.
 */
static bool is_worth_trying(const struct hak_learned *learned, unsigned challenger)
{
	enum hak_trial_state state = judge(learned, learned->life.winner, challenger);

	return (state == HAK_TRIAL_OPEN || state == HAK_TRIAL_WON) &&
	       (!learned->life.winner || judge(learned, 0, challenger) != HAK_TRIAL_LOST);
}

/*
 * Who of those worth trying is tried next: who has begun goes on; else who seems best by what was found
 * elsewhere; else the first in the table. 0: nobody.
 */
static uint8_t next_challenger(struct hak_learner *learner, const struct hak_learned *learned)
{
	const uint8_t in_force = learned->life.winner;
	uint8_t worth[HAK_STRATEGY_COUNT];
	struct hak_prior prior;
	unsigned count = 0, best = 0;

	for (uint8_t i = 1; i < HAK_STRATEGY_COUNT; i++) {
		struct hak_score score;

		if (hak_share_layout(i, 0) || !is_worth_trying(learned, i))
			continue;
		score = hak_learned_recent_score(learned, in_force, i);
		if (learned->trial.strategy[1] == i || hak_score_pairs(&score))
			return i;
		worth[count++] = i;
	}
	if (count > 1)
		hak_learner_prior(learner, learned, &prior);
	for (unsigned i = 1; i < count; i++)
		if (hak_prior_promise(&prior, worth[i], in_force) >
		    hak_prior_promise(&prior, worth[best], in_force))
			best = i;
	return count ? worth[best] : 0;
}

/* The trial that the context wants while a process of it runs in @mode; the same twice: none. */
static void choose(struct hak_learner *learner, const struct hak_learned *learned, enum hak_mode mode,
		   uint8_t ret_strategy[2])
{
	const struct hak_life *life = &learned->life;
	uint8_t challenger;

	ret_strategy[0] = ret_strategy[1] = life->winner;
	if (life->held)
		return;
	if (life->phase == HAK_LIFE_CANARY) {
		if (!hak_share_layout(life->winner, life->rival) &&
		    (mode == HAK_MODE_LEARNING || mode == HAK_MODE_BALANCED))
			ret_strategy[1] = life->rival;
		return;
	}
	if (mode != HAK_MODE_LEARNING || !learned->is_large || !hak_share_layout(life->winner, 0) ||
	    (life->phase == HAK_LIFE_FROZEN && life->rollbacks))
		return;
	challenger = next_challenger(learner, learned);
	if (challenger)
		ret_strategy[1] = challenger;
}

static void set_trial(struct hak_learner *learner, struct hak_learned *learned, const uint8_t strategy[2])
{
	bool was_open = hak_trial_is_open(&learned->trial);

	hak_trial_set(&learned->trial, strategy[0], strategy[1]);
	if (was_open || hak_trial_is_open(&learned->trial))
		hak_learner_publish(learner, learned);
}

static void see_size(const struct hak_client *client)
{
	struct hak_learned *learned = client->learned;

	if (learned->is_large || client->run.mapped_bytes < TRIAL_MAPPED_BYTES)
		return;
	learned->is_large = true;
	learned->dirty = true;
}

/* What those who start are told, as this process's mode and user want it. */
static void follow(struct hak_learner *learner, struct hak_learned *learned, const struct hak_client *client)
{
	uint8_t strategy[2] = {0, 0};
	bool is_new_user = !learned->has_uid || learned->uid != client->uid;

	see_size(client);
	if (learned->decision) /* it may be about this trial, and ends it then */
		memcpy(strategy, learned->trial.strategy, sizeof(strategy));
	else if (!learner->paused)
		choose(learner, learned, learner->owner.mode_of(learner->owner.data, client), strategy);
	learned->has_uid = true;
	learned->uid = client->uid;
	if (strategy[0] != learned->trial.strategy[0] || strategy[1] != learned->trial.strategy[1])
		set_trial(learner, learned, strategy);
	if (is_new_user && (strategy[0] != strategy[1] || learned->life.epoch))
		hak_learner_publish(learner, learned); /* his starts were told nothing yet */
	learned->trial_usec = hak_clock_realtime_usec();
}

void hak_learner_end_trial(struct hak_learner *learner, struct hak_learned *learned)
{
	static const uint8_t none[2] = {0, 0};

	if (hak_trial_is_open(&learned->trial))
		set_trial(learner, learned, none);
}

void hak_learner_rest_trial(struct hak_learner *learner, struct hak_learned *learned, uint64_t now_usec)
{
	if (learner->paused || hak_life_has_passed(learned->trial_usec, now_usec, TRIAL_IDLE_USEC))
		hak_learner_end_trial(learner, learned);
}

/* ---- is it decided? ---------------------------------------------------------------------------------- */

static void decide(struct hak_learner *learner, struct hak_learned *learned)
{
	const struct hak_trial *trial = &learned->trial;
	const char *challenger = hak_strategy_table[trial->strategy[1]].name;
	const char *in_force = hak_strategy_table[trial->strategy[0]].name;
	struct hak_score score = hak_learned_recent_score(learned, trial->strategy[1], trial->strategy[0]);
	struct hak_decision decision = hak_learner_consider(learned);
	enum hak_trial_state state = judge(learned, trial->strategy[0], trial->strategy[1]);

	if (state == HAK_TRIAL_OPEN || learned->decision || learned->life.phase == HAK_LIFE_CANARY)
		return;
	if (state == HAK_TRIAL_WON &&
	    hak_life_take_over(&decision.life, trial->strategy[1], hak_clock_realtime_usec()) ==
		    HAK_LIFE_NOTHING)
		return;
	hak_learner_explain(&decision,
			    state == HAK_TRIAL_WON ? "%s is cheaper than %s by %.1f %% (+-%.1f) in %" PRIu64
						     " pairs of processes"
			    : state == HAK_TRIAL_LOST
				    ? "%s is not cheaper than %s by 1 %%: %.1f %% (+-%.1f) in "
				      "%" PRIu64 " pairs of processes"
				    : "%s against %s is undecided: %.1f %% (+-%.1f) in %" PRIu64
				      " pairs of processes",
			    challenger, in_force, hak_score_mean(&score) / 10485.76,
			    hak_score_error(&score) / 10485.76, hak_score_pairs(&score));
	decision.what = state == HAK_TRIAL_WON ? "froze-winner" : "trial-over";
	decision.ends_trial = true;
	if (hak_learner_settle(learner, learned, &decision) < 0)
		hak_log(LOG_ERR, "no memory for a decision; the next pair tries again");
}

/* ---- what it cost ------------------------------------------------------------------------------------ */

static struct hak_score seen_from_lesser(const struct hak_score *score, const uint64_t keys[2])
{
	return keys[0] < keys[1] ? *score : hak_score_reversed(score);
}

/* Counted once whenever the daemon is killed: that the file was used is saved with what came of it. */
static void take_result(struct hak_learner *learner, struct hak_client *client)
{
	struct hak_learned *learned = client->learned;
	const struct hak_client_cost *cost = &client->run.cost;
	const struct hak_trial *trial = &learned->trial;
	const uint64_t keys[2] = {hak_strategy_key(&hak_strategy_table[trial->strategy[0]].strategy),
				  hak_strategy_key(&hak_strategy_table[trial->strategy[1]].strategy)};
	const uint64_t ordered[2] = {keys[keys[0] > keys[1]], keys[keys[0] < keys[1]]};
	const struct hak_trial_result result = {
		.cost = {[HAK_TRIAL_PER_ALLOCATION] =
				 cost->cpu_usec * TRIAL_COST_SCALE / (cost->work ? cost->work : 1),
			 [HAK_TRIAL_PER_START] = cost->cpu_usec},
		.memory_bytes = (uint64_t)cost->peak_kib << 10,
	};
	bool second = client->trial == trial->strategy[1] + 1;
	struct hak_score pair;

	if (!hak_learned_note_file(learned, client->name, ordered))
		return;
	if (!hak_trial_add(&learned->trial, second, client->uid, &result, &pair))
		return;
	pair = seen_from_lesser(&pair, keys);
	/* It cannot fall, and is sound; where there is no room it does not count. */
	(void)hak_learner_tell(learner, client, ordered, &pair);
	decide(learner, learned);
}

/* A result that tells nothing: too little was done, or a clock was at its end. */
static bool is_telling(const struct hak_client_cost *cost)
{
	return cost->cpu_usec >= TRIAL_CPU_USEC && cost->cpu_usec < UINT32_MAX && cost->peak_kib;
}

/* The client began with one side of the trial: it keeps it. */
static void join(struct hak_client *client, const struct hak_trial *trial)
{
	uint8_t side = trial->strategy[hak_trial_coin(client->key.word[1])];
	const struct hak_sample *sample = hak_client_creator(client)->sample;
	bool has_begun = sample && sample->policy_word;

	if (!client->published && !client->trial && hak_trial_is_open(trial) &&
	    (client->run.trial == side + 1U || !has_begun))
		client->trial = side + 1;
}

static bool plays(const struct hak_client *client)
{
	const struct hak_trial *trial = &client->learned->trial;

	return client->trial && client->run.trial == client->trial && hak_trial_is_open(trial) &&
	       (client->trial == trial->strategy[0] + 1 || client->trial == trial->strategy[1] + 1);
}

void hak_learner_trial_told(struct hak_learner *learner, struct hak_client *client)
{
	uint64_t now_usec = hak_clock_realtime_usec();

	if (hak_client_creator(client)->sample) {
		follow(learner, client->learned, client);
		join(client, &client->learned->trial);
	}
	if (!client->trial || !client->published)
		return;
	if (plays(client) &&
	    (!hak_life_has_passed(client->run.start_usec, now_usec, TRIAL_RUN_USEC) ||
	     !is_telling(&client->run.cost)))
		return;
	if (plays(client))
		take_result(learner, client);
	client->trial = 0;
	learner->owner.client_changed(learner->owner.data, client);
}

void hak_learner_trial_ended(struct hak_learner *learner, struct hak_client *client)
{
	if (!client->learned || client->distrusted)
		return;
	see_size(client);
	if (plays(client) && is_telling(&client->run.cost))
		take_result(learner, client);
	client->trial = 0;
}
