/* SPDX-License-Identifier: MIT */
/*
 * Priors: whose they are, what they move (ratings, who is tried first), and that they decide nothing; what is
 * imported, and kept.
 */
#include "priors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "exchange.h"
#include "file_replace.h"
#include "learner_fixture.h"
#include "shm_fixture.h"
#include "suite.h"

enum { SAFE = 0, HOARD = 7, HUGE = 8, FLAT = 9, TEACHER = 1, PUPIL = 2, OTHER_UID = 2000, HOST = 77 };
enum { TENTH = 104858 }; /* Q20 */

/* One that has played nothing. */
static void begin_pupil(struct player *pupil)
{
	begin_player(pupil, PUPIL, PUPIL);
	hak_learner_told(&learner, &pupil->client);
}

static struct hak_prior prior_of(const struct player *player)
{
	struct hak_prior prior;

	hak_learner_prior(&learner, player->client.learned, &prior);
	return prior;
}

static struct hak_rating rating_of(const struct player *player, unsigned strategy, uint64_t *ret_prior_pairs)
{
	struct hak_rating rating[HAK_STRATEGY_COUNT];
	uint64_t pairs[HAK_STRATEGY_COUNT];
	struct hak_prior prior = prior_of(player);

	hak_prior_rate(&prior, player->client.learned, hak_learner_week(), rating, pairs);
	*ret_prior_pairs = pairs[strategy];
	return rating[strategy];
}

/* ---- whose ------------------------------------------------------------------------------------------- */

START_TEST(context_without_games_is_rated_by_its_program_elsewhere)
{
	struct player teacher, pupil;
	struct hak_rating rating;
	uint64_t prior_pairs;

	begin_player(&teacher, TEACHER, TEACHER);
	play(&teacher, HOARD, SAFE, 40, TENTH);
	begin_pupil(&pupil);
	ck_assert_uint_eq(prior_of(&pupil).source, HAK_PRIOR_PROGRAM);
	ck_assert_uint_eq(prior_of(&teacher).source, HAK_PRIOR_NONE); /* not its own games */
	rating = rating_of(&pupil, HOARD, &prior_pairs);
	ck_assert_uint_eq(rating.pairs, 0);
	ck_assert_uint_eq(prior_pairs, HAK_PRIOR_PAIRS);
	ck_assert_int_gt(rating.elo_milli, 1600000);
	ck_assert_int_gt(rating.gain_ppm, 80000);
	/* Its own games soon say more. */
	play(&pupil, HOARD, SAFE, 100, -TENTH);
	rating = rating_of(&pupil, HOARD, &prior_pairs);
	ck_assert_uint_eq(rating.pairs, 100);
	ck_assert_uint_eq(prior_pairs, HAK_PRIOR_PAIRS);
	ck_assert_int_lt(rating.elo_milli, 1400000);
	hak_learner_forget(&teacher.client);
	hak_learner_forget(&pupil.client);
}
END_TEST

START_TEST(other_programs_count_where_nothing_nearer_is_known)
{
	struct player other, pupil;

	begin_player(&other, TEACHER, TEACHER);
	other.client.exe = (char *)"/usr/bin/other"; /* only read */
	play(&other, HOARD, SAFE, 40, TENTH);
	begin_pupil(&pupil);
	ck_assert_uint_eq(prior_of(&pupil).source, HAK_PRIOR_ALL);
	hak_learner_forget(&other.client);
	hak_learner_forget(&pupil.client);
}
END_TEST

START_TEST(what_another_user_played_is_no_prior)
{
	struct player stranger, pupil, sharer;

	begin_player(&stranger, TEACHER, TEACHER);
	stranger.client.uid = OTHER_UID;
	play(&stranger, HOARD, SAFE, 40, TENTH);
	begin_pupil(&pupil);
	ck_assert_uint_eq(prior_of(&pupil).source, HAK_PRIOR_NONE);
	/* Nor where he takes part: of two who share a context the one who claims less speaks. */
	play(&pupil, HOARD, SAFE, 1, 0);
	begin_player(&sharer, 3, PUPIL);
	sharer.client.uid = OTHER_UID;
	play(&sharer, HOARD, SAFE, 1, 0);
	ck_assert_uint_eq(prior_of(&pupil).source, HAK_PRIOR_NONE);
	hak_learner_forget(&stranger.client);
	hak_learner_forget(&pupil.client);
	hak_learner_forget(&sharer.client);
}
END_TEST

/* ---- what they cost ---------------------------------------------------------------------------------- */

