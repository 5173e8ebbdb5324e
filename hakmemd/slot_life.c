/* SPDX-License-Identifier: MIT */
/* See slot_life.h. */
#include "slot_life.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "client_life.h"
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
	slot->exit_source = sd_event_source_disable_unref(slot->exit_source);
	if (slot->pidfd >= 0)
		close(slot->pidfd);
	slot->pidfd = -1;
	slot->pid = 0;
}

/* Add an ended claim to the tallies; then the slot may be claimed anew. Return: 0, or why not now. */
static int fold_slot(struct hak_registry *registry, struct hak_slot *slot)
{
	static const uint64_t nothing[HAK_COUNTER_COUNT];
	const uint64_t *counter = slot->sample ? slot->sample->counter : nothing;
	int r;

	slot->phase = HAK_PHASE_ENDED;
	r = hak_tallies_fold(registry->tallies, slot->client->name, slot->index, slot->claims, counter);
	if (r < 0) {
		if (hak_registry_may_log(registry))
			hak_log(LOG_ERR, "cannot add up ended processes: %s; trying again", strerror(-r));
		return r;
	}
	if (slot->sample && slot->sample->fatal_usec)
		registry->owner.fatal(registry->owner.data, slot);
	slot->folded = slot->claims;
	slot->phase = HAK_PHASE_FREE;
	free(slot->sample);
	slot->sample = NULL;
	return 0;
}

void hak_slot_end(struct hak_registry *registry, struct hak_slot *slot)
{
	struct hak_client *client = slot->client;

	forget_process(registry, slot);
	if (fold_slot(registry, slot) == 0 && client->published)
		hak_registry_publish(registry, client); /* slots_freed: a forking process waits for it */
}

static int on_exit_io(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct hak_slot *slot = data;

	(void)fd;
	(void)events;
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF); /* a source of ours: cannot fail */
	hak_client_life_step(slot->client->registry, slot->client);
	return 0;
}

static void watch(struct hak_registry *registry, struct hak_slot *slot, pid_t pid, int pidfd,
		  enum hak_slot_phase phase)
{
	slot->pid = pid;
	slot->pidfd = pidfd;
	slot->phase = phase;
	hak_registry_index_pid(registry, slot);
	hak_registry_count_process(registry, 1);
	if (pidfd < 0 ||
	    sd_event_add_io(registry->event, &slot->exit_source, pidfd, EPOLLIN, on_exit_io, slot) < 0)
		slot->exit_source = NULL; /* no descriptor or no memory: the sweep notices its end */
}

/* Whoever had this pid before has become another program, or is gone. */
static void recheck_others(struct hak_registry *registry, const struct hak_slot *settled)
{
	struct hak_slot *slot, *next;

	for (slot = hak_registry_find_pid(registry, settled->pid); slot; slot = next) {
		next = slot->pid_next;
		if (slot->pid != settled->pid || slot->client == settled->client)
			continue;
		slot->client->recheck = true;
		hak_registry_due(registry, slot->client, hak_registry_now(registry));
	}
}

