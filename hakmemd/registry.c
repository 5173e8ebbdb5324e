/* SPDX-License-Identifier: MIT */
/* See registry.h. */
#include "registry.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "conf.h"
#include "registry_private.h"
#include "target.h"

enum {
	SWEEP_LEAST_USEC = 250000,
	SWEEP_MOST_USEC = 45000000,
	SWEEP_LOOK_USEC = 4500, /* a look costs about 25 us on a slow machine: 0.6 % of a core */
	SWEEP_CHUNK = 64,         /* looks in one go: about a millisecond */
	INCOMPLETE_USEC = 20000, /* then a file is whole, and many a process is gone again */
};

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
		client = hak_registry_add(registry, name);
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

void hak_registry_refresh(struct hak_registry *registry, const struct hak_target *target,
			  uint64_t budget_usec)
{
	uint64_t end_usec = budget_usec ? hak_clock_usec() + budget_usec : UINT64_MAX;

	for (size_t left = registry->count; left; left--) {
		struct hak_client *client = registry->fresh_next ? registry->fresh_next : registry->first;

		registry->fresh_next = client->next; /* it may go */
		if (target && !hak_target_matches_client(target, client))
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
	uint64_t now = hak_registry_now(registry), end_usec = hak_clock_usec() + HAK_SLICE_USEC;
	struct hak_client *client;

	registry->planned_usec = UINT64_MAX;
	while ((client = hak_due_first(&registry->due)) && client->due_usec <= now &&
	       hak_clock_usec() < end_usec)
		hak_client_life_step(registry, client, HAK_LOOK_LIFE);
	if (client)
		hak_registry_plan(registry, client->due_usec > now ? client->due_usec
								   : hak_clock_usec() + HAK_REST_USEC);
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
	/* Without clients nothing can change that inotify does not tell: the sweep sleeps too. */
	(void)sd_event_source_set_time(source, hak_registry_now(registry) + sweep_usec(registry) / chunks);
	return sd_event_source_set_enabled(source, registry->count ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

int hak_registry_init(struct hak_registry *registry, sd_event *event, const struct hak_client_home *home,
		      struct hak_control_writer *writer, struct hak_tallies *tallies,
		      struct hak_learner *learner, const struct hak_registry_owner *owner)
{
	int r;

	memset(registry, 0, sizeof(*registry));
	registry->event = event;
	registry->home = *home;
	registry->writer = writer;
	registry->tallies = tallies;
	registry->learner = learner;
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
