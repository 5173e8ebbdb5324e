/* SPDX-License-Identifier: MIT */
/* See client_life.h. */
#include "client_life.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

#define MSEC UINT64_C(1000)
#define SEC UINT64_C(1000000)

enum {
	SETTLE_ATTEMPTS = 6,     /* to verify a pid: after 1, 3, 9, 27, 81, 243 ms; then every 729 */
	FILL_ATTEMPTS = 12,      /* a child that is still filling its slot by then, in about 5 s, is dead */
	NESTED_VALID_USEC = 1000000,
};

static const uint64_t valid_within_usec = 5 * SEC;  /* an opened file that is no telemetry by then never is */
static const uint64_t empty_usec = 100 * MSEC;      /* a child forked by a dying parent may claim that late */
static const uint64_t hot_usec = 500 * MSEC;
static const uint64_t hot_look_usec = 2 * MSEC;
static const uint64_t retry_usec = 1 * SEC;         /* after a full disk and the like */

/* ---- removing --------------------------------------------------------------------------------------------- */

/* A directory as well, when it is empty. */
static int remove_name(struct hak_registry *registry, const char *name)
{
	if (unlinkat(registry->home.clients_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if ((errno == EISDIR || errno == EPERM) && unlinkat(registry->home.clients_fd, name, AT_REMOVEDIR) == 0)
		return 0;
	return -errno;
}

void hak_client_life_refuse(struct hak_registry *registry, const char *name, const char *why)
{
	int r = remove_name(registry, name);

	registry->refused++;
	if (!hak_registry_may_log(registry))
		return;
	if (r < 0)
		hak_log(LOG_WARNING, "clients/%.64s is no telemetry file (%s) and cannot be removed: %s", name, why,
			strerror(-r));
	else
		hak_log(LOG_NOTICE, "removed clients/%.64s: %s", name, why);
}

static void refuse_client(struct hak_registry *registry, struct hak_client *client, const char *why)
{
	hak_client_life_refuse(registry, client->name, why);
	hak_registry_remove(registry, client);
}

/* ---- the processes of the slots --------------------------------------------------------------------------- */

static void forget_process(struct hak_registry *registry, struct hak_slot *slot)
{
	if (hak_slot_has_process(slot))
		hak_registry_count_process(registry, -1);
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

static void end_slot(struct hak_registry *registry, struct hak_slot *slot)
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

static void watch(struct hak_registry *registry, struct hak_slot *slot, pid_t pid, int pidfd, enum hak_slot_phase phase)
{
	slot->pid = pid;
	slot->pidfd = pidfd;
	slot->phase = phase;
	hak_registry_index_pid(registry, slot);
	hak_registry_count_process(registry, 1);
	if (sd_event_add_io(registry->event, &slot->exit_source, pidfd, EPOLLIN, on_exit_io, slot) < 0)
		slot->exit_source = NULL; /* no memory: the sweep notices its end */
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
			  const struct hak_file_id *file, int *ret_pidfd, enum hak_process_verdict *ret_verdict)
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
	recheck_others(registry, slot);
}

/*
 * Who is behind a claim: the process of that number, unless it proves to be another one or hides its map and one of
 * an inner pid namespace fits better. Return: false: ask again later.
 */
static bool find_process(struct hak_registry *registry, const struct hak_slot *slot, pid_t *ret_pid, int *ret_pidfd,
			 enum hak_process_verdict *ret_verdict)
{
	const struct hak_client *client = slot->client;
	const struct hak_file_id file = { registry->home.maps_major, registry->home.maps_minor, client->inode };
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
	if ((verdict == HAK_PROCESS_FOREIGN && slot->attempts < SETTLE_ATTEMPTS) || !nested_is_fresh(registry, slot)) {
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
static bool settle(struct hak_registry *registry, struct hak_slot *slot)
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
		end_slot(registry, slot);
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
	end_slot(registry, slot);
	return true;
}

/* Has the process of a settled slot ended, said good-bye, or become another program? */
static bool is_over(struct hak_registry *registry, const struct hak_slot *slot, bool look_closely)
{
	const struct hak_file_id file = { registry->home.maps_major, registry->home.maps_minor, slot->client->inode };
	enum hak_process_verdict verdict;
	int pidfd;

	if (hak_process_ended(slot->pidfd) || slot->sample->state == HAK_SLOT_EXITED)
		return true;
	if (!look_closely || slot->phase != HAK_PHASE_LIVE)
		return false;
	verdict = hak_process_check(slot->pid, &file, slot->client->uid, &pidfd);
	if (verdict == HAK_PROCESS_VERIFIED || verdict == HAK_PROCESS_UNVERIFIED) {
		close(pidfd);
		return false;
	}
	return true;
}

/* ---- one client's step ------------------------------------------------------------------------------------ */

/* All its processes are gone: count what is left, remove the file. */
static void collect(struct hak_registry *registry, struct hak_client *client)
{
	uint64_t own[HAK_COUNTER_COUNT] = { client->forks_untracked };
	int r = 0;

	if (!client->file_folded)
		r = hak_tallies_fold(registry->tallies, client->name, HAK_TALLIES_FILE_RECORD, 1, own);
	client->file_folded |= r == 0;
	if (r == 0)
		r = hak_tallies_sync(registry->tallies);
	if (r == 0 && !client->gone)
		r = remove_name(registry, client->name);
	if (r == 0) {
		hak_registry_remove(registry, client);
		return;
	}
	if (hak_registry_may_log(registry))
		hak_log(LOG_ERR, "cannot collect clients/%s: %s; trying again", client->name, strerror(-r));
	hak_registry_due(registry, client, hak_registry_now(registry) + retry_usec);
}

static void not_valid_yet(struct hak_registry *registry, struct hak_client *client, int error)
{
	static const uint16_t delay_msec[] = { 1, 4, 20, 100, 500, 1000 };
	size_t last = sizeof(delay_msec) / sizeof(*delay_msec) - 1;
	uint64_t now = hak_registry_now(registry);

	if (error == -EINVAL) {
		refuse_client(registry, client, "it is no regular file");
	} else if (now - client->seen_usec >= valid_within_usec) {
		refuse_client(registry, client, error == -ERANGE ? "its counters are absurd" : "it holds no telemetry");
	} else {
		hak_registry_due(registry, client, now + delay_msec[client->attempts] * MSEC);
		client->attempts += client->attempts < last;
	}
}

/* It was valid and is not any more. Its last sample counts; its processes stay known until they end. */
static void distrust(struct hak_registry *registry, struct hak_client *client, int error)
{
	client->distrusted = true;
	if (hak_registry_may_log(registry))
		hak_log(LOG_WARNING, "clients/%s (uid %u) is not believed any more: %s", client->name,
			(unsigned)client->uid, error == -ERANGE ? "its counters fell" : "it is damaged");
}

/* Somebody took the file away: what was seen of it is all there will be. */
static void vanish(struct hak_registry *registry, struct hak_client *client)
{
	client->gone = true;
	for (size_t i = 0; i < HAK_TELEMETRY_SLOTS; i++) {
		if (client->slot[i].phase != HAK_PHASE_FREE)
			end_slot(registry, &client->slot[i]);
	}
}

/* Return: false where the client has been removed or has to be looked at later. */
static bool take_look(struct hak_registry *registry, struct hak_client *client)
{
	bool was_accepted = client->accepted;
	unsigned news = 0;
	int r;

	if (client->distrusted || client->gone)
		return true;
	r = hak_client_read(client, &registry->home, &news);
	if (!was_accepted) {
		if (r == -ENOENT) {
			hak_registry_remove(registry, client);
			return false;
		}
		if (r < 0) {
			client->accepted = false;
			not_valid_yet(registry, client, r);
			return false;
		}
		if (!hak_registry_admit(registry, client)) {
			client->accepted = false;
			refuse_client(registry, client, "its user has too many telemetry files");
			return false;
		}
		return true;
	}
	if (r == -ENOENT)
		vanish(registry, client);
	else if (r == -ERANGE || r == -EPROTO || r == -EINVAL)
		distrust(registry, client, r);
	else if (r == 0 && news & HAK_NEWS_CLAIMS)
		client->hot_until_usec = hak_registry_now(registry) + hot_usec;
	return true; /* other errors are ours (no memory, no descriptors): the last sample stands */
}

/* Return: when a slot wants the next look; 0: none does. */
static uint64_t step_slots(struct hak_registry *registry, struct hak_client *client, bool look_closely, bool *ret_used)
{
	uint64_t now = hak_registry_now(registry), due = 0;

	*ret_used = false;
	for (size_t i = 0; i < HAK_TELEMETRY_SLOTS; i++) {
		struct hak_slot *slot = &client->slot[i];

		if (hak_slot_has_process(slot) && is_over(registry, slot, look_closely))
			end_slot(registry, slot);
		else if (slot->phase == HAK_PHASE_NEW && !settle(registry, slot)) {
			uint64_t delay = MSEC;

			for (uint8_t j = 0; j < slot->attempts && j < SETTLE_ATTEMPTS; j++)
				delay *= 3;
			slot->attempts += slot->attempts < FILL_ATTEMPTS;
			due = due && due < now + delay ? due : now + delay;
		} else if (slot->phase == HAK_PHASE_ENDED) {
			end_slot(registry, slot);
		}
		if (slot->phase == HAK_PHASE_ENDED)
			due = due ? due : now + retry_usec;
		*ret_used |= slot->phase != HAK_PHASE_FREE;
	}
	return due;
}

/* Its first entry, once it is known who it is. */
static void introduce(struct hak_registry *registry, struct hak_client *client)
{
	struct hak_process_payload before;
	bool known;

	if (client->published)
		return;
	client->policy_word = registry->owner.policy_for(registry->owner.data, client, &client->source);
	/* Words that differ in nothing but their epoch: a daemon before this one had put it there. */
	known = hak_control_find_process(registry->writer->header, &client->key, &before) == 0 &&
		(uint32_t)before.policy_word == (uint32_t)client->policy_word;
	if (known)
		client->policy_word = before.policy_word;
	hak_registry_publish(registry, client);
	if (client->policy_word && !known)
		registry->owner.policy_differs(registry->owner.data); /* it started with the global policy */
}

static void step(struct hak_registry *registry, struct hak_client *client)
{
	uint64_t now = hak_registry_now(registry), due;
	bool used;

	hak_registry_undue(registry, client);
	if (!take_look(registry, client))
		return;
	due = step_slots(registry, client, client->recheck, &used);
	client->recheck = false;
	if (used) {
		client->empty_usec = 0;
		if (client->context.word[0] || client->context.word[1])
			introduce(registry, client);
		if (client->hot_until_usec > now && (!due || due > now + hot_look_usec))
			due = now + hot_look_usec;
		if (due)
			hak_registry_due(registry, client, due);
	} else if (!client->empty_usec && !client->gone) {
		client->empty_usec = now;
		hak_registry_due(registry, client, now + empty_usec);
	} else if (client->gone || now - client->empty_usec >= empty_usec) {
		collect(registry, client);
	} else {
		hak_registry_due(registry, client, client->empty_usec + empty_usec);
	}
}

void hak_client_life_step(struct hak_registry *registry, struct hak_client *client)
{
	step(registry, client);
}

void hak_client_life_sweep(struct hak_registry *registry, struct hak_client *client)
{

	if (client->due_usec)
		return; /* it has its own time */
	for (size_t i = 0; client->exe && i < HAK_TELEMETRY_SLOTS; i++) {
		char exe[HAK_EXE_CHARS + 1];

		if (client->slot[i].phase != HAK_PHASE_LIVE)
			continue;
		hak_process_exe(client->slot[i].pid, exe);
		client->recheck |= strcmp(exe, client->exe) != 0;
	}
	step(registry, client);
}

void hak_client_life_run(struct hak_registry *registry)
{
	uint64_t now = hak_registry_now(registry);
	size_t i = 0;

	while (i < registry->busy_count) {
		struct hak_client *client = registry->busy[i];

		if (client->due_usec > now) {
			i++;
			continue;
		}
		/* Leaves this place of the list, for another one or none; the last one comes here. */
		step(registry, client);
	}
}
