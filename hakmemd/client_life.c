/* SPDX-License-Identifier: MIT */
/* See registry_private.h. */
#include "registry_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

#define MSEC UINT64_C(1000)
#define SEC  UINT64_C(1000000)

static const uint64_t valid_within_usec = 5 * SEC; /* an opened file that is no telemetry by then never is */
static const uint64_t empty_usec = 100 * MSEC;     /* a child forked by a dying parent may claim that late */
static const uint64_t collect_usec = 250 * MSEC;   /* files go in groups, as each batch costs an fsync */
static const uint64_t retry_usec = 1 * SEC;        /* after a full disk and the like */

/* Looks at young clients: after 20, 80, 320 and 1280 ms; then the sweep does it. */
static const uint64_t young_usec = 20 * MSEC, young_most_usec = 2 * SEC;
enum { YOUNG_GROWS = 4 };

/* Looks at clients that fork: at most so often, and so often all of them together. */
static const uint64_t hot_usec = 500 *
				 MSEC; /* a fork this long ago makes it likely that the next one is near */
static const uint64_t hot_look_usec = 2 * MSEC, hot_share_usec = MSEC / 2;
static const uint64_t forker_usec = 60 * SEC; /* and this long ago, that there will be one */
static const uint64_t forker_look_usec = 20 * MSEC, forker_share_usec = 4 * MSEC;

/* ---- removing ---------------------------------------------------------------------------------------- */

