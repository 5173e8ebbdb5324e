/* SPDX-License-Identifier: MIT */
/* See registry.h. */
#include "registry.h"

#include <stdlib.h>
#include <string.h>

#include "client_life.h"
#include "clock.h"
#include "conf.h"
#include "target.h"

enum {
	SWEEP_LEAST_USEC = 250000,
	SWEEP_MOST_USEC = 45000000,
	SWEEP_LOOK_USEC = 4500, /* a look costs about 25 us on a slow machine: 0.6 % of a core */
	SWEEP_CHUNK = 64,         /* looks in one go: about a millisecond */
	TICK_MOST_USEC = 5000,    /* what is due in one go, while others wait */
	TICK_REST_USEC =
		1000, /* their turn: a timer that is always due starves sd-bus, which is at one too */
	LOG_EVERY_USEC = 1000000,
	INCOMPLETE_USEC = 20000, /* then a file is whole, and many a process is gone again */
};

uint64_t hak_registry_now(const struct hak_registry *registry)
{
	uint64_t now = 0;

	(void)sd_event_now(registry->event, CLOCK_MONOTONIC,
			   &now); /* cannot fail for a clock that it knows */
	return now;
}

struct hak_client **hak_registry_chain(struct hak_registry *registry, const struct hak_key *key)
{
	return &registry->by_name[key->word[0] % HAK_REGISTRY_BUCKETS];
}

static struct hak_slot **pid_chain(struct hak_registry *registry, pid_t pid)
{
	return &registry->by_pid[(uint32_t)pid % HAK_REGISTRY_BUCKETS];
}

struct hak_client *hak_registry_find(struct hak_registry *registry, const char *name)
{
	struct hak_key key;

	if (hak_telemetry_key(name, &key) < 0)
		return NULL;
	for (struct hak_client *client = *hak_registry_chain(registry, &key); client;
	     client = client->hash_next) {
		if (strcmp(client->name, name) == 0)
			return client;
	}
	return NULL;
}

struct hak_slot *hak_registry_find_pid(struct hak_registry *registry, pid_t pid)
{
	for (struct hak_slot *slot = *pid_chain(registry, pid); slot; slot = slot->pid_next) {
		if (slot->pid == pid)
			return slot;
	}
	return NULL;
}

void hak_registry_index_pid(struct hak_registry *registry, struct hak_slot *slot)
{
	struct hak_slot **chain = pid_chain(registry, slot->pid);

	slot->pid_next = *chain;
	*chain = slot;
}

