/* SPDX-License-Identifier: MIT */
/*
 * What processes told and what was decided, made durable beside the loop: batches of all that is wanted at
 * that moment, one after the other. A telemetry file goes when the batch is written that holds what it told:
 * the journal of the tallies as far as it was folded, and its context. So whoever is killed when, it is
 * counted once. A decision is published when the batch is written that has its context.
 */
#include <errno.h>
#include <stdlib.h>

#include "client_life.h"
#include "manager.h"
#include "manager_private.h"

/* Those that leave now. Return: are there any? */
static bool take_leaving(struct hak_registry *registry)
{
	bool any = false;

	for (struct hak_client *client = registry->first; client; client = client->next) {
		if (client->leaving != HAK_LEAVING_WAITS)
			continue;
		client->leaving = HAK_LEAVING_WRITING;
		if (client->learned && client->learned->dirty)
			client->learned->save_wanted = true; /* its last way to the disk may have failed */
		any = true;
	}
	return any;
}

/* Is all that the client told written? */
static int result_of(const struct hak_client *client, const struct hak_durable_batch *batch)
{
	if (batch->sync_result < 0 || !client->learned)
		return batch->sync_result;
	return client->learned->save_error;
}

/* hak_durable.done */
static void on_written(void *data, const struct hak_durable_batch *batch)
{
	struct hak_manager *manager = data;
	struct hak_client *next;

	if (batch->sync_result < 0)
		manager->tallies.unsynced = true;
	for (size_t i = 0; i < batch->file_count; i++)
		hak_learner_saved(&manager->learner, &batch->files[i]);
	if (manager->saved)
		manager->saved(manager->changed_data, batch);
	for (struct hak_client *client = manager->registry->first; client; client = next) {
		next = client->next; /* it may go */
		if (client->leaving == HAK_LEAVING_WRITING)
			hak_client_life_saved(manager->registry, client, result_of(client, batch));
	}
	hak_manager_want_saved(manager);
}

/* The disk is free. */
static void begin(struct hak_manager *manager)
{
	struct hak_durable_batch batch = {.sync_fd = -1};
	bool leave = take_leaving(manager->registry);

	batch.file_count = hak_learner_unsaved(&manager->learner, &batch.files);
	if (!leave && !batch.file_count) {
		free(batch.files); /* no memory for their texts */
		return;
	}
	batch.sync_result = hak_tallies_unsynced(&manager->tallies, &batch.sync_fd);
	manager->batches++;
	hak_durable_begin(&manager->durable, &batch);
}

static int on_wanted(sd_event_source *source, void *data)
{
	struct hak_manager *manager = data;

	(void)source;
	if (hak_durable_is_idle(&manager->durable)) /* else on_written() has it wanted again */
		begin(manager);
	return 0;
}

void hak_manager_save_rest(struct hak_manager *manager)
{
	if (!manager->saving_source)
		return; /* it never began */
	hak_durable_finish(&manager->durable);
	begin(manager);
	hak_durable_finish(&manager->durable);
}

void hak_manager_want_saved(struct hak_manager *manager)
{
	/* A source of ours: cannot fail. */
	(void)sd_event_source_set_enabled(manager->saving_source, SD_EVENT_ONESHOT);
}

int hak_manager_saving_init(struct hak_manager *manager)
{
	int r = hak_durable_init(&manager->durable, manager->event, on_written, manager);

	if (r >= 0)
		r = sd_event_add_defer(manager->event, &manager->saving_source, on_wanted, manager);
	if (r >= 0)
		r = sd_event_source_set_enabled(manager->saving_source, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

void hak_manager_saving_deinit(struct hak_manager *manager)
{
	sd_event_source_disable_unref(manager->saving_source);
	hak_durable_deinit(&manager->durable);
}
