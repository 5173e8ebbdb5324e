/* SPDX-License-Identifier: MIT */
/* See waiter.h. */
#include "waiter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

enum {
	DELAY_LEAST_USEC = 1000,
	DELAY_MOST_USEC = 20000,
	POLL_SHARE = 10,
	LOOKS_IN_ONE_GO = 128, /* about a millisecond, three with samples */
	REFRESH_USEC = 10000,
	REST_USEC = 200, /* a timer that is always due starves sd-bus */
};

const char *hak_wait_verdict_name(enum hak_wait_verdict verdict)
{
	static const char *const names[HAK_WAIT_VERDICT_COUNT] = {
		[HAK_WAIT_PENDING] = "pending", [HAK_WAIT_APPLIED] = "applied", [HAK_WAIT_PINNED] = "pinned",
		[HAK_WAIT_ASLEEP] = "asleep",   [HAK_WAIT_STOPPED] = "stopped", [HAK_WAIT_LOST] = "lost",
		[HAK_WAIT_ENDED] = "ended",
	};

	return (unsigned)verdict < HAK_WAIT_VERDICT_COUNT ? names[verdict] : "unknown";
}

static void judge(struct hak_waiter *waiter, struct hak_wait_target *target, enum hak_wait_verdict verdict)
{
	target->verdict = (uint8_t)verdict;
	waiter->pending--;
}

static void judge_line(struct hak_waiter *waiter, struct hak_wait_target *target,
		       const struct hak_client_line *line)
{
	bool done = waiter->query.purge ? line->purges_done >= target->purge_request
				  : line->applied_serial >= waiter->query.serial;

	if (line->claims != target->claims)
		judge(waiter, target, HAK_WAIT_ENDED);
	else if (line->pinned & HAK_PIN_MODE && !waiter->query.purge)
		judge(waiter, target, HAK_WAIT_PINNED);
	else if (done)
		judge(waiter, target, HAK_WAIT_APPLIED);
	else if (!target->seen)
		target->publishes = line->publishes;
	else
		target->moved |= line->publishes != target->publishes;
	target->seen = true;
}

struct hak_slot *hak_waiter_slot(const struct hak_waiter *waiter, const struct hak_wait_target *target)
{
	struct hak_client *client = hak_registry_find(waiter->registry, target->name);
	struct hak_slot *slot;

	if (!client || client->id != target->client_id)
		return NULL;
	slot = hak_client_slot(client, target->slot); /* parts stay */
	return slot->claims == target->claims && hak_slot_has_process(slot) ? slot : NULL;
}

static void poll_target(struct hak_waiter *waiter, struct hak_wait_target *target)
{
	struct hak_slot *slot = hak_waiter_slot(waiter, target);
	struct hak_client_line line;
	int r;

	if (!slot) {
		judge(waiter, target, HAK_WAIT_ENDED);
		return;
	}
	r = slot->client->distrusted
		    ? -EPROTO
		    : hak_client_read_line(slot->client, &waiter->registry->home, target->slot, &line);
	if (r == 0)
		judge_line(waiter, target, &line);
	else if (r != -EMFILE && r != -ENFILE && r != -ENOMEM) /* those are ours, and pass */
		judge(waiter, target,
		      hak_process_lives(slot->pid, slot->born) ? HAK_WAIT_LOST : HAK_WAIT_ENDED);
}

/* Nobody whom it would be worth to wait for? */
static bool is_quiet(const struct hak_waiter *waiter)
{
	for (size_t i = 0; i < waiter->count; i++) {
		if (waiter->target[i].verdict == HAK_WAIT_PENDING && waiter->target[i].moved)
			return false;
	}
	return true;
}

static void conclude(struct hak_waiter *waiter, struct hak_wait_target *target)
{
	struct hak_slot *slot = hak_waiter_slot(waiter, target);
	struct hak_process_life life;

	if (!slot || hak_process_look(slot->pid, &life) < 0 || life.born != slot->born ||
	    hak_process_is_dead(&life))
		judge(waiter, target, HAK_WAIT_ENDED);
	else if (life.state == 'T' || life.state == 't')
		judge(waiter, target, HAK_WAIT_STOPPED);
	else
		judge(waiter, target, target->moved ? HAK_WAIT_LOST : HAK_WAIT_ASLEEP);
}

/* What the report will tell of it, as it is at its verdict. */
static void take_sample(struct hak_waiter *waiter, const struct hak_wait_target *target)
{
	struct hak_slot *slot = hak_waiter_slot(waiter, target);

	if (slot)
		hak_client_life_step(waiter->registry, slot->client, HAK_LOOK_FILE);
}

/* Has everybody been given the time that they may have? */
static bool is_over(const struct hak_waiter *waiter, uint64_t now)
{
	return !waiter->pending || now >= waiter->deadline_usec ||
	       (now >= waiter->settle_usec && is_quiet(waiter));
}

/* The next of those without a verdict. Return: true at the end of a round. */
static bool go_round(struct hak_waiter *waiter)
{
	for (size_t looks = 0; waiter->next < waiter->count; waiter->next++) {
		struct hak_wait_target *target = &waiter->target[waiter->next];

		if (target->verdict != HAK_WAIT_PENDING)
			continue;
		if (looks++ == LOOKS_IN_ONE_GO)
			return false;
		poll_target(waiter, target);
		if (waiter->concluding && target->verdict == HAK_WAIT_PENDING)
			conclude(waiter, target);
		if (waiter->query.sample && target->verdict != HAK_WAIT_PENDING)
			take_sample(waiter, target);
	}
	waiter->next = 0;
	return true;
}

