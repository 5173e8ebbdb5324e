/* SPDX-License-Identifier: MIT */
/* The registry's tables: names, pids, users' quotas, what is due. See registry_private.h. */
#include <stdlib.h>
#include <string.h>

#include "registry_private.h"

uint64_t hak_registry_now(const struct hak_registry *registry)
{
	uint64_t now = 0;

	(void)sd_event_now(registry->event, CLOCK_MONOTONIC,
			   &now); /* cannot fail for a clock that it knows */
	return now;
}

struct hak_client_chain *hak_registry_chain(struct hak_registry *registry, const struct hak_key *key)
{
	return &registry->by_name[key->word[0] % HAK_REGISTRY_BUCKETS];
}

static struct hak_slot_chain *pid_chain(struct hak_registry *registry, pid_t pid)
{
	return &registry->by_pid[(uint32_t)pid % HAK_REGISTRY_BUCKETS];
}

struct hak_client *hak_registry_find(struct hak_registry *registry, const char *name)
{
	struct hak_client *client;
	struct hak_key key;

	if (hak_telemetry_key(name, &key) < 0)
		return NULL;
	SLIST_FOREACH(client, hak_registry_chain(registry, &key), same_hash)
		if (strcmp(client->name, name) == 0)
			return client;
	return NULL;
}

struct hak_slot *hak_registry_find_pid(struct hak_registry *registry, pid_t pid)
{
	struct hak_slot *slot;

	SLIST_FOREACH(slot, pid_chain(registry, pid), same_pid)
		if (slot->pid == pid)
			return slot;
	return NULL;
}

void hak_registry_index_pid(struct hak_registry *registry, struct hak_slot *slot)
{
	SLIST_INSERT_HEAD(pid_chain(registry, slot->pid), slot, same_pid);
}

void hak_registry_unindex_pid(struct hak_registry *registry, struct hak_slot *slot)
{
	SLIST_REMOVE(pid_chain(registry, slot->pid), slot, hak_slot, same_pid);
}

void hak_registry_count_process(struct hak_registry *registry, int change)
{
	bool was_in_use = registry->process_count > 0;

	registry->process_count = (size_t)((ssize_t)registry->process_count + change);
	if (was_in_use != (registry->process_count > 0))
		registry->owner.in_use_changed(registry->owner.data, !was_in_use);
}

static struct hak_registry_uid *uid_of(struct hak_registry *registry, uid_t uid)
{
	struct hak_registry_uid *grown;

	for (size_t i = 0; i < registry->uid_count; i++) {
		if (registry->uids[i].uid == uid)
			return &registry->uids[i];
	}
	grown = reallocarray(registry->uids, registry->uid_count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	registry->uids = grown;
	grown += registry->uid_count++;
	*grown = (struct hak_registry_uid){.uid = uid};
	return grown;
}

bool hak_registry_has_room(struct hak_registry *registry, const struct hak_client *client, uint32_t parts)
{
	const struct hak_registry_uid *uid = uid_of(registry, client->uid);

	return uid && uid->files + parts <= registry->files_per_uid;
}

bool hak_registry_admit(struct hak_registry *registry, const struct hak_client *client, uint32_t parts)
{
	if (!hak_registry_has_room(registry, client, parts))
		return false;
	uid_of(registry, client->uid)->files += parts;
	return true;
}

bool hak_registry_grow(struct hak_registry *registry, struct hak_client *client)
{
	unsigned before = client->part_count;

	while (client->part_count < client->parts_told && hak_registry_has_room(registry, client, 1) &&
	       hak_client_add_part(client) == 0)
		(void)hak_registry_admit(registry, client, 1); /* there is room */
	return client->part_count > before;
}

bool hak_registry_may_pass_on(struct hak_registry *registry, const struct hak_client *client,
			      uint64_t *ret_suppressed)
{
	struct hak_registry_uid *uid = uid_of(registry, client->uid);

	return uid && hak_log_rate_allows(&uid->log_rate, hak_registry_now(registry), ret_suppressed);
}

static void dismiss(struct hak_registry *registry, const struct hak_client *client)
{
	for (size_t i = 0; i < registry->uid_count; i++) {
		if (registry->uids[i].uid != client->uid)
			continue;
		registry->uids[i].files -= client->part_count;
		if (registry->uids[i].files == 0)
			registry->uids[i] = registry->uids[--registry->uid_count];
		return;
	}
}

/* Of a file that a daemon before this one knew. */
static void remember_folded(const struct hak_registry *registry, struct hak_client *client)
{
	const struct hak_tallies_file *file;
	size_t count;

	file = hak_tallies_find(registry->tallies, client->name, &count);
	for (; count; count--, file++) {
		unsigned part = hak_tallies_part_of(file, client->name);

		if (part >= HAK_TELEMETRY_PARTS)
			continue;
		while (client->part_count <= part)
			if (hak_client_add_part(client) < 0)
				return;
		for (size_t i = 0; i < HAK_TELEMETRY_SLOTS; i++) {
			struct hak_slot *slot = &client->part[part]->slot[i];

			slot->folded = slot->freeing = slot->freed = file->folded[i];
		}
		if (part == 0)
			client->file_folded = file->folded[HAK_TALLIES_FILE_RECORD];
	}
}

struct hak_client *hak_registry_add(struct hak_registry *registry, const char *name)
{
	struct hak_client *client;