void hak_registry_unindex_pid(struct hak_registry *registry, struct hak_slot *slot)
{
	for (struct hak_slot **at = pid_chain(registry, slot->pid); *at; at = &(*at)->pid_next) {
		if (*at == slot) {
			*at = slot->pid_next;
			return;
		}
	}
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

static struct hak_client *add(struct hak_registry *registry, const char *name)
{
	struct hak_client *client;
	struct hak_client **chain;

	if (hak_due_reserve(&registry->due, registry->count + 1) < 0)
		return NULL;
	client = hak_client_new(name);
	if (!client)
		return NULL;
	client->registry = registry;
	remember_folded(registry, client);
	chain = hak_registry_chain(registry, &client->key);
	client->hash_next = *chain;
	*chain = client;
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
	for (struct hak_client **at = hak_registry_chain(registry, &client->key); *at;
	     at = &(*at)->hash_next) {
		if (*at == client) {
			*at = client->hash_next;
			break;
		}
	}
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
	registry->owner.forget(registry->owner.data, client);
	unlink_client(registry, client);
	for (size_t i = 0; i < client->slots_used; i++) {
		struct hak_slot *slot = hak_client_slot(client, i);

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

static void plan(struct hak_registry *registry, uint64_t usec)
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
	plan(registry, due_usec);
}

void hak_registry_undue(struct hak_registry *registry, struct hak_client *client)
{
	hak_due_remove(&registry->due, client);
	client->due_usec = 0;
}

bool hak_registry_may_log(struct hak_registry *registry)
{
	uint64_t now = hak_registry_now(registry);

	if (now < registry->log_again_usec)
		return false;
	registry->log_again_usec = now + LOG_EVERY_USEC;
	return true;
}

void hak_registry_saw(struct hak_registry *registry, const char *name, enum hak_sight sight)
{
	struct hak_client *client = hak_registry_find(registry, name);
	struct hak_key key;

	if (!client) {
		if (hak_telemetry_key(name, &key) < 0) {
			hak_client_life_refuse(registry, name,
					       "its name is not 32 lower-case hexadecimal digits");
			return;
		}
		if (registry->count >= HAK_REGISTRY_FILES_MAX) {
			hak_client_life_refuse(registry, name, "there are too many telemetry files");
			return;
		}
		client = add(registry, name);
		if (!client)
			return; /* no memory: the next scan finds it again */
	}
	client->recheck |= sight != HAK_SIGHT_CREATED;
	client->let_go |= sight == HAK_SIGHT_LET_GO;
	if (sight != HAK_SIGHT_CREATED)
		hak_registry_due(registry, client, hak_registry_now(registry));
	else if (!client->due_usec)
		hak_registry_due(registry, client, hak_registry_now(registry) + INCOMPLETE_USEC);
}

void hak_registry_lost(struct hak_registry *registry, const char *name)
{
	struct hak_client *client = hak_registry_find(registry, name);

	if (client && !client->gone)
		hak_registry_due(registry, client, hak_registry_now(registry));
}

static bool has_process_of(const struct hak_client *client, const struct hak_target *target)
{
	for (size_t i = 0; i < client->slots_used; i++) {
		const struct hak_slot *slot = hak_client_slot(client, i);

		if (hak_slot_has_process(slot) && hak_target_matches(target, slot))
			return true;
	}
	return false;
}

void hak_registry_refresh(struct hak_registry *registry, const struct hak_target *target,
			  uint64_t budget_usec)
{
	uint64_t end_usec = budget_usec ? hak_clock_usec() + budget_usec : UINT64_MAX;

	for (size_t left = registry->count; left; left--) {
		struct hak_client *client = registry->fresh_next ? registry->fresh_next : registry->first;

		registry->fresh_next = client->next; /* it may go */
		if (target && !has_process_of(client, target))
			continue;
		hak_client_life_step(registry, client, HAK_LOOK_LIFE);
		if (hak_clock_usec() >= end_usec)
			break;
	}
}

void hak_registry_refresh_from(struct hak_registry *registry, uint64_t first_id, uint64_t count)
{
	struct hak_client *client = registry->first;

	while (client && client->id < first_id)
		client = client->next;
	registry->fresh_next = client;
	for (; count && (client = registry->fresh_next); count--) {
		registry->fresh_next = client->next; /* it may go */
		hak_client_life_step(registry, client, HAK_LOOK_LIFE);
	}
}

/* All that is due, as far as it can be done without making others wait. */
static int on_tick(sd_event_source *source, uint64_t usec, void *data)
{
	struct hak_registry *registry = data;
	uint64_t now = hak_registry_now(registry), end_usec = hak_clock_usec() + TICK_MOST_USEC;
	struct hak_client *client;

	(void)source;
	(void)usec;
	registry->planned_usec = UINT64_MAX;
	while ((client = hak_due_first(&registry->due)) && client->due_usec <= now &&
	       hak_clock_usec() < end_usec)
		hak_client_life_step(registry, client, HAK_LOOK_LIFE);
	if (client)
		plan(registry,
		     client->due_usec > now ? client->due_usec : hak_clock_usec() + TICK_REST_USEC);
	return 0;
}

/* What a sweep costs: a look at each file, and in it one at each process. */
static size_t sweep_looks(const struct hak_registry *registry)
{
	return registry->count > registry->process_count ? registry->count : registry->process_count;
}

static uint64_t sweep_usec(const struct hak_registry *registry)
{
	uint64_t usec = sweep_looks(registry) * SWEEP_LOOK_USEC;

	return usec < SWEEP_LEAST_USEC ? SWEEP_LEAST_USEC : usec > SWEEP_MOST_USEC ? SWEEP_MOST_USEC : usec;
}

static int on_sweep(sd_event_source *source, uint64_t usec, void *data)
{
	struct hak_registry *registry = data;
	size_t chunks = sweep_looks(registry) / SWEEP_CHUNK + 1;

	if (!registry->sweep_next)
		registry->sweep_next = registry->first;
	for (size_t looks = 0; looks < SWEEP_CHUNK && registry->sweep_next;) {
		struct hak_client *client = registry->sweep_next;

		looks += client->slots_used ? client->slots_used : 1;
		registry->sweep_next = client->next;
		if (!client->due_usec) /* else it has its own time */
			hak_client_life_step(registry, client, HAK_LOOK_LIFE);
	}
	(void)usec;
	/* Without clients nothing can change that inotify does not tell: the sweep sleeps too. */
	(void)sd_event_source_set_time(source, hak_registry_now(registry) + sweep_usec(registry) / chunks);
	return sd_event_source_set_enabled(source, registry->count ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

int hak_registry_init(struct hak_registry *registry, sd_event *event, const struct hak_client_home *home,
		      struct hak_control_writer *writer, struct hak_tallies *tallies,
		      const struct hak_registry_owner *owner)
{
	int r;

	memset(registry, 0, sizeof(*registry));
	registry->event = event;
	registry->home = *home;
	registry->writer = writer;
	registry->tallies = tallies;
	registry->owner = *owner;
	registry->files_per_uid = HAK_CONF_FILES_PER_UID;
	registry->next_id = 1;
	registry->planned_usec = UINT64_MAX;
	r = sd_event_add_time(event, &registry->tick_source, CLOCK_MONOTONIC, UINT64_MAX, 1, on_tick,
			      registry);
	if (r >= 0)
		r = sd_event_add_time(event, &registry->sweep_source, CLOCK_MONOTONIC, 0, 1, on_sweep,
				      registry);
	if (r < 0)
		hak_registry_deinit(registry);
	return r < 0 ? r : 0;
}

void hak_registry_deinit(struct hak_registry *registry)
{
	/* Entries stay published: the processes live on, and the next daemon takes them over. */
	for (struct hak_client *client = registry->first, *next; client; client = next) {
		next = client->next;
		hak_client_free(client);
	}
	hak_due_deinit(&registry->due);
	free(registry->uids);
	sd_event_source_disable_unref(registry->tick_source);
	sd_event_source_disable_unref(registry->sweep_source);
	memset(registry, 0, sizeof(*registry));
}
