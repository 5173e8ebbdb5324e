/* SPDX-License-Identifier: MIT */
/* See registry_private.h. */
#include "registry_private.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "log.h"

enum {
	SETTLE_ATTEMPTS = 6, /* before a process that does not map the file counts as another one */
	FILL_ATTEMPTS = 12,  /* a child that is still filling its slot by then, in about 5 s, is dead */
	NESTED_VALID_USEC = 1000000,
};

static void forget_process(struct hak_registry *registry, struct hak_slot *slot)
{
	if (hak_slot_has_process(slot)) {
		registry->owner.process(registry->owner.data, slot, false);
		hak_registry_count_process(registry, -1);
	}
	if (slot->pid)
		hak_registry_unindex_pid(registry, slot);
	slot->pid = 0;
}

/* Add an ended claim to the tallies; then the slot may be claimed anew. Return: 0, or why not now. */
static int fold_slot(struct hak_registry *registry, struct hak_slot *slot)
{
	struct hak_tallies_record record = {.slot = slot->index % HAK_TELEMETRY_SLOTS,
					    .claims = slot->claims,
					    .faults = slot->faults};
	int r;

	slot->phase = HAK_PHASE_ENDED;
	hak_tallies_part_name(slot->client->name, slot->index / HAK_TELEMETRY_SLOTS, record.name);
	memcpy(record.unit, slot->client->place.unit, sizeof(record.unit));
	if (slot->sample)
		memcpy(record.counter, slot->sample->counter, sizeof(record.counter));
	r = hak_tallies_fold(registry->tallies, &record);
	if (r < 0) {
		if (hak_registry_may_log(registry))
			hak_log(LOG_ERR, "cannot add up ended processes: %s; trying again", strerror(-r));
		return r;
	}
	if (slot->sample && slot->sample->fatal_usec)
		registry->owner.fatal(registry->owner.data, slot);
	hak_client_end_cost(slot);
	slot->folded = slot->claims;
	slot->phase = HAK_PHASE_FREE;
	free(slot->sample);
	slot->sample = NULL;
	return 0;
}

void hak_slot_end(struct hak_registry *registry, struct hak_slot *slot)
{
	struct hak_client *client = slot->client;

	if (!slot->sample || slot->sample->state != HAK_SLOT_EXITED)
		hak_client_look_last(registry, client);
	forget_process(registry, slot);
	if (fold_slot(registry, slot) < 0)
		return;
	client->frees = true;
	registry->owner.folded(registry->owner.data);
}

static void take(struct hak_registry *registry, struct hak_slot *slot, pid_t pid,
		 const struct hak_process_life *life, enum hak_slot_phase phase)
{
	slot->pid = pid;
	slot->born = life->born;
	slot->faults = life->faults;
	memcpy(slot->comm, life->comm, sizeof(slot->comm));
	slot->phase = phase;
	hak_registry_index_pid(registry, slot);
	hak_registry_count_process(registry, 1);
}

/* Whoever had this pid before has become another program, or is gone. */
static void recheck_others(struct hak_registry *registry, const struct hak_slot *settled)
{
	struct hak_slot *slot, *next;

	for (slot = hak_registry_find_pid(registry, settled->pid); slot; slot = next) {
		next = SLIST_NEXT(slot, same_pid);
		if (slot->pid != settled->pid || slot->client == settled->client)
			continue;
		slot->client->recheck = true;
		hak_registry_due(registry, slot->client, hak_registry_now(registry));
	}
}

/* The process of an inner namespace that calls itself as the slot does and maps the file; 0 without one. */
static pid_t nested_outer(struct hak_registry *registry, const struct hak_slot *slot,
			  const struct hak_file_id *file, struct hak_process_life *ret_life,
			  enum hak_process_verdict *ret_verdict)
{
	for (size_t i = 0; i < registry->nested_count; i++) {
		const struct hak_nested *nested = &registry->nested[i];
		enum hak_process_verdict verdict;

		if (nested->inner != (pid_t)slot->sample->inner_pid)
			continue;
		verdict = hak_process_check(nested->outer, file, slot->client->uid, ret_life);
		if (verdict != HAK_PROCESS_VERIFIED && verdict != HAK_PROCESS_UNVERIFIED)
			continue;
		*ret_verdict = verdict;
		return nested->outer;
	}
	return 0;
}