/* The process of an inner namespace that calls itself as the slot does and maps the file; 0 without one. */
static pid_t nested_outer(struct hak_registry *registry, const struct hak_slot *slot,
			  const struct hak_file_id *file, int *ret_pidfd,
			  enum hak_process_verdict *ret_verdict)
{
	for (size_t i = 0; i < registry->nested_count; i++) {
		const struct hak_nested *nested = &registry->nested[i];
		enum hak_process_verdict verdict;

		if (nested->inner != (pid_t)slot->sample->inner_pid)
			continue;
		verdict = hak_process_check(nested->outer, file, slot->client->uid, ret_pidfd);
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

static void settled(struct hak_registry *registry, struct hak_slot *slot, pid_t pid, int pidfd,
		    enum hak_process_verdict verdict)
{
	struct hak_client *client = slot->client;

	watch(registry, slot, pid, pidfd,
	      verdict == HAK_PROCESS_VERIFIED ? HAK_PHASE_LIVE : HAK_PHASE_UNVERIFIED);
	client->direct |= pid == (pid_t)slot->sample->inner_pid && verdict == HAK_PROCESS_VERIFIED;
	if (!client->context.word[0] && !client->context.word[1])
		hak_client_identify(client, pid);
	registry->owner.process(registry->owner.data, slot, true);
	recheck_others(registry, slot);
}

/*
 * Who is behind a claim: the process of that number, unless it proves to be another one or hides its map and
 * one of an inner pid namespace fits better. Return: false: ask again later.
 */
static bool find_process(struct hak_registry *registry, const struct hak_slot *slot, pid_t *ret_pid,
			 int *ret_pidfd, enum hak_process_verdict *ret_verdict)
{
	const struct hak_client *client = slot->client;
	const struct hak_file_id file = {registry->home.maps_major, registry->home.maps_minor, client->inode};
	enum hak_process_verdict verdict;
	int pidfd = -1, nested_pidfd;
	pid_t outer;

	*ret_pid = (pid_t)slot->sample->inner_pid;
	verdict = hak_process_check(*ret_pid, &file, client->uid, &pidfd);
	*ret_verdict = verdict;
	*ret_pidfd = pidfd;
	if (verdict == HAK_PROCESS_VERIFIED || (verdict == HAK_PROCESS_ABSENT && client->direct))
		return true;
	/* FOREIGN: it may be mapping the file just now. */
	if ((verdict == HAK_PROCESS_FOREIGN && slot->attempts < SETTLE_ATTEMPTS) ||
	    !nested_is_fresh(registry, slot)) {
		if (pidfd >= 0)
			close(pidfd);
		return false;
	}
	outer = nested_outer(registry, slot, &file, &nested_pidfd, ret_verdict);
	if (outer) {
		if (pidfd >= 0)
			close(pidfd);
		*ret_pidfd = nested_pidfd;
		*ret_pid = outer;
	}
	return true;
}

/* Find the process of a new claim. Return: true once the slot has left HAK_PHASE_NEW. */
bool hak_slot_settle(struct hak_registry *registry, struct hak_slot *slot)
{
	struct hak_client *client = slot->client;
	enum hak_process_verdict verdict;
	pid_t pid;
	int pidfd;

	if (!slot->seen_usec)
		slot->seen_usec = hak_registry_now(registry);
	if (!slot->sample && slot->attempts < FILL_ATTEMPTS)
		return false;
	if (!slot->sample || slot->sample->state == HAK_SLOT_EXITED) {
		hak_slot_end(registry, slot);
		return true;
	}
	if (!find_process(registry, slot, &pid, &pidfd, &verdict))
		return false;
	if (verdict == HAK_PROCESS_VERIFIED || verdict == HAK_PROCESS_UNVERIFIED) {
		settled(registry, slot, pid, pidfd, verdict);
		return true;
	}
	if (verdict == HAK_PROCESS_FOREIGN && hak_registry_may_log(registry))
		hak_log(LOG_NOTICE, "clients/%s (uid %u) names pid %u, which does not map it: not believed",
			client->name, (unsigned)client->uid, slot->sample->inner_pid);
	hak_slot_end(registry, slot);
	return true;
}

/* Has the process of a settled slot ended, said good-bye, or become another program? */
bool hak_slot_is_over(struct hak_registry *registry, const struct hak_slot *slot, bool look_closely)
{
	const struct hak_file_id file = {registry->home.maps_major, registry->home.maps_minor,
					 slot->client->inode};
	enum hak_process_verdict verdict;
	int pidfd;

	if (hak_process_ended(slot->pidfd) || slot->sample->state == HAK_SLOT_EXITED)
		return true;
	if (slot->pidfd < 0 && hak_process_state(slot->pid) == '?')
		return true;
	if (!look_closely || slot->phase != HAK_PHASE_LIVE)
		return false;
	verdict = hak_process_check(slot->pid, &file, slot->client->uid, &pidfd);
	if (verdict == HAK_PROCESS_VERIFIED || verdict == HAK_PROCESS_UNVERIFIED) {
		if (pidfd >= 0)
			close(pidfd);
		return false;
	}
	return true;
}

uint64_t hak_slot_retry_usec(struct hak_slot *slot)
{
	uint64_t delay = 1000;

	for (uint8_t i = 0; i < slot->attempts && i < SETTLE_ATTEMPTS; i++)
		delay *= 3;
	slot->attempts += slot->attempts < FILL_ATTEMPTS;
	return delay;
}
