/* SPDX-License-Identifier: MIT */
/*
 * What people set, what processes told and what was decided, made durable beside the loop: batches of all
 * that is wanted at that moment, one after the other. A slot is free again, and a telemetry file goes, when
 * the batch is written that holds what it told: the tallies as far as it was folded, and its context. So
 * whoever is killed when, it is counted once. A decision is published when the batch is written that has its
 * context.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "file_replace.h"
#include "log.h"
#include "manager.h"
#include "manager_private.h"

enum { RETRY_USEC = 1000000, SLOTS_USEC = 10000 /* between batches for slots alone */ };

/* Those that leave now, or have slots to be freed. Return: does any leave? */
static bool take_leaving(struct hak_registry *registry)
{
	bool any = false;

	for (struct hak_client *client = registry->first; client; client = client->next) {
		hak_registry_begin_freeing(client);
		if (client->leaving != HAK_LEAVING_WAITS)
			continue;
		client->leaving = HAK_LEAVING_WRITING;
		any = true;
	}
	return any;
}

/* Is all that the client told written? */
static int result_of(const struct hak_manager *manager, const struct hak_client *client)
{
	if (manager->tallies_error || !client->learned)
		return manager->tallies_error;
	return client->learned->save_error;
}

static char *state_text(const struct hak_manager *manager)
{
	return hak_state_format(&manager->state);
}

static char *profiles_text(const struct hak_manager *manager)
{
	return hak_profiles_format(&manager->profiles);
}

static char *incarnation_text(const struct hak_manager *manager)
{
	return hak_learner_format_incarnation(&manager->learner);
}

static const struct own_file {
	unsigned bit;
	const char *name;
	char *(*text)(const struct hak_manager *manager); /* NULL: no memory */
} own_files[] = {
	{HAK_SAVE_STATE, HAK_STATE_FILE, state_text},
	{HAK_SAVE_PROFILES, HAK_PROFILES_FILE, profiles_text},
	{HAK_SAVE_INCARNATION, HAK_INCARNATION_FILE, incarnation_text},
};

/* As there may be a line for each of many files each second: one when it begins, and one when it is over. */
static void say(struct hak_manager *manager, const struct hak_durable_batch *batch)
{
	const char *directory = manager->options->state_dir, *name = "";
	int r = 0;

	for (size_t i = 0; i < batch->file_count && r == 0; i++) {
		r = batch->files[i].result;
		name = batch->files[i].name;
	}
	if (r < 0 && r != manager->save_error)
		hak_log(LOG_ERR, "cannot write %s in %s: %s; trying again", name, directory, strerror(-r));
	else if (r == 0 && manager->save_error)
		hak_log(LOG_NOTICE, "%s can be written again", directory);
	manager->save_error = r;
}

static void own_written(struct hak_manager *manager, const struct hak_durable_file *file)
{
	for (size_t i = 0; i < sizeof(own_files) / sizeof(*own_files); i++) {
		if (strcmp(own_files[i].name, file->name) == 0 && file->result < 0)
			manager->unsaved |= own_files[i].bit;
	}
}

static void file_written(struct hak_manager *manager, const struct hak_durable_file *file)
{
	if (file->data == &manager->tallies) {
		hak_tallies_saved(&manager->tallies, file);
		manager->tallies_error = file->result;
	} else if (file->data) {
		hak_learner_saved(&manager->learner, file);
	} else {
		own_written(manager, file);
	}
}

/* The directory was removed, or what is in it: all that we have goes into the one that is there now. What was
 * on the disk alone is lost, contexts that no process uses. */
static void begin_anew(struct hak_manager *manager)
{
	int fd = hak_directory_open(manager->options->state_dir, HAK_STATE_MODE, false);

	if (fd < 0)
		return; /* trying again */
	(void)dup3(fd, manager->state_fd, O_CLOEXEC); /* between batches; both are ours: cannot fail */
	close(fd);
	if (hak_learner_begin_anew(&manager->learner) < 0)
		return;
	manager->tallies.wants_snapshot = true;
	for (size_t i = 0; i < sizeof(own_files) / sizeof(*own_files); i++)
		manager->unsaved |= own_files[i].bit;
}

static void want_saved_at(struct hak_manager *manager, uint64_t usec)
{
	/* A source of ours: cannot fail. */
	(void)sd_event_source_set_time(manager->saving_source, usec);
	(void)sd_event_source_set_enabled(manager->saving_source, SD_EVENT_ONESHOT);
}