/* Is the list of inner namespaces younger than the claim? If not, may it be made anew now? */
static bool nested_is_fresh(struct hak_registry *registry, const struct hak_slot *slot)
{
	uint64_t now = hak_registry_now(registry);

	if (registry->nested_usec > slot->seen_usec && now - registry->nested_usec < NESTED_VALID_USEC)
		return true;
	if (registry->nested_usec && now - registry->nested_usec < NESTED_VALID_USEC)
		return false;
	registry->nested_count = hak_process_list_nested(registry->nested, HAK_REGISTRY_NESTED_MAX);
	registry->nested_usec = now + 1;
	return true;
}

static void settled(struct hak_registry *registry, struct hak_slot *slot, pid_t pid,
		    const struct hak_process_life *life, enum hak_process_verdict verdict)
{
	struct hak_client *client = slot->client;

	take(registry, slot, pid, life,
	     verdict == HAK_PROCESS_VERIFIED ? HAK_PHASE_LIVE : HAK_PHASE_UNVERIFIED);
	client->direct |= pid == (pid_t)slot->sample->inner_pid && verdict == HAK_PROCESS_VERIFIED;
	if (!hak_context_is_known(&client->context))
		hak_client_identify(client, pid, slot->comm);
	registry->owner.process(registry->owner.data, slot, true);
	if (slot->phase == HAK_PHASE_UNVERIFIED)
		registry->owner.unverified(registry->owner.data, slot);
	recheck_others(registry, slot);
}

size_t hak_slot_candidates(const struct hak_registry *registry, const struct hak_slot *slot,
			   int32_t *ret_pids, size_t room)
{
	size_t count = 0;

	ret_pids[count++] = slot->pid;
	for (size_t i = 0; i < registry->nested_count && count < room; i++) {
		if (registry->nested[i].inner == (pid_t)slot->sample->inner_pid &&
		    registry->nested[i].outer != slot->pid)
			ret_pids[count++] = registry->nested[i].outer;
	}
	return count;
}

void hak_slot_verified(struct hak_registry *registry, struct hak_slot *slot, pid_t pid, uint64_t born,
		       const struct hak_executable *executable)
{
	struct hak_client *client = slot->client;
	struct hak_process_life life;

	if (hak_process_look(pid, &life) < 0 || life.born != born)
		return; /* it has ended meanwhile, as the next look will find */
	hak_registry_unindex_pid(registry, slot);
	slot->pid = pid;
	slot->born = born;
	memcpy(slot->comm, life.comm, sizeof(slot->comm));
	slot->phase = HAK_PHASE_LIVE;
	hak_registry_index_pid(registry, slot);
	if (client->exe || !*executable->path)
		return;
	hak_process_place(pid, &client->place);
	hak_client_take_executable(client, executable);
	hak_registry_reconsider(registry, client);
}

/*
 * Who is behind a claim: the process of that number, unless it proves to be another one or hides its map and
 * one of an inner pid namespace fits better. Return: false: ask again later.
 */
static bool find_process(struct hak_registry *registry, const struct hak_slot *slot, pid_t *ret_pid,
			 struct hak_process_life *ret_life, enum hak_process_verdict *ret_verdict)
{
	const struct hak_client *client = slot->client;
	const struct hak_file_id file = {registry->home.maps_major, registry->home.maps_minor, client->inode};
	enum hak_process_verdict verdict;
	struct hak_process_life nested_life;
	pid_t outer;

