/* SPDX-License-Identifier: MIT */
/* See report_walk.h. What the documents say is in report_stats.c and report_modes.c. */
#include "report_walk.h"

#include <errno.h>
#include <stdio.h>

#include "clock.h"

/* The client where it goes on; the one before may be gone. */
static const struct hak_client *client_at(const struct hak_report_walk *walk)
{
	const struct hak_client *client = walk->manager->registry->first;

	while (client && client->id < walk->place / HAK_TELEMETRY_SLOTS_MAX)
		client = client->next;
	return client;
}

static bool is_told_of(const struct hak_report_walk *walk, const struct hak_slot *slot)
{
	return hak_slot_has_process(slot) && hak_target_matches(&walk->target, slot);
}

static bool has_any(const struct hak_report_walk *walk)
{
	const struct hak_client *client = walk->manager->registry->first;

	while (client && !hak_target_matches_client(&walk->target, client))
		client = client->next;
	return client;
}

/* Return: false: the time is up. */
static bool write_processes(struct hak_report_walk *walk, uint64_t until_usec)
{
	const struct hak_client *client = client_at(walk);

	for (; client && walk->limit; client = client->next) {
		uint64_t first = client->id * HAK_TELEMETRY_SLOTS_MAX;
		uint64_t index = walk->place > first ? walk->place - first : 0;

		if (hak_clock_usec() >= until_usec)
			return false;
		for (; index < client->slots_used && walk->limit; index++) {
			const struct hak_slot *slot = hak_client_slot(client, index);

			if (!is_told_of(walk, slot))
				continue;
			walk->kind->process(walk, slot);
			walk->limit--;
		}
		walk->place = first + HAK_TELEMETRY_SLOTS_MAX;
	}
	return true;
}

/* Those in memory, hash by hash, then others. Return: false: the time is up. */
static bool write_contexts(struct hak_report_walk *walk, uint64_t until_usec)
{
	struct hak_learner *learner = &walk->manager->learner;
	struct hak_learned *learned;

	if (hak_context_is_known(&walk->context)) {
		learned = hak_learner_find(learner, &walk->context);
		if (learned) /* it may have gone since it was asked for */
			walk->kind->context(walk, learned);
		return true;
	}
	for (; walk->place < HAK_LEARNED_BUCKETS; walk->place++) {
		if (hak_clock_usec() >= until_usec)
			return false;
		SLIST_FOREACH(learned, &learner->contexts.bucket[walk->place], same_hash)
			walk->kind->context(walk, learned);
	}
	return !walk->kind->others || walk->kind->others(walk, until_usec);
}

int hak_report_open(struct hak_report_walk *walk)
{
	struct hak_registry *registry = walk->manager->registry;

	if (walk->waiter) {
		; /* it has looked */
	} else if (walk->target.kind != HAK_TARGET_ALL) {
		hak_registry_refresh(registry, &walk->target, HAK_REGISTRY_REFRESH_USEC);
		if (!has_any(walk))
			hak_registry_refresh(registry, NULL, HAK_REGISTRY_REFRESH_USEC); /* it may be new */
		if (!has_any(walk))
			return -ESRCH;
	} else if (walk->kind->process && walk->limit <= HAK_REPORT_PAGE) {
		hak_registry_refresh_from(registry, 0, walk->limit);
	} else {
		walk->refresh_usec = HAK_REGISTRY_REFRESH_USEC;
	}
	return hak_report_begin(&walk->json, walk->kind->name);
}

int hak_report_go_on(struct hak_report_walk *walk)
{
	uint64_t until_usec = hak_clock_usec() + HAK_SLICE_USEC;

	if (walk->refresh_usec) {
		hak_registry_refresh(walk->manager->registry, NULL, HAK_SLICE_USEC);
		walk->refresh_usec -=
			walk->refresh_usec < HAK_SLICE_USEC ? walk->refresh_usec : HAK_SLICE_USEC;
		return -EAGAIN;
	}
	if (!walk->begun) {
		if (walk->kind->begin)
			walk->kind->begin(walk);
		hak_json_begin(&walk->json, walk->kind->context ? "contexts" : "processes", '[');
		walk->begun = true;
	}
	if (!(walk->kind->context ? write_contexts : write_processes)(walk, until_usec))
		return -EAGAIN;
	hak_json_end(&walk->json, ']');
	if (walk->kind->end)
		walk->kind->end(walk);
	return hak_report_close(&walk->json);
}

void hak_report_drop(struct hak_report_walk *walk)
{
	(void)fclose(walk->json.file); /* what was written is thrown away */
	if (walk->directory)
		closedir(walk->directory);
}
