/* SPDX-License-Identifier: MIT */
/* See learner_fixture.h. */
#include "learner_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file_replace.h"
#include "policy.h"
#include "shm_fixture.h"
#include "scratch.h"
#include "suite.h"

struct hak_control_writer learner_writer;
struct hak_learner learner;
static char state_dir[SCRATCH_CHARS];
int learner_state_fd;

struct learner_told told;

static void on_decided(void *data, const struct hak_learned *learned, const char *what, uint8_t before,
		       uid_t uid)
{
	(void)data, (void)learned, (void)before, (void)uid;
	snprintf(told.what, sizeof(told.what), "%s", what);
	told.decisions++;
}

static void on_client_changed(void *data, struct hak_client *client)
{
	(void)data, (void)client;
	told.changes++;
}

static enum hak_mode mode_of(void *data, const struct hak_client *client)
{
	(void)data, (void)client;
	return told.mode;
}

static void on_poisoned(void *data, struct hak_client *client, const char *what)
{
	(void)data, (void)client, (void)what;
	told.poisonings++;
}

void learner_write(int result)
{
	struct hak_durable_batch batch = {.files = NULL};

	hak_learner_unsaved(&learner, &batch);
	for (size_t i = 0; i < batch.file_count; i++) {
		struct hak_durable_file *file = &batch.files[i];

		file->result = result ? result
				      : hak_file_replace(file->directory_fd, file->name, file->text,
							 strlen(file->text));
		free(file->text);
		hak_learner_saved(&learner, file);
	}
	free(batch.files);
}

static void on_save_wanted(void *data)
{
	(void)data;
	if (!told.disk_is_slow)
		learner_write(0);
}

void learner_end(void)
{
	hak_learner_save_all(&learner);
	learner_write(0);
	hak_learner_deinit(&learner);
}

void learner_begin(void)
{
	const struct hak_learner_owner owner = {NULL,    on_decided,  on_client_changed,
						mode_of, on_poisoned, on_save_wanted};

	ck_assert_int_eq(hak_learner_init(&learner, learner_state_fd, &learner_writer, &owner), 0);
}

void learner_set_up(void)
{
	memset(&told, 0, sizeof(told));
	told.mode = HAK_MODE_LEARNING;
	shm_dir_make();
	ck_assert_int_eq(hak_control_writer_init(&learner_writer, shm_dir), 0);
	scratch_make(state_dir);
	learner_state_fd = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(learner_state_fd, 0);
	learner_begin();
}

void learner_tear_down(void)
{
	hak_learner_deinit(&learner);
	close(learner_state_fd);
	hak_control_writer_deinit(&learner_writer);
	shm_dir_remove();
	scratch_remove(state_dir);
}

/* ---- clients ----------------------------------------------------------------------------------------- */

void begin_player(struct player *player, uint64_t number, uint64_t context)
{
	const struct hak_policy policy = hak_policy_of_mode(HAK_MODE_LEARNING);

	*player = (struct player){.sample.policy_word = hak_policy_pack(&policy, 1)};
	snprintf(player->client.name, sizeof(player->client.name), "%032llx", (unsigned long long)number);
	player->client.key = shm_key(number);
	player->client.context = shm_key(context);
	player->client.uid = LEARNER_UID;
	player->client.exe = (char *)"/usr/bin/program"; /* only read */
	player->parts = &player->part;
	player->client.part = &player->parts;
	player->client.part_count = 1;
	player->client.slots_used = 1;
	player->part.slot[0].phase = HAK_PHASE_LIVE;
	player->part.slot[0].sample = &player->sample;
	player->client.published = true;
}

void play(struct player *player, unsigned a, unsigned b, unsigned pairs, int32_t ratio)
{
	uint64_t key_a = hak_strategy_key(&hak_strategy_table[a].strategy);
	uint64_t key_b = hak_strategy_key(&hak_strategy_table[b].strategy);

	if (key_a > key_b) {
		uint64_t swap = key_a;

		key_a = key_b;
		key_b = swap;
		ratio = -ratio;
	}
	player->score.strategy[0] = key_a;
	player->score.strategy[1] = key_b;
	while (pairs--)
		hak_score_add(&player->score.score, ratio, ratio);
	player->client.scores = &player->score;
	player->client.score_count = 1;
	hak_learner_told(&learner, &player->client);
}

void learner_second(struct player *player, bool pressure)
{
	hak_learner_tick(&learner, &player->client, pressure);
}