/* A million tallies are soon told by who lies about versions. Here some go behind the learner's back. */
START_TEST(telling_adds_what_is_new_and_sums_up_nothing_again)
{
	struct player teacher, pupil;

	begin_player(&teacher, TEACHER, TEACHER);
	play(&teacher, HOARD, SAFE, 40, TENTH);
	begin_pupil(&pupil);
	ck_assert_uint_eq(prior_of(&pupil).source, HAK_PRIOR_PROGRAM);
	teacher.client.learned->tally_count = 0;
	play(&pupil, HOARD, SAFE, 1, TENTH);
	ck_assert_uint_eq(prior_of(&pupil).source, HAK_PRIOR_PROGRAM);
	hak_learner_forget(&teacher.client);
	hak_learner_forget(&pupil.client);
}
END_TEST

START_TEST(sums_that_followed_are_those_that_are_made_anew)
{
	struct player teacher, other, pupil;
	struct hak_prior followed, anew;

	begin_pupil(&pupil);
	ck_assert_uint_eq(prior_of(&pupil).source, HAK_PRIOR_NONE); /* they follow from here on */
	begin_player(&teacher, TEACHER, TEACHER);
	begin_player(&other, 3, 3);
	play(&teacher, HOARD, SAFE, 2, TENTH);
	play(&other, HOARD, SAFE, 1, -3 * TENTH);
	play(&pupil, HOARD, SAFE, 1, TENTH);
	play(&teacher, HOARD, SAFE, 1, TENTH);
	hak_priors_take_out(&learner.priors, other.client.learned);
	followed = prior_of(&pupil);
	ck_assert_uint_eq(hak_score_pairs(&followed.score[SAFE][HOARD]), 3);
	hak_priors_take_in(&learner.priors, other.client.learned);
	followed = prior_of(&pupil);
	learner.priors.week--; /* it is a new week */
	anew = prior_of(&pupil);
	ck_assert_uint_eq(hak_score_pairs(&anew.score[SAFE][HOARD]), 4);
	ck_assert_mem_eq(&followed, &anew, sizeof(anew));
	hak_priors_take_out(&learner.priors, other.client.learned);
	hak_priors_take_out(&learner.priors, teacher.client.learned);
	ck_assert_uint_eq(prior_of(&pupil).source, HAK_PRIOR_NONE);
	hak_learner_forget(&teacher.client);
	hak_learner_forget(&other.client);
	hak_learner_forget(&pupil.client);
}
END_TEST

/* ---- they decide nothing ----------------------------------------------------------------------------- */

START_TEST(prior_alone_never_freezes)
{
	struct player teacher, pupil;

	begin_player(&teacher, TEACHER, TEACHER);
	play(&teacher, HOARD, SAFE, 1000, 2 * TENTH);
	begin_pupil(&pupil);
	ck_assert_uint_eq(prior_of(&pupil).source, HAK_PRIOR_PROGRAM);
	for (unsigned second = 0; second < 1000; second++)
		learner_second(&pupil, false);
	ck_assert_uint_eq(teacher.client.learned->life.winner, HOARD); /* by its own games */
	ck_assert_uint_eq(pupil.client.learned->life.phase, HAK_LIFE_LEARN);
	ck_assert_uint_eq(pupil.client.learned->life.epoch, 0);
	ck_assert_uint_eq(pupil.client.learned->life.winner, SAFE);
	/* By hand neither: nobody leads. */
	ck_assert_int_eq(hak_learner_wish(&learner, pupil.client.learned, HAK_LEARNER_FREEZE, 0), 0);
	ck_assert_uint_eq(pupil.client.learned->life.winner, SAFE);
	hak_learner_forget(&teacher.client);
	hak_learner_forget(&pupil.client);
}
END_TEST

struct decision {
	struct hak_life life;
	uint64_t pairs, evidence_pairs;
	char why[sizeof(((struct hak_learned *)NULL)->why)];
};

/* Pair by pair until it is decided. @teacher_ratio: Q20; 0: there is no teacher. The learner is begun anew.
 */
static struct decision decide(int32_t ratio, int32_t teacher_ratio)
{
	struct decision decision = {.pairs = 0};
	struct player teacher, pupil;