	if (hak_due_reserve(&registry->due, registry->count + 1) < 0)
		return NULL;
	client = hak_client_new(name);
	if (!client)
		return NULL;
	client->registry = registry;
	remember_folded(registry, client);
	SLIST_INSERT_HEAD(hak_registry_chain(registry, &client->key), client, same_hash);
	client->id = registry->next_id++;
	client->previous = registry->last;
	*(registry->last ? &registry->last->next : &registry->first) = client;
	registry->last = client;
	if (registry->count == 0) /* it slept; a source of ours: cannot fail */
		(void)sd_event_source_set_enabled(registry->sweep_source, SD_EVENT_ONESHOT);
	client->seen_usec = hak_registry_now(registry);
	registry->count++;
	return client;
}

static void unlink_client(struct hak_registry *registry, struct hak_client *client)
{
	SLIST_REMOVE(hak_registry_chain(registry, &client->key), client, hak_client, same_hash);
	if (registry->sweep_next == client)
		registry->sweep_next = client->next;
	if (registry->fresh_next == client)
		registry->fresh_next = client->next;
	*(client->previous ? &client->previous->next : &registry->first) = client->next;
	*(client->next ? &client->next->previous : &registry->last) = client->previous;
	hak_due_remove(&registry->due, client);
	registry->forkers -= client->forked_usec != 0;
	registry->count--;
}

void hak_registry_remove(struct hak_registry *registry, struct hak_client *client)
{
	hak_learner_forget(client);
	unlink_client(registry, client);
	HAK_FOREACH_SLOT(slot, client) {
		if (slot->pid)
			hak_registry_unindex_pid(registry, slot);
		if (hak_slot_has_process(slot))
			hak_registry_count_process(registry, -1);
	}
	if (client->accepted)
		dismiss(registry, client);
	for (unsigned i = 0; client->published && i < client->part_count; i++) {
		const struct hak_key key = hak_telemetry_part_key(&client->key, i);

		(void)hak_control_drop_process(registry->writer, &key); /* -ENOENT: it never fitted in */
	}
	hak_client_free(client);
}

void hak_registry_plan(struct hak_registry *registry, uint64_t usec)
{
	if (usec >= registry->planned_usec)
		return;
	registry->planned_usec = usec;
	/* A source of ours, a clock that it has: neither can fail. */
	(void)sd_event_source_set_time(registry->tick_source, usec);
	(void)sd_event_source_set_enabled(registry->tick_source, SD_EVENT_ONESHOT);
}

void hak_registry_due(struct hak_registry *registry, struct hak_client *client, uint64_t due_usec)
{
	if (!client->due_usec || due_usec < client->due_usec)
		client->due_usec = due_usec;
	hak_due_put(&registry->due, client);
	hak_registry_plan(registry, due_usec);
}

void hak_registry_undue(struct hak_registry *registry, struct hak_client *client)
{
	hak_due_remove(&registry->due, client);
	client->due_usec = 0;
}

bool hak_registry_may_log(struct hak_registry *registry)
{
	const uint64_t every_usec = 1000000;
	uint64_t now = hak_registry_now(registry);

	if (now < registry->log_again_usec)
		return false;
	registry->log_again_usec = now + every_usec;
	return true;
}