	*ret_pid = (pid_t)slot->sample->inner_pid;
	verdict = hak_process_check(*ret_pid, &file, client->uid, ret_life);
	*ret_verdict = verdict;
	if (verdict == HAK_PROCESS_VERIFIED || (verdict == HAK_PROCESS_ABSENT && client->direct))
		return true;
	/* FOREIGN: it may be mapping the file just now. */
	if ((verdict == HAK_PROCESS_FOREIGN && slot->attempts < SETTLE_ATTEMPTS) ||
	    !nested_is_fresh(registry, slot))
		return false;
	outer = nested_outer(registry, slot, &file, &nested_life, ret_verdict);
	if (outer) {
		*ret_life = nested_life;
		*ret_pid = outer;
	}
	return true;
}

/* Find the process of a new claim. Return: true once the slot has left HAK_PHASE_NEW. */
bool hak_slot_settle(struct hak_registry *registry, struct hak_slot *slot)
{
	struct hak_client *client = slot->client;
	enum hak_process_verdict verdict;
	struct hak_process_life life;
	pid_t pid;

	if (!slot->seen_usec)
		slot->seen_usec = hak_registry_now(registry);
	if (!slot->sample && slot->attempts < FILL_ATTEMPTS)
		return false;
	if (!slot->sample || slot->sample->state == HAK_SLOT_EXITED) {
		hak_slot_end(registry, slot);
		return true;
	}
	if (!find_process(registry, slot, &pid, &life, &verdict))
		return false;
	if (verdict == HAK_PROCESS_UNVERIFIED && client->let_go)
		verdict = HAK_PROCESS_ABSENT; /* it has become another program */
	if (verdict == HAK_PROCESS_VERIFIED || verdict == HAK_PROCESS_UNVERIFIED) {
		settled(registry, slot, pid, &life, verdict);
		return true;
	}
	if (verdict == HAK_PROCESS_FOREIGN && hak_registry_may_log(registry))
		hak_log(LOG_INFO,
			"clients/%s (uid %u) names pid %u, which does not map it: not counted, as it has "
			"become another program unseen, or the claim is false",
			client->name, (unsigned)client->uid, slot->sample->inner_pid);
	hak_slot_end(registry, slot);
	return true;
}

bool hak_slot_is_over(struct hak_registry *registry, struct hak_slot *slot, enum hak_look look)
{
	const struct hak_file_id file = {registry->home.maps_major, registry->home.maps_minor,
					 slot->client->inode};
	enum hak_process_verdict verdict;
	struct hak_process_life life;

	if (slot->sample->state == HAK_SLOT_EXITED)
		return true;
	if (look == HAK_LOOK_FILE)
		return false;
	if (hak_process_look(slot->pid, &life) < 0 || life.born != slot->born || hak_process_is_dead(&life))
		return true;
	slot->faults = life.faults;
	if (slot->phase == HAK_PHASE_UNVERIFIED && slot->client->let_go)
		return true; /* it has become another program, which its map would tell if we might see it */
	if (slot->phase == HAK_PHASE_UNVERIFIED) /* there may be a helper by now */
		registry->owner.unverified(registry->owner.data, slot);
	/* exec keeps pid and birth, and names the process anew. So do some programs, often. */
	if (look != HAK_LOOK_CLOSELY && memcmp(life.comm, slot->comm, sizeof(life.comm)) == 0)
		return false;
	memcpy(slot->comm, life.comm, sizeof(slot->comm));
	verdict = hak_process_check(slot->pid, &file, slot->client->uid, &life);
	if (verdict == HAK_PROCESS_UNVERIFIED) {
		slot->phase = HAK_PHASE_UNVERIFIED;
		registry->owner.unverified(registry->owner.data, slot);
	}
	return (verdict != HAK_PROCESS_VERIFIED && verdict != HAK_PROCESS_UNVERIFIED) ||
	       life.born != slot->born;
}

uint64_t hak_slot_retry_usec(struct hak_slot *slot)
{
	uint64_t delay = 1000;

	for (uint8_t i = 0; i < slot->attempts && i < SETTLE_ATTEMPTS; i++)
		delay *= 3;
	slot->attempts += slot->attempts < FILL_ATTEMPTS;
	return delay;
}