	learner_tear_down();
	learner_set_up();
	if (teacher_ratio) {
		begin_player(&teacher, TEACHER, TEACHER);
		play(&teacher, HOARD, SAFE, 1000, teacher_ratio);
	}
	begin_pupil(&pupil);
	ck_assert_int_eq(prior_of(&pupil).source == HAK_PRIOR_PROGRAM, teacher_ratio != 0);
	while (!pupil.client.learned->life.epoch && decision.pairs < 400) {
		play(&pupil, HOARD, SAFE, 1, ratio + (decision.pairs % 2 ? 9000 : -9000));
		learner_second(&pupil, false);
		decision.pairs++;
	}
	decision.life = pupil.client.learned->life;
	decision.life.since_usec = 0; /* the time */
	decision.evidence_pairs = pupil.client.learned->evidence_pairs;
	memcpy(decision.why, pupil.client.learned->why, sizeof(decision.why));
	if (teacher_ratio)
		hak_learner_forget(&teacher.client);
	hak_learner_forget(&pupil.client);
	return decision;
}

START_TEST(same_games_decide_the_same_with_and_without_a_prior)
{
	static const int32_t ratios[] = {TENTH, 40000, 0, -30000};

	for (unsigned i = 0; i < sizeof(ratios) / sizeof(*ratios); i++) {
		struct decision without = decide(ratios[i], 0);
		struct decision against = decide(ratios[i], -3 * TENTH), with = decide(ratios[i], 3 * TENTH);

		ck_assert_uint_eq(without.life.epoch, 1); /* it was decided */
		ck_assert_mem_eq(&without, &against, sizeof(without));
		ck_assert_mem_eq(&without, &with, sizeof(without));
	}
}
END_TEST

/* ---- imported ---------------------------------------------------------------------------------------- */

/* Another host's export: "program", @a better than @b by @ratio in 40 pairs. The caller frees. */
static char *export_of(unsigned a, unsigned b, int32_t ratio, uint64_t incarnation)
{
	const struct hak_key context = shm_key(99);
	struct hak_learned *learned = hak_learned_new(&context);
	uint64_t key_a = hak_strategy_key(&hak_strategy_table[a].strategy);
	uint64_t key_b = hak_strategy_key(&hak_strategy_table[b].strategy);
	struct hak_tally_entry entry = {
		.key = {.strategy = {key_a < key_b ? key_a : key_b, key_a < key_b ? key_b : key_a},
			.incarnation = incarnation,
			.week = hak_learner_week(),
			.uid = 5}};
	struct hak_json_text text;
	struct hak_json *json = hak_json_text_begin(&text, HAK_EXCHANGE_SCHEMA);

	for (unsigned i = 0; i < 40; i++)
		hak_score_add(&entry.score, key_a < key_b ? ratio : -ratio, key_a < key_b ? ratio : -ratio);
	strcpy(learned->program, "program");
	ck_assert_int_eq(hak_learned_merge(learned, &entry), 1);
	hak_json_begin(json, "contexts", '[');
	hak_exchange_put(json, learned);
	hak_json_end(json, ']');
	hak_learned_free(learned);
	return hak_json_text_end(&text);
}

/* Return: news; or why nothing was taken. */
static int64_t import(const char *text)
{
	uint64_t tallies = 0, news = 0;
	int r = hak_learner_import_priors(&learner, text, &tallies, &news);

	return r < 0 ? r : (int64_t)news;
}

static int64_t import_and_free(char *text)
{
	int64_t result = import(text);

	free(text);
	return result;
}

START_TEST(imported_priors_are_kept_and_double_nothing)
{
	struct player pupil;
	uint64_t prior_pairs;

	ck_assert_int_eq(import_and_free(export_of(HOARD, SAFE, TENTH, HOST)), 1);
	ck_assert_int_eq(import_and_free(export_of(HOARD, SAFE, TENTH, HOST)), 0);
	/* What was played here is no prior, wherever it comes back from. */
	ck_assert_int_eq(import_and_free(export_of(HUGE, SAFE, TENTH, learner.incarnation)), 0);
	for (unsigned start = 0; start < 2; start++) {
		begin_pupil(&pupil);
		ck_assert_uint_eq(prior_of(&pupil).source, HAK_PRIOR_IMPORTED);
		ck_assert_int_gt(rating_of(&pupil, HOARD, &prior_pairs).elo_milli, 1600000);
		ck_assert_uint_eq(prior_pairs, HAK_PRIOR_PAIRS);
		ck_assert_int_eq(rating_of(&pupil, HUGE, &prior_pairs).elo_milli, 1500000);
		ck_assert_uint_eq(hak_learned_pairs(pupil.client.learned), 0);
		hak_learner_forget(&pupil.client);
		learner_end();
		learner_begin();
	}
}
END_TEST

