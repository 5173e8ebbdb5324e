/* SPDX-License-Identifier: MIT */
/* What the learner decides, and who plays for it. See learner.h. */
#include <errno.h>
#include <inttypes.h>
#include <syslog.h>

#include "clock.h"
#include "learner_private.h"
#include "log.h"

static void explain_event(const struct hak_learned *learned, enum hak_life_event event,
			  struct hak_decision *decision)
{
	const char *winner = hak_strategy_table[decision->life.winner].name;
	const char *rival = hak_strategy_table[decision->life.rival].name;
	struct hak_score score = hak_learned_score(learned, decision->life.winner,
						   decision->life.rival);
	double gain = hak_score_mean(&score) / 10485.76, error = hak_score_error(&score) / 10485.76;

	switch (event) {
	case HAK_LIFE_FROZE_WINNER:
		score = hak_learned_score(learned, decision->life.winner, 0);
		hak_learner_explain(decision,
				    "%s is cheaper than safe by %.1f %% (+-%.1f) in %" PRIu64 " pairs",
				    winner, hak_score_mean(&score) / 10485.76,
				    hak_score_error(&score) / 10485.76, hak_score_pairs(&score));
		break;
	case HAK_LIFE_FROZE_SAFE:
		hak_learner_explain(decision, "no rival is cheaper than safe by 2 %%; the nearest is %s",
				    rival);
		break;
	case HAK_LIFE_FROZE_UNDECIDED:
		hak_learner_explain(decision, "undecided after %" PRIu64 " pairs; pairs scatter by %.1f %%",
				    hak_learned_pairs(learned), hak_score_scatter(&score) / 10485.76);
		break;
	case HAK_LIFE_BEGAN_CANARY:
		hak_learner_explain(decision, "a canary tests %s against %s", winner, rival);
		break;
	case HAK_LIFE_CONFIRMED:
		hak_learner_explain(decision,
				    "the canary confirmed %s against %s: %.1f %% (+-%.1f) over all pairs",
				    winner, rival, gain, error);
		break;
	case HAK_LIFE_SHIFTED:
		hak_learner_explain(decision, "the canary shows %s better than %s now: learning anew", rival,
				    winner);
		break;
	case HAK_LIFE_ROLLED_BACK:
		hak_learner_explain(decision,
				    "the canary shows the winner far behind %s: rolled back to safe", rival);
		break;
	default:
		break;
	}
}

/* The daemon's own. */
static void settle_or_say(struct hak_learner *learner, struct hak_learned *learned,
			  const struct hak_decision *decision)
{
	if (hak_learner_settle(learner, learned, decision) < 0)
		hak_log(LOG_ERR, "no memory for a decision; trying again");
}

/* Does a process of it run in one of these modes (bits), and follow us in it? */
static bool runs_in(const struct hak_client *client, unsigned modes)
{
	HAK_FOREACH_SLOT(slot, client) {
		struct hak_policy policy;

		if (hak_slot_has_process(slot) &&
		    hak_policy_unpack(slot->sample->policy_word, &policy, NULL) == 0 &&
		    !(slot->sample->pinned & HAK_PIN_EVOLUTION) && (modes >> policy.mode & 1))
			return true;
	}
	return false;
}

static struct hak_client *find_player(struct hak_client *clients, const struct hak_learned *learned)
{
	struct hak_client *client = clients;

	while (client && (client->learned != learned || !client->published || client->distrusted ||
			  !runs_in(client, 1 << HAK_MODE_BALANCED | 1 << HAK_MODE_LEARNING)))
		client = client->next;
	return client;
}

static void schedule(struct hak_learner *learner, struct hak_client *client, uint8_t a, uint8_t b)
{
	if (client->schedule.game_id && client->schedule.strategy_a == a && client->schedule.strategy_b == b)
		return;
	client->schedule = (struct hak_schedule){.game_id = ++learner->schedules,
						 .strategy_a = a,
						 .strategy_b = b,
						 .first_is_b = (uint8_t)(learner->schedules & 1),
						 .window_ticks = client->learned->window_ticks
									 ? client->learned->window_ticks
									 : HAK_LEARNER_WINDOW_TICKS};
	learner->owner.client_changed(learner->owner.data, client);
}

static void unschedule(struct hak_learner *learner, struct hak_client *client)
{
	if (!client->schedule.game_id && !client->canary)
		return;
	client->schedule = (struct hak_schedule){.game_id = 0};
	client->canary = false;
	learner->owner.client_changed(learner->owner.data, client);
}

/* The contest goes on; who plays more of it, what was found elsewhere may say. */
static void have_played(struct hak_learner *learner, struct hak_learned *learned, struct hak_client *clients,
			struct hak_contest *contest, const uint8_t *strategy)
{
	struct hak_contest_step step = {.state = HAK_CONTEST_SAFE};
	struct hak_prior prior;

	for (struct hak_client *client = clients; client; client = client->next) {
		if (client->learned != learned || !client->published || !client->came_late ||
		    !runs_in(client, 1 << HAK_MODE_LEARNING))
			continue;
		if (step.state != HAK_CONTEST_PLAY) { /* the first one */
			hak_learner_prior(learner, learned, &prior);
			for (unsigned i = 1; i < contest->players; i++)
				contest->prior[i] = prior.score[0][strategy[i]];
			step = hak_contest_step(contest);
		}
		schedule(learner, client, strategy[step.a], strategy[step.b]);
	}
}

/*
 * LEARN. A process that began before anything was known decides by itself who plays; those that come when the
 * context has its shortlist go on where the contest stands.
 */
