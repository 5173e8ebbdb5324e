/* SPDX-License-Identifier: MIT */
/* See learner.h. Export and import are in learner_exchange.c. */
#include "learner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-id128.h>

#include "file_replace.h"
#include "learned_file.h"
#include "learner_private.h"
#include "log.h"

uint64_t hak_learner_now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint32_t hak_learner_week(void)
{
	return (uint32_t)(hak_learner_now_usec() / 1000000 / HAK_LEARNED_WEEK_SECONDS);
}

/* ---- the table --------------------------------------------------------------------------------------- */

static size_t bucket_of(const struct hak_key *context)
{
	return context->word[0] % HAK_LEARNER_BUCKETS;
}

struct hak_learned *hak_learner_find(const struct hak_learner *learner, const struct hak_key *context)
{
	struct hak_learned *learned = learner->buckets[bucket_of(context)];

	while (learned && memcmp(&learned->context, context, sizeof(*context)) != 0)
		learned = learned->hash_next;
	return learned;
}

struct hak_learned *hak_learner_next(const struct hak_learner *learner, const struct hak_learned *previous)
{
	size_t bucket = previous ? bucket_of(&previous->context) : 0;

	if (previous && previous->hash_next)
		return previous->hash_next;
	for (bucket += previous != NULL; bucket < HAK_LEARNER_BUCKETS; bucket++)
		if (learner->buckets[bucket])
			return learner->buckets[bucket];
	return NULL;
}

static bool is_worth_keeping(const struct hak_learned *learned)
{
	return learned->tally_count || learned->life.epoch || learned->life.held;
}

static int save(struct hak_learner *learner, struct hak_learned *learned)
{
	int r = hak_learned_save(learner->directory_fd, learned);

	if (r == 0)
		learned->saved_usec = hak_learner_now_usec();
	return r;
}

static void save_or_say(struct hak_learner *learner, struct hak_learned *learned)
{
	int r = save(learner, learned);

	if (r < 0)
		hak_log(LOG_ERR, "cannot save what was learned: %s; trying again", strerror(-r));
}

/* The least used of those that no process uses. */
static void evict_one(struct hak_learner *learner)
{
	struct hak_learned *least = NULL;

	for (struct hak_learned *l = hak_learner_next(learner, NULL); l; l = hak_learner_next(learner, l))
		if (!l->live && (!least || l->used_usec < least->used_usec))
			least = l;
	if (!least || (least->dirty && is_worth_keeping(least) && save(learner, least) < 0))
		return;
	for (struct hak_learned **link = &learner->buckets[bucket_of(&least->context)]; *link;
	     link = &(*link)->hash_next)
		if (*link == least) {
			*link = least->hash_next;
			break;
		}
	(void)hak_control_drop_context(learner->writer, &least->context); /* it may not have been frozen */
	hak_learned_free(least);
	learner->count--;
}

static void insert(struct hak_learner *learner, struct hak_learned *learned)
{
	struct hak_learned **head = &learner->buckets[bucket_of(&learned->context)];

	if (learner->count >= HAK_LEARNER_CONTEXTS)
		evict_one(learner);
	learned->hash_next = *head;
	*head = learned;
	learned->used_usec = hak_learner_now_usec();
	learner->count++;
	if (learned->life.epoch)
		hak_learner_publish(learner, learned);
}