/* hak_durable.done */
static void on_written(void *data, const struct hak_durable_batch *batch)
{
	struct hak_manager *manager = data;
	struct hak_client *next;

	say(manager, batch);
	for (size_t i = 0; i < batch->file_count; i++)
		file_written(manager, &batch->files[i]);
	if (manager->saved)
		manager->saved(manager->changed_data, batch);
	for (struct hak_client *client = manager->registry->first; client; client = next) {
		next = client->next; /* it may go */
		hak_registry_end_freeing(manager->registry, client, manager->tallies_error);
		if (client->leaving == HAK_LEAVING_WRITING)
			hak_client_life_saved(manager->registry, client, result_of(manager, client));
	}
	if (manager->save_error == -ENOENT)
		begin_anew(manager);
	want_saved_at(manager, manager->save_error ? hak_registry_now(manager->registry) + RETRY_USEC : 0);
}

/* The snapshot is to say of each telemetry file what was folded of it. */
static int save_snapshot(struct hak_manager *manager, struct hak_durable_file *ret_file)
{
	struct hak_tallies_file *files;
	size_t count;
	int r;

	files = hak_registry_folded(manager->registry, &count);
	r = files ? hak_tallies_save_snapshot(&manager->tallies, files, count, ret_file) : -ENOMEM;
	free(files);
	return r;
}

/* @leave: files go when this is durable. */
static int add_tallies(struct hak_manager *manager, struct hak_durable_batch *batch, bool leave)
{
	struct hak_durable_file file;
	int r;

	if (!manager->scan.source)
		return 0; /* not all files were found: nothing is folded, and what was is not all known */
	r = manager->tallies.wants_snapshot ? save_snapshot(manager, &file)
					    : hak_tallies_save_lines(&manager->tallies, leave, &file);
	if (r > 0 && !hak_durable_add(batch, &file))
		r = -ENOMEM;
	return r < 0 ? r : 0;
}

static void add_own(struct hak_manager *manager, struct hak_durable_batch *batch)
{
	for (size_t i = 0; i < sizeof(own_files) / sizeof(*own_files); i++) {
		struct hak_durable_file file = {.directory_fd = manager->state_fd};

		if (!(manager->unsaved & own_files[i].bit))
			continue;
		strcpy(file.name, own_files[i].name);
		file.text = own_files[i].text(manager);
		if (file.text && hak_durable_add(batch, &file))
			manager->unsaved &= ~own_files[i].bit;
	}
}

/* The disk is free. */
static void begin(struct hak_manager *manager)
{
	struct hak_durable_batch batch = {.files = NULL};
	bool leave = take_leaving(manager->registry);

	add_own(manager, &batch); /* the first ones: people wait for them */
	manager->tallies_error = add_tallies(manager, &batch, leave);
	hak_learner_unsaved(&manager->learner, &batch);
	if (!leave && !batch.file_count) { /* nothing, or no memory for their texts */
		if (manager->tallies_error)
			want_saved_at(manager, hak_registry_now(manager->registry) + RETRY_USEC);
		return;
	}
	manager->batches++;
	manager->batch_usec = hak_registry_now(manager->registry);
	hak_durable_begin(&manager->durable, &batch);
}

static int on_wanted(sd_event_source *source, uint64_t usec, void *data)
{
	struct hak_manager *manager = data;

	if (hak_durable_is_idle(&manager->durable)) /* else on_written() has it wanted again */
		begin(manager);
	return 0;
}

void hak_manager_save_rest(struct hak_manager *manager)
{
	if (!manager->saving_source)
		return; /* it never began */
	hak_durable_finish(&manager->durable);
	for (int tries = 0; tries < 2; tries++) { /* what failed may go into a snapshot, or a new directory */
		begin(manager);
		hak_durable_finish(&manager->durable);
		if (!manager->save_error)
			return;
	}
	hak_log(LOG_ERR, "ending without having written all to %s: %s", manager->options->state_dir,
		strerror(-manager->save_error));
}

void hak_manager_save(struct hak_manager *manager, unsigned files)
{
	manager->unsaved |= files;
	hak_manager_want_saved(manager);
}

void hak_manager_want_saved(struct hak_manager *manager)
{
	want_saved_at(manager, 0);
}

void hak_manager_folded(void *data)
{
	struct hak_manager *manager = data;
	int enabled = SD_EVENT_OFF;

	/* A source of ours: cannot fail. */
	(void)sd_event_source_get_enabled(manager->saving_source, &enabled);
	if (enabled == SD_EVENT_OFF) /* else it is due soon, or tried again after a failure */
		want_saved_at(manager, manager->batch_usec + SLOTS_USEC);
}

int hak_manager_saving_init(struct hak_manager *manager)
{
	int r = hak_durable_init(&manager->durable, manager->event, on_written, manager);

	if (r >= 0)
		r = sd_event_add_time(manager->event, &manager->saving_source, CLOCK_MONOTONIC, 0, 1000,
				      on_wanted, manager);
	if (r >= 0)
		r = sd_event_source_set_enabled(manager->saving_source, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

void hak_manager_saving_deinit(struct hak_manager *manager)
{
	sd_event_source_disable_unref(manager->saving_source);
	hak_durable_deinit(&manager->durable);
}