/* A directory as well, when it is empty. */
static int remove_name(struct hak_registry *registry, const char *name)
{
	if (unlinkat(registry->home.clients_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if ((errno == EISDIR || errno == EPERM) &&
	    unlinkat(registry->home.clients_fd, name, AT_REMOVEDIR) == 0)
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
		hak_log(LOG_WARNING, "clients/%.64s is no telemetry file (%s) and cannot be removed: %s",
			name, why, strerror(-r));
	else
		hak_log(LOG_NOTICE, "removed clients/%.64s: %s", name, why);
}

static void refuse_client(struct hak_registry *registry, struct hak_client *client, const char *why)
{
	hak_client_life_refuse(registry, client->name, why);
	hak_registry_remove(registry, client);
}

/* ---- one client's step ------------------------------------------------------------------------------- */

static void put_off(struct hak_registry *registry, struct hak_client *client, int error)
{
	if (hak_registry_may_log(registry))
		hak_log(LOG_ERR, "cannot collect clients/%s: %s; trying again", client->name,
			strerror(-error));
	hak_registry_due(registry, client, hak_registry_now(registry) + retry_usec);
}

/* All that it told is durable. */
static void let_go(struct hak_registry *registry, struct hak_client *client)
{
	int r = client->gone ? 0 : remove_name(registry, client->name);

	if (r < 0)
		put_off(registry, client, r);
	else
		hak_registry_remove(registry, client);
}

/* All its processes are gone: count what is left, and have it written. */
static void collect(struct hak_registry *registry, struct hak_client *client)
{
	struct hak_tallies_record own = {.slot = HAK_TALLIES_FILE_RECORD, .claims = 1};
	int r = 0;

	if (!client->gone)
		hak_client_count_unseen(client, &registry->home);
	own.counter[0] = client->forks_untracked + client->unseen;
	memcpy(own.name, client->name, sizeof(own.name));
	if (!client->file_folded && own.counter[0])
		r = hak_tallies_fold(registry->tallies, &own);
	client->file_folded |= r == 0;
	if (r < 0) {
		put_off(registry, client, r);
		return;
	}
	client->leaving = HAK_LEAVING_WAITS;
	registry->owner.collect(registry->owner.data, client);
}

void hak_client_life_saved(struct hak_registry *registry, struct hak_client *client, int result)
{
	client->leaving = result < 0 ? HAK_LEAVING_NOT : HAK_LEAVING_DURABLE;
	if (result < 0) /* the writer said why */
		hak_registry_due(registry, client, hak_registry_now(registry) + retry_usec);
	else
		hak_client_life_step(registry, client, HAK_LOOK_LIFE); /* the last look: did anybody come? */
}

static void not_valid_yet(struct hak_registry *registry, struct hak_client *client, int error)
{
	static const uint16_t delay_msec[] = {1, 4, 20, 100, 500, 1000};
	size_t last = sizeof(delay_msec) / sizeof(*delay_msec) - 1;
	uint64_t now = hak_registry_now(registry);

	if (error == -EINVAL) {
		refuse_client(registry, client, "it is no regular file");
	} else if (now - client->seen_usec >= valid_within_usec) {
		refuse_client(registry, client,
			      error == -ERANGE ? "its counters are absurd" : "it holds no telemetry");
	} else {
		hak_registry_due(registry, client, now + delay_msec[client->attempts] * MSEC);
		client->attempts += client->attempts < last;
	}
}

/* It was valid and is not any more. Its last sample counts; its processes stay known until they end. */
void hak_client_life_distrust(struct hak_client *client, const char *why)
{
	if (client->distrusted)
		return;
	client->distrusted = true;
	if (!hak_registry_may_log(client->registry))
		return;
	hak_log(LOG_WARNING, "clients/%s (uid %u) is not believed any more: %s", client->name,
		(unsigned)client->uid, why);
}

/* Somebody took the file away: what was seen of it is all there will be. */
static void vanish(struct hak_registry *registry, struct hak_client *client)
{
	client->gone = true;
	HAK_FOREACH_SLOT(slot, client)
		if (slot->phase != HAK_PHASE_FREE)
			hak_slot_end(registry, slot);
}

/* When to look again at a client that is in use; 0: the sweep will do. */
static uint64_t next_look(struct hak_registry *registry, struct hak_client *client)
{
	uint64_t now = hak_registry_now(registry), since_fork = now - client->forked_usec, delay;

	if (client->forked_usec && since_fork > forker_usec) {
		registry->forkers--;
		client->forked_usec = 0;
	}
	/* One with more parts takes longer to be looked at, and to run short of free slots. */
	if (client->forked_usec && since_fork < hot_usec) {
		delay = registry->forkers * hot_share_usec;
		return now + (delay > hot_look_usec ? delay : hot_look_usec) * client->part_count;
	}
	if (client->forked_usec) {
		delay = registry->forkers * forker_share_usec;
		return now + (delay > forker_look_usec ? delay : forker_look_usec) * client->part_count;
	}
	delay = client->delay_usec ? (uint64_t)client->delay_usec * YOUNG_GROWS : young_usec;
	if (delay > young_most_usec)
		return 0;
	client->delay_usec = (uint32_t)delay;
	return now + delay;
}

/* It was read for the first time, with result @r. Return: as take_look(). */
static bool admit(struct hak_registry *registry, struct hak_client *client, int r)
{
	if (r == 0 && hak_registry_admit(registry, client, client->part_count))
		return true;
	client->accepted = false;
	if (r == -ENOENT)
		hak_registry_remove(registry, client);
	else if (r < 0)
		not_valid_yet(registry, client, r);
	else
		refuse_client(registry, client, "its user has too many telemetry files: see files-per-uid");
	return false;
}

/* Return: false where the client has been removed or has to be looked at later. */
static bool take_look(struct hak_registry *registry, struct hak_client *client, unsigned *ret_news)
{
	bool was_accepted = client->accepted;
	unsigned news = 0;
	int r;

	if (client->distrusted || client->gone)
		return true;
	r = hak_client_read(client, &registry->home, &news);
	if (!was_accepted && !admit(registry, client, r))
		return false;
	if (r == -ENOENT)
		vanish(registry, client);
	else if (r == -ERANGE || r == -EPROTO || r == -EINVAL)
		hak_client_life_distrust(client, r == -ERANGE ? "its counters fell" : "it is damaged");
	if (r < 0)
		return true; /* other errors are ours (no memory, no descriptors): the last sample stands */
	hak_client_look_grow(registry, client, &news);
	if (was_accepted && news & HAK_NEWS_CLAIMS)
		hak_client_look_saw_fork(registry, client);
	*ret_news = news;
	return true;
}

/* Return: when a slot wants the next look; 0: none does. */
static uint64_t step_slots(struct hak_registry *registry, struct hak_client *client, enum hak_look look,
			   bool *ret_used)
{
	uint64_t now = hak_registry_now(registry), due = 0;

	*ret_used = false;
	HAK_FOREACH_SLOT(slot, client) {
		if (hak_slot_has_process(slot) && hak_slot_is_over(registry, slot, look))
			hak_slot_end(registry, slot);
		else if (slot->phase == HAK_PHASE_NEW && !hak_slot_settle(registry, slot)) {
			uint64_t delay = hak_slot_retry_usec(slot);

			due = due && due < now + delay ? due : now + delay;
		} else if (slot->phase == HAK_PHASE_ENDED) {
			hak_slot_end(registry, slot);
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
	bool found, known;

	if (client->published)
		return;
	client->policy_word = registry->owner.policy_for(registry->owner.data, client, &client->source);
	/* Words that differ in nothing but their epoch: a daemon before this one had put it there. */
	found = hak_control_find_process(registry->writer->header, &client->key, &before) == 0;
	known = found && (uint32_t)before.policy_word == (uint32_t)client->policy_word;
	if (found)
		client->purge_request = before.purge_request; /* the next one is above it */
	if (known)
		client->policy_word = before.policy_word;
	hak_registry_publish(registry, client);
	for (unsigned i = 1; i < client->part_count; i++)
		hak_registry_publish_part(registry, client, i);
	if (client->policy_word && !known)
		registry->owner.policy_differs(registry->owner.data); /* it started with the global policy */
}

/* It has processes. @due: when a slot wants the next look; 0: none does. */
static void stay(struct hak_registry *registry, struct hak_client *client, uint64_t due)
{
	uint64_t next;

	client->empty_usec = 0;
	client->leaving = HAK_LEAVING_NOT;
	if (hak_context_is_known(&client->context)) {
		hak_learner_told(registry->learner, client);
		introduce(registry, client);
	}
	next = next_look(registry, client);
	if (next && (!due || next < due))
		due = next;
	if (due)
		hak_registry_due(registry, client, due);
}

/* It has none: after a while what it told is written, and then it goes. */
static void leave(struct hak_registry *registry, struct hak_client *client)
{
	uint64_t now = hak_registry_now(registry);

	if (!client->empty_usec)
		client->empty_usec = now;
	if (client->leaving == HAK_LEAVING_DURABLE)
		let_go(registry, client);
	else if (client->gone || now - client->empty_usec >= empty_usec)
		collect(registry, client);
	else
		hak_registry_due(registry, client,
				 ((client->empty_usec + empty_usec) / collect_usec + 1) * collect_usec);
}

void hak_client_life_step(struct hak_registry *registry, struct hak_client *client, enum hak_look look)
{
	unsigned news = 0;
	uint64_t due;
	bool used;

	hak_registry_undue(registry, client);
	if (client->leaving == HAK_LEAVING_WAITS || client->leaving == HAK_LEAVING_WRITING)
		return; /* it comes here again when it is written */
	if (!take_look(registry, client, &news))
		return;
	if (news & HAK_NEWS_LOG)
		hak_client_look_pass_on_logs(registry, client); /* before those end that say good-bye */
	hak_client_look_count_unseen(registry, client, news);
	if (client->recheck)
		client->delay_usec = 0; /* who may not be looked at closely is looked at often for a while */
	due = step_slots(registry, client, client->recheck ? HAK_LOOK_CLOSELY : look, &used);
	client->recheck = false;
	if (news & HAK_NEWS_LOG)
		hak_client_look_pass_on_logs(registry, client);
	if (used)
		stay(registry, client, due);
	else
		leave(registry, client);
}