static void go_on_learning(struct hak_learner *learner, struct hak_learned *learned,
			   struct hak_client *clients)
{
	const uint64_t enough = 8, pairs = hak_learned_pairs(learned);
	struct hak_decision decision = hak_learner_consider(learned);
	uint8_t strategy[HAK_CONTEST_PLAYERS];
	struct hak_contest contest;
	struct hak_contest_step step;
	enum hak_life_event event;

	if (hak_life_tire(&decision.life, hak_clock_realtime_usec())) {
		decision.what = "tired";
		hak_learner_explain(&decision, "nobody played for long: %s stays",
				    hak_strategy_table[decision.life.winner].name);
		settle_or_say(learner, learned, &decision);
		return;
	}
	if (pairs == learned->seen_pairs)
		return;
	hak_learned_contest(learned, &contest, strategy);
	if (contest.players < 2)
		return;
	learned->seen_pairs = pairs;
	step = hak_contest_step(&contest);
	event = hak_life_learn(&decision.life, &step, strategy, hak_clock_realtime_usec());
	if (event != HAK_LIFE_NOTHING) {
		decision.what = hak_life_event_name(event);
		explain_event(learned, event, &decision);
		settle_or_say(learner, learned, &decision);
		return;
	}
	if (hak_contest_pairs(&contest) >= enough)
		have_played(learner, learned, clients, &contest, strategy);
}

static void watch(struct hak_learner *learner, struct hak_learned *learned, struct hak_client *clients)
{
	const struct hak_life before = learned->life;
	struct hak_decision decision = hak_learner_consider(learned);
	struct hak_score score = hak_learned_score(learned, before.winner, before.rival);
	bool is_trial = !hak_share_layout(before.winner, before.rival);
	struct hak_client *player = before.phase == HAK_LIFE_FROZEN && !is_trial
					    ? find_player(clients, learned)
					    : NULL;
	enum hak_life_event event = hak_life_watch(
		&decision.life, &score, (is_trial || player) && !learner->paused, hak_clock_realtime_usec());

	if (event == HAK_LIFE_NOTHING)
		return;
	decision.what = hak_life_event_name(event);
	explain_event(learned, event, &decision);
	if (event == HAK_LIFE_BEGAN_CANARY && player) { /* else those who start play it */
		player->canary = true;
		schedule(learner, player, before.winner, before.rival);
	} else {
		for (struct hak_client *client = clients; client; client = client->next)
			if (client->learned == learned)
				unschedule(learner, client);
	}
	settle_or_say(learner, learned, &decision);
}

/* Memory became short, or is no more: games rest, and go on. */
static void set_paused(struct hak_learner *learner, struct hak_client *clients, bool paused)
{
	if (learner->paused == paused)
		return;
	learner->paused = paused;
	hak_log(LOG_INFO, paused ? "memory is short: no games" : "games go on");
	for (struct hak_client *client = clients; client; client = client->next) {
		if (!client->learned || !client->published)
			continue;
		if (paused && (client->schedule.game_id || runs_in(client, 1 << HAK_MODE_LEARNING)))
			schedule(learner, client, client->learned->life.winner, client->learned->life.winner);
		else if (client->schedule.strategy_a == client->schedule.strategy_b)
			unschedule(learner, client);
	}
}

void hak_learner_tick(struct hak_learner *learner, struct hak_client *clients, bool pressure)
{
	uint64_t now = hak_clock_realtime_usec();

	set_paused(learner, clients, pressure);
	for (struct hak_learned *l = hak_learner_next(learner, NULL); l; l = hak_learner_next(learner, l)) {
		l->save_wanted |= l->dirty && now - l->saved_usec >= HAK_LEARNER_SAVE_USEC;
		hak_learner_rest_trial(learner, l, now);
		if (learner->paused || !l->live || l->decision)
			continue;
		if (l->life.phase == HAK_LIFE_LEARN)
			go_on_learning(learner, l, clients);
		else
			watch(learner, l, clients);
	}
}

/* In LEARN: who leads, if it has at least a standard error more than safe. Else who is in force. */
static uint8_t best_of(const struct hak_learned *learned)
{
	struct hak_rating rating[HAK_STRATEGY_COUNT];
	uint8_t best = learned->life.winner;

	hak_learned_rate(learned, hak_learner_week(), rating);
	for (uint8_t i = 0; learned->life.phase == HAK_LIFE_LEARN && i < HAK_STRATEGY_COUNT; i++)
		if (rating[i].pairs && rating[i].gain_ppm > (int64_t)rating[i].gain_error_ppm &&
		    rating[i].gain_ppm > rating[best].gain_ppm)
			best = i;
	return best;
}

int hak_learner_wish(struct hak_learner *learner, struct hak_learned *learned, enum hak_learner_wish wish,
		     uid_t uid)
{
	static const char *const what[] = {"frozen-by-hand", "thawed-by-hand", "rolled-back-by-hand"};
	struct hak_decision decision = hak_learner_consider(learned);
	uint64_t now = hak_clock_realtime_usec();

	if (learned->decision)
		return -EAGAIN;
	decision.what = what[wish];
	decision.uid = uid;
	switch (wish) {
	case HAK_LEARNER_FREEZE:
		hak_life_freeze(&decision.life, best_of(learned), now);
		hak_learner_explain(&decision, "uid %u froze %s", (unsigned)uid,
				    hak_strategy_table[decision.life.winner].name);
		break;
	case HAK_LEARNER_THAW:
		hak_life_thaw(&decision.life, now);
		hak_learner_explain(&decision, "uid %u had it learn anew", (unsigned)uid);
		break;
	case HAK_LEARNER_ROLL_BACK:
		hak_life_roll_back(&decision.life, learned->previous_winner, now);
		hak_learner_explain(&decision, "uid %u rolled back to %s", (unsigned)uid,
				    hak_strategy_table[learned->previous_winner].name);
		break;
	}
	return hak_learner_settle(learner, learned, &decision);
}
