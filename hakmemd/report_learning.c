/* SPDX-License-Identifier: MIT */
/* What was learned, as JSON. See report.h, report_walk.h. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "duel.h"
#include "exchange.h"
#include "file_replace.h"
#include "fixed.h"
#include "learned_file.h"
#include "report_walk.h"

enum { PPM_PER_MILLI_PERCENT = 10 };

/* Where a strategy stands against the safe one. */
static const char *verdict_of(const struct hak_learned *learned, unsigned strategy)
{
	struct hak_score score = hak_learned_score(learned, strategy, 0);
	struct hak_evidence evidence = hak_duel_evidence(&score);
	int32_t worth = hak_share_layout(strategy, 0) ? HAK_DUEL_WORTH : HAK_TRIAL_WORTH;

	if (learned->life.epoch && learned->life.winner == strategy)
		return learned->life.held ? "in force, by hand" : "in force";
	if (strategy == 0)
		return "safe";
	if (!hak_score_pairs(&score))
		return "not played";
	if (evidence.first_wins >= HAK_DUEL_LN20 + HAK_Q32_LN2)
		return "better than safe";
	if (evidence.second_wins >= HAK_DUEL_LN20)
		return "worse than safe";
	return hak_duel_useless(&score, worth) >= HAK_DUEL_LN20 ? "no better than safe" : "open";
}

static void strategies(struct hak_json *json, const struct hak_learned *learned,
		       const struct hak_prior *prior)
{
	struct hak_rating rating[HAK_STRATEGY_COUNT];
	uint64_t prior_pairs[HAK_STRATEGY_COUNT];

	hak_prior_rate(prior, learned, hak_learner_week(), rating, prior_pairs);
	hak_json_begin(json, "strategies", '[');
	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++) {
		hak_json_begin(json, NULL, '{');
		hak_json_string(json, "name", hak_strategy_table[i].name);
		hak_json_hex(json, "key", hak_strategy_key(&hak_strategy_table[i].strategy));
		hak_json_milli(json, "elo", rating[i].elo_milli);
		hak_json_milli(json, "stderr", rating[i].elo_error_milli);
		hak_json_milli(json, "gain_percent", rating[i].gain_ppm / PPM_PER_MILLI_PERCENT);
		hak_json_milli(json, "gain_error_percent", rating[i].gain_error_ppm / PPM_PER_MILLI_PERCENT);
		hak_json_u64(json, "games", 2 * rating[i].pairs);
		hak_json_u64(json, "prior_games", 2 * prior_pairs[i]);
		hak_json_string(json, "verdict", verdict_of(learned, i));
		hak_json_end(json, '}');
	}
	hak_json_end(json, ']');
}

/* System contexts are known to all; a user's own programs to him and root. */
static bool sees(const struct hak_viewer *viewer, const struct hak_learned *learned)
{
	char own[HAK_CONTEXT_SCOPE_CHARS + 1];

	(void)snprintf(own, sizeof(own), "user:%u", (unsigned)viewer->uid); /* fits */
	return viewer->privileged || strcmp(learned->scope, own) == 0 ||
	       strcmp(learned->scope, "system") == 0;
}

static const char *what_would_change_it(const struct hak_learned *learned)
{
	if (learned->life.held)
		return "hakctl thaw CONTEXT";
	switch (learned->life.phase) {
	case HAK_LIFE_LEARN:
		return "the end of the contest; processes in mode learning play it";
	case HAK_LIFE_CANARY:
		return "the canary that is going on";
	default:
		return "a canary that the rival wins, or hakctl thaw CONTEXT";
	}
}

