/* SPDX-License-Identifier: MIT */
/* Contexts come, processes tell of them, and both are saved. See learner.h. */
#include "learner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <systemd/sd-id128.h>

#include "clock.h"
#include "file_replace.h"
#include "learned_file.h"
#include "learner_private.h"
#include "log.h"

static void note_saved(struct hak_learned *learned)
{
	learned->dirty = learned->save_wanted = false;
	learned->save_error = 0;
	learned->saved_usec = hak_clock_realtime_usec();
}

static void insert(struct hak_learner *learner, struct hak_learned *learned)
{
	if (learner->contexts.count >= HAK_LEARNER_CONTEXTS)
		hak_learner_make_room(learner);
	hak_learned_insert(&learner->contexts, learned);
	learned->used_usec = hak_clock_realtime_usec();
	hak_priors_take_in(&learner->priors, learned);
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

static void name_it(struct hak_learner *learner, struct hak_learned *learned, const struct hak_client *client)
{
	if (*learned->program)
		return;
	hak_priors_take_out(&learner->priors, learned);
	(void)snprintf(learned->scope, sizeof(learned->scope), "%s", client->place.scope);
	(void)snprintf(learned->unit, sizeof(learned->unit), "%s", client->place.unit);
	(void)snprintf(learned->program, sizeof(learned->program), "%s",
		       client->exe ? basename(client->exe) : ""); /* cut: for people */
	hak_priors_take_in(&learner->priors, learned);
}

void hak_learner_meet(struct hak_learner *learner, struct hak_client *client)
{
	struct hak_learned *learned = hak_learner_get(learner, &client->context);

	if (client->learned == learned)
		return;
	hak_learner_forget(client);
	client->learned = learned;
	if (!learned)
		return;
	learned->live++;
	client->came_late = hak_learned_pairs(learned) > 0;
	learned->used_usec = hak_clock_realtime_usec();
	name_it(learner, learned, client);
}

void hak_learner_forget(struct hak_client *client)
{
	struct hak_learned *learned = client->learned;

	if (!learned)
		return;
	learned->live--;
	learned->used_usec = hak_clock_realtime_usec();
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

/* What cannot be played within a process was not. */
static bool is_playable(const uint64_t strategy[2])
{
	int a = hak_strategy_find(strategy[0]), b = hak_strategy_find(strategy[1]);

	return a < 0 || b < 0 || hak_share_layout((unsigned)a, (unsigned)b);
}

void hak_learner_told(struct hak_learner *learner, struct hak_client *client)
{
	const struct hak_sample *sample = hak_client_creator(client)->sample;

	if (hak_context_is_known(&client->context))
		hak_learner_meet(learner, client);
	if (client->learned && client->score_count && sample && sample->window_ticks >= 4 &&
	    sample->window_ticks <= HAK_LEARNER_WINDOW_TICKS_MOST)
		client->learned->window_ticks = sample->window_ticks;
	for (size_t i = 0; client->learned && i < client->score_count; i++) {
		const struct hak_client_score *told = &client->scores[i];
		struct hak_score lenient = score_of(told);

		if (!hak_score_is_sound(&lenient) || told->strategy[0] >= told->strategy[1] ||
		    !is_playable(told->strategy)) {
			learner->owner.poisoned(learner->owner.data, client,
						"its scores are none that games make");
			return;
		}
		if (hak_learner_tell(learner, client, told->strategy, &told->score) == -ERANGE) {
			learner->owner.poisoned(learner->owner.data, client, "its scores fell");
			return;
		}
	}
	if (client->learned)
		hak_learner_trial_told(learner, client);
}

void hak_learner_collect(struct hak_learner *learner, struct hak_client *client)
{
	struct hak_process_payload entry;
	bool tells = client->score_count || client->trial;

	hak_learner_trial_ended(learner, client);
	if (!tells)
		return;
	/* Its processes ended while no daemon ran: the one before had written down what they were. */
	if (!hak_context_is_known(&client->context) &&
	    hak_control_find_process(learner->writer->header, &client->key, &entry) == 0)
		client->context = entry.context;
	if (!client->distrusted && client->score_count)
		hak_learner_told(learner, client);
	if (!client->learned || !client->learned->dirty)
		return;
	client->learned->save_wanted = true;
	if (!client->learned->saved_usec) /* its first file, or the first time since the daemon began */
		hak_learner_bound_files(learner, client->learned);
}

/* On the disk a decision is in force before it is so here. */
static char *format(struct hak_learned *learned)
{
	char *text;

	if (!learned->decision)
		return hak_learned_format(learned);
	hak_learned_swap(learned, learned->decision);
	text = hak_learned_format(learned);
	hak_learned_swap(learned, learned->decision);
	return text;
}

static bool add_file(const struct hak_learner *learner, struct hak_learned *learned,
		     struct hak_durable_batch *batch)
{
	struct hak_durable_file file = {
		.directory_fd = learner->directory_fd, .text = format(learned), .data = learned};

	hak_learned_file_name(&learned->context, file.name);
	return file.text && hak_durable_add(batch, &file);
}

static void add_priors(struct hak_learner *learner, struct hak_durable_batch *batch)
{
	struct hak_durable_file file = {.directory_fd = learner->state_fd,
					.name = HAK_PRIORS_FILE,
					.text = hak_priors_format(&learner->priors),
					.data = &learner->priors};

	learner->priors.unsaved = !(file.text && hak_durable_add(batch, &file));
}

void hak_learner_unsaved(struct hak_learner *learner, struct hak_durable_batch *batch)
{
	if (learner->priors.unsaved)
		add_priors(learner, batch);
	for (struct hak_learned *l = hak_learner_next(learner, NULL); l; l = hak_learner_next(learner, l)) {
		if (!l->save_wanted)
			continue;
		l->save_error = -ENOMEM; /* as long as it is in no batch */
		l->on_its_way = add_file(learner, l, batch);
		if (l->on_its_way)
			note_saved(l);
		if (l->decision)
			l->decision->on_its_way = l->on_its_way;
	}
}

void hak_learner_save_all(struct hak_learner *learner)
{
	for (struct hak_learned *l = hak_learner_next(learner, NULL); l; l = hak_learner_next(learner, l))
		l->save_wanted |= l->dirty && hak_learner_is_worth_keeping(l);
}

void hak_learner_saved(struct hak_learner *learner, const struct hak_durable_file *file)
{
	struct hak_learned *learned = file->data;

	if (file->data == &learner->priors) {
		learner->priors.unsaved |= file->result < 0;
		return;
	}
	learned->on_its_way = false;
	learned->save_error = file->result;
	learned->dirty |= file->result < 0;
	learned->save_wanted |= file->result < 0;
	if (learned->decision && learned->decision->on_its_way)
		hak_learner_settled(learner, learned, file->result);
}

/* ---- policies ---------------------------------------------------------------------------------------- */

/* What is decided runs in balanced's row. */
static void freeze_row(struct hak_policy *policy, uint8_t strategy)
{
	struct hak_policy before = *policy;

	if (before.mode == HAK_MODE_LEARNING) {
		*policy = hak_policy_of_mode(HAK_MODE_BALANCED);
		policy->mode = before.mode;
		policy->log = before.log;
	}
	policy->strategy = strategy;
}

void hak_learner_policy(const struct hak_client *client, struct hak_policy *policy)
{
	const struct hak_learned *learned = client->learned;
	uint8_t mode = policy->mode;

	if (!learned || policy->panic || policy->elo == HAK_ELO_OFF || mode == HAK_MODE_RESEARCH)
		return;
	if (client->trial && (mode == HAK_MODE_LEARNING || mode == HAK_MODE_BALANCED)) {
		freeze_row(policy, client->trial - 1);
		return;
	}
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
	freeze_row(policy, learned->life.winner);
	if (client->canary && mode != HAK_MODE_FAST)
		policy->evolution = HAK_EVO_CANARY;
}

/* ---- beginning and end ------------------------------------------------------------------------------- */

char *hak_learner_format_incarnation(const struct hak_learner *learner)
{
	char *text;

	return asprintf(&text, "%016" PRIx64 "\n", learner->incarnation) < 0 ? NULL : text;
}

static int take_incarnation(struct hak_learner *learner)
{
	char *text = NULL, *end = NULL;
	sd_id128_t random;
	size_t length;
	int r;

	r = hak_file_read(learner->state_fd, HAK_INCARNATION_FILE, &text, &length);
	if (r == 0)
		learner->incarnation = strtoull(text, &end, 16);
	free(text);
	if (r == 0 && learner->incarnation)
		return 0;
	r = sd_id128_randomize(&random);
	if (r < 0)
		return r;
	learner->incarnation = random.qwords[0] | 1;
	text = hak_learner_format_incarnation(learner);
	r = text ? hak_file_replace(learner->state_fd, HAK_INCARNATION_FILE, text, strlen(text)) : -ENOMEM;
	free(text);
	return r;
}

/* Return: the descriptor, or why not. */
static int open_directory(const struct hak_learner *learner)
{
	int fd;

	if (mkdirat(learner->state_fd, HAK_LEARNED_DIRECTORY, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(learner->state_fd, HAK_LEARNED_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int hak_learner_begin_anew(struct hak_learner *learner)
{
	int fd = open_directory(learner);

	if (fd < 0)
		return fd;
	close(learner->directory_fd); /* between batches: nobody uses it */
	learner->directory_fd = fd;
	for (struct hak_learned *l = hak_learner_next(learner, NULL); l; l = hak_learner_next(learner, l))
		l->dirty = true;
	hak_learner_save_all(learner);
	learner->priors.unsaved |= learner->priors.imported.contexts.count > 0;
	return 0;
}

int hak_learner_init(struct hak_learner *learner, int state_fd, struct hak_control_writer *writer,
		     const struct hak_learner_owner *owner)
{
	int r;

	*learner = (struct hak_learner){.clients_fd = -1,
					.owner = *owner,
					.state_fd = state_fd,
					.writer = writer,
					.schedules = hak_clock_realtime_usec() & ~UINT64_C(1)};
	r = take_incarnation(learner);
	if (r == 0)
		hak_priors_load(&learner->priors, state_fd);
	learner->directory_fd = r < 0 ? r : open_directory(learner);
	return learner->directory_fd < 0 ? learner->directory_fd : 0;
}

void hak_learner_deinit(struct hak_learner *learner)
{
	hak_learned_free_all(&learner->contexts);
	hak_priors_deinit(&learner->priors);
	if (learner->directory_fd >= 0)
		close(learner->directory_fd);
	learner->directory_fd = -1;
}