static int on_poll(sd_event_source *source, uint64_t usec, void *data)
{
	struct hak_waiter *waiter = data;
	uint64_t before = hak_clock_usec(), now, delay;
	bool whole = go_round(waiter);

	now = hak_clock_usec();
	waiter->busy_usec += now - before;
	if (!whole) /* let others have their turn */
		return sd_event_source_set_time(source, now + REST_USEC);
	if (!waiter->concluding && !is_over(waiter, now)) {
		delay = waiter->delay_usec;
		if (delay < waiter->busy_usec * POLL_SHARE)
			delay = waiter->busy_usec * POLL_SHARE;
		waiter->delay_usec = delay * 3 / 2 < DELAY_MOST_USEC ? delay * 3 / 2 : DELAY_MOST_USEC;
		waiter->busy_usec = 0;
		return sd_event_source_set_time(source, now + delay);
	}
	if (waiter->pending) {
		waiter->concluding = true;
		return sd_event_source_set_time(source, now + REST_USEC);
	}
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF); /* a source of ours: cannot fail */
	waiter->done(waiter, waiter->data);
	return 0;
}

static int collect_targets(struct hak_waiter *waiter, const struct hak_target *wanted)
{
	struct hak_registry *registry = waiter->registry;

	waiter->target = calloc(registry->process_count + 1, sizeof(*waiter->target));
	if (!waiter->target)
		return -ENOMEM;
	for (const struct hak_client *client = registry->first; client; client = client->next) {
		HAK_FOREACH_SLOT(slot, client) {
			struct hak_wait_target *target = &waiter->target[waiter->count];

			if (!hak_slot_has_process(slot) || waiter->count == registry->process_count ||
			    (wanted && !hak_target_matches(wanted, slot)))
				continue;
			*target = (struct hak_wait_target){.client_id = client->id,
							   .slot = slot->index,
							   .claims = slot->claims,
							   .pid = slot->pid,
							   .uid = client->uid,
							   .purge_request = client->purge_request};
			memcpy(target->name, client->name, sizeof(target->name));
			waiter->count++;
		}
	}
	waiter->pending = waiter->count;
	return 0;
}

int hak_waiter_new(struct hak_registry *registry, const struct hak_wait_query *query,
		   void (*done)(struct hak_waiter *waiter, void *data), void *data,
		   struct hak_waiter **ret_waiter)
{
	struct hak_waiter *waiter = calloc(1, sizeof(*waiter));
	int r;

	if (!waiter)
		return -ENOMEM;
	hak_registry_refresh(registry, NULL, REFRESH_USEC); /* some that are new may be known then */
	*waiter = (struct hak_waiter){.registry = registry,
				      .query = *query,
				      .delay_usec = DELAY_LEAST_USEC,
				      .done = done,
				      .data = data};
	r = collect_targets(waiter, query->target);
	if (r == 0)
		r = sd_event_add_time(registry->event, &waiter->source, CLOCK_MONOTONIC, 0, 100, on_poll,
				      waiter);
	if (r >= 0)
		r = sd_event_source_set_enabled(waiter->source, SD_EVENT_OFF);
	if (r < 0) {
		hak_waiter_free(waiter);
		return r;
	}
	*ret_waiter = waiter;
	return 0;
}

void hak_waiter_start(struct hak_waiter *waiter)
{
	uint64_t timeout_usec = waiter->query.timeout_usec, now = hak_clock_usec();

	waiter->settle_usec = now + HAK_WAIT_SETTLE_USEC;
	waiter->deadline_usec = now + (timeout_usec < HAK_WAIT_MOST_USEC ? timeout_usec : HAK_WAIT_MOST_USEC);
	(void)sd_event_source_set_enabled(waiter->source, SD_EVENT_ON); /* a source of ours: cannot fail */
}

void hak_waiter_free(struct hak_waiter *waiter)
{
	if (!waiter)
		return;
	sd_event_source_disable_unref(waiter->source);
	free(waiter->target);
	free(waiter);
}

size_t hak_waiter_count(const struct hak_waiter *waiter, enum hak_wait_verdict verdict)
{
	size_t count = 0;

	for (size_t i = 0; i < waiter->count; i++)
		count += waiter->target[i].verdict == verdict;
	return count;
}

static int compare_targets(const void *left, const void *right)
{
	const struct hak_wait_target *l = left, *r = right;

	if (l->client_id != r->client_id)
		return l->client_id < r->client_id ? -1 : 1;
	return (int)l->slot - (int)r->slot;
}

const struct hak_wait_target *hak_waiter_find(const struct hak_waiter *waiter, const struct hak_slot *slot)
{
	const struct hak_wait_target wanted = {.client_id = slot->client->id, .slot = slot->index};
	const struct hak_wait_target *found;

	/* In the registry's order, which is that of ids. */
	found = bsearch(&wanted, waiter->target, waiter->count, sizeof(wanted), compare_targets);
	return found && found->claims == slot->claims ? found : NULL;
}