void hak_report_learned(struct hak_json *json, const char *key, struct hak_manager *manager,
			const struct hak_learned *learned, const struct hak_viewer *viewer)
{
	struct hak_prior prior;
	const struct hak_life *life = &learned->life;
	char context[HAK_CONTEXT_HEX_CHARS + 1];
	bool seen = sees(viewer, learned);

	hak_context_format(&learned->context, context);
	hak_json_begin(json, key, '{');
	hak_json_string(json, "context", context);
	hak_json_bool(json, "redacted", !seen);
	hak_json_string(json, "scope", seen ? learned->scope : NULL);
	hak_json_string(json, "unit", seen && *learned->unit ? learned->unit : NULL);
	hak_json_string(json, "program", seen && *learned->program ? learned->program : NULL);
	hak_json_string(json, "phase", hak_life_phase_name((enum hak_phase_of_life)life->phase));
	hak_json_bool(json, "held", life->held);
	hak_json_string(json, "strategy", hak_strategy_table[life->winner].name);
	hak_json_string(json, "rival", hak_strategy_table[life->rival].name);
	hak_json_u64(json, "epoch", life->epoch);
	hak_json_u64(json, "rollbacks", life->rollbacks);
	hak_json_u64(json, "since_usec", life->since_usec);
	hak_json_u64(json, "games", 2 * hak_learned_pairs(learned));
	hak_json_u64(json, "evidence_games", 2 * learned->evidence_pairs);
	hak_json_hex(json, "evidence_hash", learned->evidence_hash);
	hak_json_u64(json, "live", learned->live);
	hak_json_bool(json, "paused", manager->learner.paused);
	hak_json_string(json, "trial",
			hak_trial_is_open(&learned->trial)
				? hak_strategy_table[learned->trial.strategy[1]].name
				: NULL);
	hak_json_string(json, "why", *learned->why ? learned->why : "nothing was decided yet");
	hak_json_string(json, "what_would_change_it", what_would_change_it(learned));
	hak_learner_prior(&manager->learner, learned, &prior);
	hak_json_string(json, "prior", hak_prior_source_name(prior.source));
	strategies(json, learned, &prior);
	hak_json_end(json, '}');
}

/* About a millisecond. */
static void rate(struct hak_report_walk *walk, struct hak_learned *learned)
{
	if (hak_learned_pairs(learned) || learned->life.epoch || hak_context_is_known(&walk->context))
		hak_report_learned(&walk->json, NULL, walk->manager, learned, &walk->viewer);
}

const struct hak_report_kind hak_report_ratings = {.name = "hakmem-ratings", .context = rate};

/* ---- ExportTallies ----------------------------------------------------------------------------------- */

static void begin_export(struct hak_report_walk *walk)
{
	static uint64_t exports;

	walk->number = ++exports;
}

static void export(struct hak_report_walk *walk, struct hak_learned *learned)
{
	if (learned->tally_count)
		hak_exchange_put(&walk->json, learned);
	learned->exported = walk->number;
}

/* "HEX.json". One that has come into memory since that was written, and is not written yet, is so now. */
static void export_file(struct hak_report_walk *walk, const char *name)
{
	struct hak_learner *learner = &walk->manager->learner;
	char hex[HAK_CONTEXT_HEX_CHARS + 1];
	struct hak_learned *learned;
	struct hak_key context;

	(void)snprintf(hex, sizeof(hex), "%.*s", HAK_CONTEXT_HEX_CHARS, name);
	if (strlen(name) != HAK_LEARNED_NAME_CHARS || hak_exchange_parse_hex(hex, &context) < 0)
		return;
	learned = hak_learner_find(learner, &context);
	if (learned && learned->exported != walk->number) {
		export(walk, learned);
	} else if (!learned && hak_learned_load(learner->directory_fd, &context, &learned) == 0) {
		export(walk, learned);
		hak_learned_free(learned);
	}
}

static bool export_files(struct hak_report_walk *walk, uint64_t until_usec)
{
	const struct dirent *entry;

	if (!walk->directory)
		walk->directory = hak_directory_list(walk->manager->learner.directory_fd);
	while (walk->directory && (entry = readdir(walk->directory))) {
		export_file(walk, entry->d_name);
		if (hak_clock_usec() >= until_usec)
			return false;
	}
	if (walk->directory)
		closedir(walk->directory);
	walk->directory = NULL;
	return true;
}

const struct hak_report_kind hak_report_export = {
	.name = "hakmem-tallies", .begin = begin_export, .context = export, .others = export_files};