START_TEST(damaged_imports_are_refused_and_lose_nothing)
{
	static const char *const bad[] = {"", "{}", "[]", "{\"schema\":1}",
					  "{\"schema\":1,\"contexts\":[{}]}"};
	struct player pupil;
	char *text = export_of(HOARD, SAFE, TENTH, HOST), *cut = strdup(text);

	ck_assert_int_eq(import(text), 1);
	begin_pupil(&pupil);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_int_eq(import(bad[i]), -EBADMSG);
	ck_assert_int_eq(import("{\"schema\":2,\"contexts\":[]}"), -EPROTONOSUPPORT);
	cut[strlen(cut) / 2] = '\0';
	ck_assert_int_eq(import(cut), -EBADMSG);
	*strstr(text, "\"plus\":\"") = '#'; /* the last word of a tally that is else right */
	ck_assert_int_eq(import(text), -EBADMSG);
	ck_assert_uint_eq(prior_of(&pupil).source, HAK_PRIOR_IMPORTED);
	hak_learner_forget(&pupil.client);
	free(text);
	free(cut);
}
END_TEST

START_TEST(damaged_file_is_kept_aside_and_a_later_one_left_alone)
{
	static const char later[] = "{\"schema\":2,\"contexts\":[]}";
	struct player pupil;
	char *text;
	size_t length;

	ck_assert_int_eq(import_and_free(export_of(HOARD, SAFE, TENTH, HOST)), 1);
	ck_assert_int_eq(hak_file_replace(learner_state_fd, HAK_PRIORS_FILE, "{", 1), 0);
	learner_end();
	learner_begin();
	begin_pupil(&pupil);
	ck_assert_uint_eq(prior_of(&pupil).source, HAK_PRIOR_NONE);
	ck_assert_int_eq(faccessat(learner_state_fd, HAK_PRIORS_FILE ".bad", F_OK, 0), 0);
	ck_assert_int_eq(import_and_free(export_of(HOARD, SAFE, TENTH, HOST)), 1);
	hak_learner_forget(&pupil.client);
	ck_assert_int_eq(hak_file_replace(learner_state_fd, HAK_PRIORS_FILE, later, strlen(later)), 0);
	learner_end();
	learner_begin();
	ck_assert_int_eq(import_and_free(export_of(HOARD, SAFE, TENTH, HOST)), -EEXIST);
	ck_assert_int_eq(hak_file_read(learner_state_fd, HAK_PRIORS_FILE, &text, &length), 0);
	ck_assert_str_eq(text, later);
	free(text);
}
END_TEST

/* Without one huge is tried first. */
START_TEST(trial_begins_with_what_was_best_elsewhere)
{
	struct hak_key start;
	struct hak_context_payload payload;
	struct player player;

	ck_assert_int_eq(import_and_free(export_of(HUGE, SAFE, -TENTH, HOST)), 1);
	ck_assert_int_eq(import_and_free(export_of(FLAT, SAFE, TENTH, HOST)), 1);
	begin_player(&player, 1, 1);
	player.client.run.mapped_bytes = 64 << 20;
	hak_learner_told(&learner, &player.client);
	hak_start_key(LEARNER_UID, "program", &start);
	ck_assert_int_eq(hak_control_find_context(learner_writer.header, &start, &payload), 0);
	ck_assert_uint_eq(payload.trial_key, hak_strategy_key(&hak_strategy_table[FLAT].strategy));
	hak_learner_forget(&player.client);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("priors");

	tcase_add_checked_fixture(tcase, learner_set_up, learner_tear_down);
	tcase_add_test(tcase, context_without_games_is_rated_by_its_program_elsewhere);
	tcase_add_test(tcase, other_programs_count_where_nothing_nearer_is_known);
	tcase_add_test(tcase, what_another_user_played_is_no_prior);
	tcase_add_test(tcase, telling_adds_what_is_new_and_sums_up_nothing_again);
	tcase_add_test(tcase, sums_that_followed_are_those_that_are_made_anew);
	tcase_add_test(tcase, prior_alone_never_freezes);
	tcase_add_test(tcase, imported_priors_are_kept_and_double_nothing);
	tcase_add_test(tcase, damaged_imports_are_refused_and_lose_nothing);
	tcase_add_test(tcase, damaged_file_is_kept_aside_and_a_later_one_left_alone);
	tcase_add_test(tcase, trial_begins_with_what_was_best_elsewhere);
	tcase_add_test(tcase, same_games_decide_the_same_with_and_without_a_prior);
	return run_suite("priors", tcase);
}
