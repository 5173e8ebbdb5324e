/* SPDX-License-Identifier: MIT */
#include "life.h"

#include "duel.h"

const char *hak_life_event_name(enum hak_life_event event)
{
	static const char *const names[HAK_LIFE_EVENT_COUNT] = {
		"nothing",      "froze-winner", "froze-safe", "froze-undecided",
		"began-canary", "confirmed",    "shifted",    "rolled-back",
	};

	return (unsigned)event < HAK_LIFE_EVENT_COUNT ? names[event] : "unknown";
}

const char *hak_life_phase_name(enum hak_phase_of_life phase)
{
	static const char *const names[HAK_LIFE_COUNT] = {"learn", "frozen", "canary"};

	return (unsigned)phase < HAK_LIFE_COUNT ? names[phase] : "unknown";
}

static void enter(struct hak_life *life, enum hak_phase_of_life phase, uint64_t now_usec)
{
	life->phase = (uint8_t)phase;
	life->since_usec = now_usec;
}

static uint64_t longer(uint64_t rest_usec, unsigned times)
{
	if (rest_usec < HAK_LIFE_REST_USEC)
		rest_usec = HAK_LIFE_REST_USEC;
	rest_usec *= times;
	return rest_usec < HAK_LIFE_REST_MOST_USEC ? rest_usec : HAK_LIFE_REST_MOST_USEC;
}

enum hak_life_event hak_life_learn(struct hak_life *life, const struct hak_contest_step *step,
				   const uint8_t *strategy, uint64_t now_usec)
{
	enum hak_life_event event;

	if (life->phase != HAK_LIFE_LEARN || life->held || step->state == HAK_CONTEST_PLAY)
		return HAK_LIFE_NOTHING;
	life->winner = step->state == HAK_CONTEST_WON ? strategy[step->a] : 0;
	life->rival = strategy[step->state == HAK_CONTEST_WON ? step->b : 1];
	event = step->state == HAK_CONTEST_WON    ? HAK_LIFE_FROZE_WINNER
		: step->state == HAK_CONTEST_SAFE ? HAK_LIFE_FROZE_SAFE
						  : HAK_LIFE_FROZE_UNDECIDED;
	life->epoch++;
	life->rest_usec = longer(life->rest_usec, 1);
	enter(life, HAK_LIFE_FROZEN, now_usec);
	return event;
}

/* What happened since the canary began; every field only rises. */
static struct hak_score since(const struct hak_score *score, const struct hak_score *base)
{
	struct hak_score more = *score;

	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		more.outcome[i] -= base->outcome[i] < more.outcome[i] ? base->outcome[i] : more.outcome[i];
	more.plus -= base->plus < more.plus ? base->plus : more.plus;
	more.minus -= base->minus < more.minus ? base->minus : more.minus;
	more.squares -= base->squares < more.squares ? base->squares : more.squares;
	return more;
}

static enum hak_life_event judge_canary(struct hak_life *life, const struct hak_score *score,
					uint64_t now_usec)
{
	struct hak_score more = since(score, &life->canary_base);
	uint64_t pairs = hak_score_pairs(&more);

	if (life->winner && pairs >= HAK_LIFE_GUARD_PAIRS && more.outcome[HAK_OUTCOME_LOST_BOTH] == pairs &&
	    hak_score_mean(&more) <= HAK_LIFE_GUARD_LOSS) {
		life->winner = 0;
		life->rollbacks++;
		life->epoch++;
		life->rest_usec = longer(life->rest_usec, 6);
		enter(life, HAK_LIFE_LEARN, now_usec);
		return HAK_LIFE_ROLLED_BACK;
	}
	if (hak_duel_evidence(&more).second_wins >= HAK_DUEL_LN20) {
		uint8_t loser = life->winner;

		life->winner = life->rival; /* in force while the contest goes on */
		life->rival = loser;
		life->epoch++;
		life->rest_usec = longer(life->rest_usec, 6);
		enter(life, HAK_LIFE_LEARN, now_usec);
		return HAK_LIFE_SHIFTED;
	}
	if (pairs < HAK_LIFE_CANARY_PAIRS)
		return HAK_LIFE_NOTHING;
	life->rest_usec = longer(life->rest_usec, 2);
	enter(life, HAK_LIFE_FROZEN, now_usec);
	return HAK_LIFE_CONFIRMED;
}

enum hak_life_event hak_life_watch(struct hak_life *life, const struct hak_score *score, bool may_canary,
				   uint64_t now_usec)
{
	if (life->held)
		return HAK_LIFE_NOTHING;
	if (life->phase == HAK_LIFE_CANARY)
		return judge_canary(life, score, now_usec);
	if (life->phase != HAK_LIFE_FROZEN || !may_canary || life->winner == life->rival ||
	    !hak_life_has_passed(life->since_usec, now_usec, life->rest_usec))
		return HAK_LIFE_NOTHING;
	life->canary_base = *score;
	enter(life, HAK_LIFE_CANARY, now_usec);
	return HAK_LIFE_BEGAN_CANARY;
}

enum hak_life_event hak_life_take_over(struct hak_life *life, uint8_t challenger, uint64_t now_usec)
{
	if (life->held || life->phase == HAK_LIFE_CANARY)
		return HAK_LIFE_NOTHING;
	life->rival = life->winner;
	life->winner = challenger;
	life->epoch++;
	life->rest_usec = longer(life->rest_usec, 1);
	enter(life, HAK_LIFE_FROZEN, now_usec);
	return HAK_LIFE_FROZE_WINNER;
}

bool hak_life_tire(struct hak_life *life, uint64_t now_usec)
{
	if (life->phase != HAK_LIFE_LEARN || life->held || !life->epoch ||
	    !hak_life_has_passed(life->since_usec, now_usec, life->rest_usec))
		return false;
	enter(life, HAK_LIFE_FROZEN, now_usec);
	return true;
}

void hak_life_freeze(struct hak_life *life, uint8_t winner, uint64_t now_usec)
{
	life->winner = winner;
	life->held = true;
	life->epoch++;
	enter(life, HAK_LIFE_FROZEN, now_usec);
}

void hak_life_thaw(struct hak_life *life, uint64_t now_usec)
{
	life->held = false;
	enter(life, HAK_LIFE_LEARN, now_usec);
}

void hak_life_roll_back(struct hak_life *life, uint8_t winner, uint64_t now_usec)
{
	life->winner = winner;
	life->rollbacks++;
	life->epoch++;
	life->rest_usec = longer(life->rest_usec, 6);
	enter(life, HAK_LIFE_FROZEN, now_usec);
}