/* Telemetry files that went before a daemon, killed then, could note it. */
static void forget_removed(const struct hak_learner *learner, struct hak_learned *learned)
{
	for (size_t i = learned->told_count; learner->clients_fd >= 0 && i-- > 0;) {
		char name[HAK_TELEMETRY_NAME_CHARS + 1];

		if (i >= learned->told_count)
			continue; /* a later entry of the same file took more than itself */
		memcpy(name, learned->told[i].name, sizeof(name));
		if (faccessat(learner->clients_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
			hak_learned_forget_file(learned, name);
	}
}

/* A damaged file is kept aside; one of a later version is left alone, and nothing is saved over it. */
static int load(const struct hak_learner *learner, const struct hak_key *context,
		struct hak_learned **ret_learned)
{
	char name[HAK_LEARNED_NAME_CHARS + 1], bad[HAK_LEARNED_NAME_CHARS + 5];
	int r = hak_learned_load(learner->directory_fd, context, ret_learned);

	if (r == 0)
		forget_removed(learner, *ret_learned);
	if (r != -EBADMSG)
		return r;
	hak_learned_file_name(context, name);
	(void)snprintf(bad, sizeof(bad), "%s.bad", name); /* fits */
	(void)renameat(learner->directory_fd, name, learner->directory_fd,
		       bad); /* else the next save replaces it */
	hak_log(LOG_WARNING, "contexts/%s is damaged; kept as %s, learning anew", name, bad);
	return -ENOENT;
}

struct hak_learned *hak_learner_get(struct hak_learner *learner, const struct hak_key *context)
{
	struct hak_learned *learned = hak_learner_find(learner, context);

	if (learned)
		return learned;
	switch (load(learner, context, &learned)) {
	case 0:
		break;
	case -ENOENT:
		learned = hak_learned_new(context);
		break;
	default:
		return NULL;
	}
	if (learned)
		insert(learner, learned);
	return learned;
}

/* ---- processes --------------------------------------------------------------------------------------- */

static void name_it(struct hak_learned *learned, const struct hak_client *client)
{
	const char *slash = client->exe ? strrchr(client->exe, '/') : NULL;

	if (*learned->program)
		return;
	(void)snprintf(learned->scope, sizeof(learned->scope), "%s", client->place.scope);
	(void)snprintf(learned->unit, sizeof(learned->unit), "%s", client->place.unit);
	(void)snprintf(learned->program, sizeof(learned->program), "%s",
		       slash ? slash + 1 : (client->exe ? client->exe : "")); /* cut: for people */
}

void hak_learner_meet(struct hak_learner *learner, struct hak_client *client)
{
	struct hak_learned *learned = hak_learner_get(learner, &client->context);

	if (client->learned == learned)
		return;
	hak_learner_forget(learner, client);
	client->learned = learned;
	if (!learned)
		return;
	learned->live++;
	client->came_late = hak_learned_pairs(learned) > 0;
	learned->used_usec = hak_learner_now_usec();
	name_it(learned, client);
}

void hak_learner_forget(struct hak_learner *learner, struct hak_client *client)
{
	struct hak_learned *learned = client->learned;

	(void)learner;
	if (!learned)
		return;
	learned->live--;
	learned->used_usec = hak_learner_now_usec();
	hak_learned_forget_file(learned, client->name);
	client->learned = NULL;
}

static struct hak_score score_of(const struct hak_client_score *told)
{
	struct hak_score score = told->score;

	/* A copy is torn where a pair ended while it was read: its sums may be ahead of its outcome. */
	score.outcome[HAK_OUTCOME_EVEN] += 8;
	return score;
}

void hak_learner_told(struct hak_learner *learner, struct hak_client *client)
{
	uint32_t week = hak_learner_week();

	if (client->context.word[0] || client->context.word[1])
		hak_learner_meet(learner, client);
	for (size_t i = 0; client->learned && i < client->score_count; i++) {
		const struct hak_client_score *told = &client->scores[i];
		const struct hak_tally_key key = {
			.strategy = {told->strategy[0], told->strategy[1]},
			.incarnation = learner->incarnation,
			.dimensions = (uint64_t)client->library_version << 32 |
				      (uint32_t)sysconf(_SC_PAGESIZE),
			.week = week,
			.uid = client->uid,
		};
		struct hak_score lenient = score_of(told);
		int r;

		if (!hak_score_is_sound(&lenient) || key.strategy[0] >= key.strategy[1]) {
			learner->owner.poisoned(learner->owner.data, client,
						"its scores are none that games make");
			return;
		}
		r = hak_learned_tell(client->learned, client->name, &key, &told->score);
		if (r == -ERANGE) {
			learner->owner.poisoned(learner->owner.data, client, "its scores fell");
			return;
		}
	}
}

int hak_learner_collect(struct hak_learner *learner, struct hak_client *client)
{
	struct hak_process_payload entry;

	if (!client->score_count)
		return 0;
	/* Its processes ended while no daemon ran: the one before had written down what they were. */
	if (!client->context.word[0] && !client->context.word[1] &&
	    hak_control_find_process(learner->writer->header, &client->key, &entry) == 0)
		client->context = entry.context;
	if (!client->distrusted)
		hak_learner_told(learner, client);
	return client->learned && client->learned->dirty ? save(learner, client->learned) : 0;
}

/* ---- deciding ---------------------------------------------------------------------------------------- */

void hak_learner_publish(struct hak_learner *learner, const struct hak_learned *learned)
{
	const struct hak_strategy *strategy = &hak_strategy_table[learned->life.winner].strategy;
	struct hak_rating rating[HAK_STRATEGY_COUNT];
	struct hak_context_payload payload = {.key = learned->context,
					      .strategy_key = hak_strategy_key(strategy),
					      .epoch = learned->life.epoch,
					      .evidence_hash = learned->evidence_hash,
					      .source = HAK_SOURCE_LEARNED};

	hak_learned_rate(learned, hak_learner_week(), rating);
	memcpy(payload.strategy, strategy->value, sizeof(payload.strategy));
	payload.elo_milli = rating[learned->life.winner].elo_milli;
	payload.elo_stderr_milli = rating[learned->life.winner].elo_error_milli;
	payload.games = (uint32_t)(2 * learned->evidence_pairs);
	payload.evolution = learned->life.phase == HAK_LIFE_CANARY   ? HAK_EVO_CANARY
			    : learned->life.phase == HAK_LIFE_FROZEN ? HAK_EVO_FROZEN
								     : HAK_EVO_LEARN;
	/* A full table: processes have the strategy in their own entries nevertheless. */
	(void)hak_control_put_context(learner->writer, &payload);
}

static void explain(struct hak_learned *learned, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void explain(struct hak_learned *learned, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(learned->why, sizeof(learned->why), format, arguments); /* cut: for people */
	va_end(arguments);
}

static void explain_event(struct hak_learned *learned, enum hak_life_event event)
{
	const char *winner = hak_strategy_table[learned->life.winner].name;
	const char *rival = hak_strategy_table[learned->life.rival].name;
	struct hak_score score = hak_learned_score(learned, learned->life.winner, learned->life.rival);
	double gain = hak_score_mean(&score) / 10485.76, error = hak_score_error(&score) / 10485.76;

	switch (event) {
	case HAK_LIFE_FROZE_WINNER:
		score = hak_learned_score(learned, learned->life.winner, 0);
		explain(learned, "%s is cheaper than safe by %.1f %% (+-%.1f) in %" PRIu64 " pairs", winner,
			hak_score_mean(&score) / 10485.76, hak_score_error(&score) / 10485.76,
			hak_score_pairs(&score));
		break;
	case HAK_LIFE_FROZE_SAFE:
		explain(learned, "no rival is cheaper than safe by 2 %%; the nearest is %s", rival);
		break;
	case HAK_LIFE_FROZE_UNDECIDED:
		explain(learned, "undecided after %" PRIu64 " pairs; pairs scatter by %.1f %%",
			hak_learned_pairs(learned), hak_score_scatter(&score) / 10485.76);
		break;
	case HAK_LIFE_BEGAN_CANARY:
		explain(learned, "a canary tests %s against %s", winner, rival);
		break;
	case HAK_LIFE_CONFIRMED:
		explain(learned, "the canary confirmed %s against %s: %.1f %% (+-%.1f) over all pairs",
			winner, rival, gain, error);
		break;
	case HAK_LIFE_SHIFTED:
		explain(learned, "the canary shows %s better than %s now: learning anew", rival, winner);
		break;
	case HAK_LIFE_ROLLED_BACK:
		explain(learned, "the canary shows the winner far behind %s: rolled back to safe", rival);
		break;
	default:
		break;
	}
}

/* Make a change of its life durable, then let it be known. Return: 0; or why not: it is as it was then. */
static int settle(struct hak_learner *learner, struct hak_learned *learned, const struct hak_life *before,
		  const char *what, uid_t uid)
{
	uint8_t previous = learned->previous_winner;
	int r;

	if (learned->life.epoch != before->epoch) {
		learned->previous_winner = before->winner;
		learned->evidence_hash = hak_learned_hash(learned);
		learned->evidence_pairs = hak_learned_pairs(learned);
	}
	r = learned->life.phase == HAK_LIFE_LEARN && before->phase != HAK_LIFE_LEARN
		    ? hak_learned_rebase(learned)
		    : 0;
	if (r == 0)
		r = save(learner, learned);
	if (r < 0) {
		learned->life = *before;
		learned->previous_winner = previous;
		return r;
	}
	hak_learner_publish(learner, learned);
	learner->owner.decided(learner->owner.data, learned, what, before->winner, uid);
	return 0;
}

/* Does a process of it run in one of these modes (bits), and follow us in it? */
static bool runs_in(const struct hak_client *client, unsigned modes)
{
	for (size_t i = 0; i < HAK_TELEMETRY_SLOTS; i++) {
		const struct hak_slot *slot = &client->slot[i];
		struct hak_policy policy;

		if (hak_slot_has_process(slot) && slot->sample &&
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
						 .window_ticks = HAK_LEARNER_WINDOW_TICKS};
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

/*
 * LEARN. A process that began before anything was known decides by itself who plays; those that come when the
 * context has its shortlist go on where the contest stands.
 */
static void go_on_learning(struct hak_learner *learner, struct hak_learned *learned,
			   struct hak_client *clients)
{
	const uint64_t enough = 8, pairs = hak_learned_pairs(learned);
	struct hak_life before = learned->life;
	uint8_t strategy[HAK_CONTEST_PLAYERS];
	struct hak_contest contest;
	struct hak_contest_step step;
	enum hak_life_event event;

	if (hak_life_tire(&learned->life, hak_learner_now_usec())) {
		explain(learned, "nobody played for long: %s stays",
			hak_strategy_table[learned->life.winner].name);
		if (settle(learner, learned, &before, "tired", (uid_t)-1) < 0)
			hak_log(LOG_ERR, "cannot save a decision; trying again");
		return;
	}
	if (pairs == learned->seen_pairs)
		return;
	hak_learned_contest(learned, &contest, strategy);
	if (contest.players < 2)
		return;
	learned->seen_pairs = pairs;
	step = hak_contest_step(&contest);
	event = hak_life_learn(&learned->life, &step, strategy, hak_learner_now_usec());
	if (event != HAK_LIFE_NOTHING) {
		int r;

		explain_event(learned, event);
		r = settle(learner, learned, &before, hak_life_event_name(event), (uid_t)-1);
		if (r < 0)
			hak_log(LOG_ERR, "cannot save a decision: %s; trying again", strerror(-r));
		return;
	}
	for (struct hak_client *client = clients; client; client = client->next)
		if (client->learned == learned && client->published && client->came_late &&
		    hak_contest_pairs(&contest) >= enough && runs_in(client, 1 << HAK_MODE_LEARNING))
			schedule(learner, client, strategy[step.a], strategy[step.b]);
}

static void watch(struct hak_learner *learner, struct hak_learned *learned, struct hak_client *clients)
{
	struct hak_life before = learned->life;
	struct hak_score score = hak_learned_score(learned, before.winner, before.rival);
	struct hak_client *player = before.phase == HAK_LIFE_FROZEN ? find_player(clients, learned) : NULL;
	enum hak_life_event event = hak_life_watch(&learned->life, &score, player && !learner->paused,
						   hak_learner_now_usec());

	if (event == HAK_LIFE_NOTHING)
		return;
	explain_event(learned, event);
	if (event == HAK_LIFE_BEGAN_CANARY) {
		player->canary = true;
		schedule(learner, player, before.winner, before.rival);
	} else {
		for (struct hak_client *client = clients; client; client = client->next)
			if (client->learned == learned)
				unschedule(learner, client);
	}
	if (settle(learner, learned, &before, hak_life_event_name(event), (uid_t)-1) < 0)
		hak_log(LOG_ERR, "cannot save a decision; trying again");
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
	uint64_t now = hak_learner_now_usec();

	set_paused(learner, clients, pressure);
	for (struct hak_learned *l = hak_learner_next(learner, NULL); l; l = hak_learner_next(learner, l)) {
		if (l->dirty && now - l->saved_usec >= HAK_LEARNER_SAVE_USEC)
			save_or_say(learner, l);
		if (learner->paused || !l->live)
			continue;
		if (l->life.phase == HAK_LIFE_LEARN)
			go_on_learning(learner, l, clients);
		else
			watch(learner, l, clients);
	}
}

/* ---- policies ---------------------------------------------------------------------------------------- */

void hak_learner_policy(const struct hak_learner *learner, const struct hak_client *client,
			struct hak_policy *policy)
{
	const struct hak_learned *learned = client->learned;
	uint8_t mode = policy->mode;

	(void)learner;
	if (!learned || policy->panic || policy->elo == HAK_ELO_OFF || mode == HAK_MODE_RESEARCH)
		return;
	if (mode == HAK_MODE_FAST && client->published) { /* what it started with, for its life */
		struct hak_policy before;

		if (client->policy_word && hak_policy_unpack(client->policy_word, &before, NULL) == 0 &&
		    before.mode == mode)
			policy->strategy = before.strategy;
		return;
	}
	if (!learned->life.epoch)
		return;
	policy->strategy = learned->life.winner;
	if (learned->life.phase == HAK_LIFE_LEARN)
		return;
	if (mode == HAK_MODE_LEARNING) {
		*policy = hak_policy_of_mode(HAK_MODE_BALANCED);
		policy->mode = mode;
		policy->strategy = learned->life.winner;
		policy->log = hak_policy_of_mode(HAK_MODE_LEARNING).log;
	}
	if (client->canary && mode != HAK_MODE_FAST)
		policy->evolution = HAK_EVO_CANARY;
}

int hak_learner_wish(struct hak_learner *learner, struct hak_learned *learned, enum hak_learner_wish wish,
		     uid_t uid)
{
	static const char *const what[] = {"frozen-by-hand", "thawed-by-hand", "rolled-back-by-hand"};
	struct hak_life before = learned->life;
	uint64_t now = hak_learner_now_usec();

	switch (wish) {
	case HAK_LEARNER_FREEZE: {
		struct hak_rating rating[HAK_STRATEGY_COUNT];
		uint8_t best = before.winner;

		/* In LEARN: who leads, if it has at least a standard error more than safe. */
		hak_learned_rate(learned, hak_learner_week(), rating);
		for (uint8_t i = 0; before.phase == HAK_LIFE_LEARN && i < HAK_STRATEGY_COUNT; i++)
			if (rating[i].pairs && rating[i].gain_ppm > (int64_t)rating[i].gain_error_ppm &&
			    rating[i].gain_ppm > rating[best].gain_ppm)
				best = i;
		hak_life_freeze(&learned->life, best, now);
		explain(learned, "uid %u froze %s", (unsigned)uid, hak_strategy_table[best].name);
		break;
	}
	case HAK_LEARNER_THAW:
		hak_life_thaw(&learned->life, now);
		explain(learned, "uid %u had it learn anew", (unsigned)uid);
		break;
	case HAK_LEARNER_ROLL_BACK:
		hak_life_roll_back(&learned->life, learned->previous_winner, now);
		explain(learned, "uid %u rolled back to %s", (unsigned)uid,
			hak_strategy_table[learned->previous_winner].name);
		break;
	}
	return settle(learner, learned, &before, what[wish], uid);
}

/* ---- beginning and end ------------------------------------------------------------------------------- */

static int take_incarnation(struct hak_learner *learner, int state_fd)
{
	char *text = NULL, *end = NULL, line[24];
	sd_id128_t random;
	size_t length;
	int r;

	r = hak_file_read(state_fd, "incarnation", &text, &length);
	if (r == 0)
		learner->incarnation = strtoull(text, &end, 16);
	free(text);
	if (r == 0 && learner->incarnation)
		return 0;
	r = sd_id128_randomize(&random);
	if (r < 0)
		return r;
	learner->incarnation = random.qwords[0] | 1;
	(void)snprintf(line, sizeof(line), "%016" PRIx64 "\n", learner->incarnation);
	return hak_file_replace(state_fd, "incarnation", line, strlen(line));
}

int hak_learner_init(struct hak_learner *learner, int state_fd, struct hak_control_writer *writer,
		     const struct hak_learner_owner *owner)
{
	int r;

	*learner = (struct hak_learner){.clients_fd = -1,
					.owner = *owner,
					.writer = writer,
					.schedules = hak_learner_now_usec() & ~UINT64_C(1)};
	r = take_incarnation(learner, state_fd);
	if (r == 0 && mkdirat(state_fd, HAK_LEARNED_DIRECTORY, 0700) < 0 && errno != EEXIST)
		r = -errno;
	learner->directory_fd = r < 0 ? r
				      : openat(state_fd, HAK_LEARNED_DIRECTORY,
					       O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r < 0 ? r : learner->directory_fd < 0 ? -errno : 0;
}

void hak_learner_deinit(struct hak_learner *learner)
{
	for (size_t i = 0; i < HAK_LEARNER_BUCKETS; i++)
		while (learner->buckets[i]) {
			struct hak_learned *learned = learner->buckets[i];

			if (learned->dirty && is_worth_keeping(learned))
				save_or_say(learner, learned);
			learner->buckets[i] = learned->hash_next;
			hak_learned_free(learned);
		}
	learner->count = 0;
	if (learner->directory_fd >= 0)
		close(learner->directory_fd);
	learner->directory_fd = -1;
}
