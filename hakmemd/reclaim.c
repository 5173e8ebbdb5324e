/* SPDX-License-Identifier: MIT */
/* See reclaim.h. */
#include "reclaim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "clock.h"
#include "log.h"
#include "pressure.h"
#include "process_check.h"

enum {
	LOOK_USEC = 500000,
	/* PSI looks back so long; nor does a cgroup that lives near its limit have new free memory each time.
	 */
	PRESSURE_AGAIN_USEC = 10000000,
};

/* One process that the helper is at; outlives the slot. */
struct hak_reclaim_asked {
	struct hak_reclaim *reclaim;
	struct hak_reclaim_wish *wish; /* NULL: nobody waits */
	enum hak_reclaim_reason reason;
	pid_t pid;
	uid_t uid;
	LIST_ENTRY(hak_reclaim_asked) link;
};

static const char *reason_text(enum hak_reclaim_reason reason)
{
	static const char *const texts[] = {
		[HAK_RECLAIM_IDLE] = "it has been idle",
		[HAK_RECLAIM_PRESSURE] = "memory is short",
		[HAK_RECLAIM_CGROUP] = "its cgroup is near its limit",
		[HAK_RECLAIM_BUDGET] = "the memory budget is used up",
		[HAK_RECLAIM_MODE] = "its mode keeps nothing",
		[HAK_RECLAIM_ASKED] = "it was asked for",
	};

	return texts[reason];
}

static void tell(struct hak_reclaim_asked *asked, const struct hak_helper_reply *reply)
{
	struct hak_reclaim_stats *stats = &asked->reclaim->stats;
	char result[64];

	stats->calls += reply->calls;
	stats->advised_bytes += reply->advised_bytes;
	stats->refused_ranges += reply->refused_ranges;
	if (reply->error < 0) {
		stats->failed++;
		if (reply->error == -ESRCH || hak_helper_is_lost(reply->error)) /* it may just have ended */
			return;
		if (reply->error != stats->last_error && hak_registry_may_log(asked->reclaim->registry))
			hak_log(LOG_WARNING, "hakmem-helper cannot take memory out of pid %d: %s",
				(int)asked->pid, strerror(-reply->error));
		stats->last_error = reply->error;
		return;
	}
	if (reply->refused_ranges && hak_registry_may_log(asked->reclaim->registry))
		hak_log(LOG_WARNING,
			"pid %d (uid %u) names %u ranges that are not its private anonymous memory: refused",
			(int)asked->pid, (unsigned)asked->uid, (unsigned)reply->refused_ranges);
	if (!reply->advised_bytes)
		return;
	snprintf(result, sizeof(result), "%" PRIu64 " KiB out of pid %d", reply->advised_bytes / 1024,
		 (int)asked->pid);
	asked->reclaim->decided(asked->reclaim->data, "reclaim", result, reason_text(asked->reason));
}

static void on_answer(void *data, const struct hak_helper_reply *reply)
{
	struct hak_reclaim_asked *asked = data;
	struct hak_reclaim_wish *wish = asked->wish;

	tell(asked, reply);
	LIST_REMOVE(asked, link);
	free(asked);
	if (!wish)
		return;
	wish->advised_bytes += reply->advised_bytes;
	wish->unanswered += hak_helper_is_lost(reply->error);
	if (--wish->pending == 0)
		wish->done(wish->data);
}

/* Return: 1; 0: nothing to take, or nobody who could; -ENOBUFS: later, so many wait for the helper. */
static int take_from(struct hak_reclaim *reclaim, struct hak_slot *slot, enum hak_reclaim_reason reason,
		      struct hak_reclaim_wish *wish)
{
	struct hak_helper_request request = {.version = HAK_HELPER_VERSION, .pid = slot->pid};
	struct hak_reclaim_asked *asked;
	int r;

	if (slot->pid <= 0 || !hak_helper_link_is_there(&reclaim->link) ||
	    hak_client_read_ranges(slot, &reclaim->registry->home, &request) < 0 || !request.range_count)
		return 0;
	asked = malloc(sizeof(*asked));
	if (!asked)
		return 0;
	*asked = (struct hak_reclaim_asked){.reclaim = reclaim,
					    .wish = wish,
					    .reason = reason,
					    .pid = slot->pid,
					    .uid = slot->client->uid};
	r = hak_helper_link_send(&reclaim->link, &request, on_answer, asked);
	if (r < 0) {
		free(asked);
		return r == -ENOBUFS ? r : 0;
	}
	LIST_INSERT_HEAD(&reclaim->asked, asked, link);
	reclaim->stats.requests++;
	return 1;
}

static bool has_lazily_free(const struct hak_reclaim *reclaim, const struct hak_slot *slot)
{
	return hak_slot_has_process(slot) &&
	       slot->sample->gauge[HAK_GAUGE_lazily_free_bytes] >= reclaim->purge->least_bytes;
}

static bool is_idle(const struct hak_reclaim *reclaim, struct hak_slot *slot, uint64_t now_usec)
{
	struct hak_stillness *still = &slot->still;
	struct hak_process_life life = {.state = '?'};
	uint64_t cpu_ticks;

	(void)hak_process_look(slot->pid, &life); /* it is gone: as idle as can be */
	cpu_ticks = life.cpu_ticks;
	if (still->publishes != slot->sample->publishes || still->cpu_ticks != cpu_ticks) {
		*still = (struct hak_stillness){
			.publishes = slot->sample->publishes, .cpu_ticks = cpu_ticks, .since_usec = now_usec};
		return false;
	}
	return reclaim->purge->idle_usec && now_usec - still->since_usec >= reclaim->purge->idle_usec;
}

static bool is_cgroup_near(const struct hak_reclaim *reclaim, const struct hak_slot *slot)
{
	char text[4096], *cgroup = hak_process_cgroup(slot->pid, text, sizeof(text));

	return cgroup &&
	       hak_pressure_cgroup_is_near("/sys/fs/cgroup", cgroup, reclaim->purge->cgroup_percent);
}

/* Its policy has become one without caches; it does not keep another by its environment. */
static bool keeps_nothing(const struct hak_reclaim *reclaim, const struct hak_slot *slot)
{
	uint64_t word = hak_registry_policy_word(reclaim->registry, slot->client);
	struct hak_policy policy;

	return !(slot->sample->pinned & (HAK_PIN_MODE | HAK_PIN_BIGCACHE)) &&
	       hak_policy_unpack(word, &policy, NULL) == 0 && !policy.bigcache;
}

/* Since it is still; what a helper that was lost has not answered is asked of the next one. */
static bool is_reclaimed(const struct hak_reclaim *reclaim, const struct hak_slot *slot)
{
	return slot->still.reclaimed && slot->still.losses == reclaim->link.losses;
}

/* Is there a reason to take memory out of a process, and which? */
static bool has_reason(const struct hak_reclaim *reclaim, struct hak_slot *slot,
		       enum hak_reclaim_reason *ret_reason)
{
	uint64_t now = hak_registry_now(reclaim->registry);
	bool idle = is_idle(reclaim, slot, now);
	bool pressed_lately = slot->pressed_usec && now - slot->pressed_usec < PRESSURE_AGAIN_USEC;

	if (is_reclaimed(reclaim, slot))
		return false;
	if (keeps_nothing(reclaim, slot))
		*ret_reason = HAK_RECLAIM_MODE;
	else if (reclaim->is_short && !pressed_lately)
		*ret_reason = HAK_RECLAIM_PRESSURE;
	else if (idle)
		*ret_reason = HAK_RECLAIM_IDLE;
	else if (!pressed_lately && is_cgroup_near(reclaim, slot))
		*ret_reason = HAK_RECLAIM_CGROUP;
	else
		return false;
	return true;
}

static void ask_itself(struct hak_reclaim *reclaim, struct hak_slot *slot)
{
	hak_registry_request_purge_of(reclaim->registry, slot->client, hak_clock_realtime_usec());
	reclaim->asks = true;
}

static void take_for_a_reason(struct hak_reclaim *reclaim, struct hak_slot *slot)
{
	enum hak_reclaim_reason reason;
	bool pressed;
	int r;

	if (!has_lazily_free(reclaim, slot) || !has_reason(reclaim, slot, &reason))
		return;
	pressed = reason == HAK_RECLAIM_PRESSURE || reason == HAK_RECLAIM_CGROUP;
	r = take_from(reclaim, slot, reason, NULL);
	if (r < 0)
		return; /* in the next round */
	if (!r && pressed) /* who sleeps cannot do it itself, and who follows a mode does it unasked */
		ask_itself(reclaim, slot);
	slot->still.reclaimed = r || pressed;
	slot->still.losses = reclaim->link.losses;
	if (pressed)
		slot->pressed_usec = hak_registry_now(reclaim->registry);
}

static uint64_t free_bytes(const struct hak_slot *slot)
{
	return hak_slot_has_process(slot)
		       ? slot->sample->gauge[HAK_GAUGE_resident_free_bytes] +
				 slot->sample->gauge[HAK_GAUGE_lazily_free_bytes]
		       : 0;
}

/* Do all processes together hold more than they may? */
static bool is_over_budget(struct hak_reclaim *reclaim, uint64_t now)
{
	char result[96];
	uint64_t sum = 0;

	if (!reclaim->purge->budget_bytes || now - reclaim->budget_usec < PRESSURE_AGAIN_USEC)
		return false;
	reclaim->budget_usec = now;
	for (struct hak_client *client = reclaim->registry->first; client; client = client->next)
		HAK_FOREACH_SLOT(slot, client)
			sum += free_bytes(slot);
	if (sum <= reclaim->purge->budget_bytes)
		return false;
	snprintf(result, sizeof(result), "%" PRIu64 " MiB of free memory, %" PRIu64 " allowed: all purge",
		 sum >> 20, reclaim->purge->budget_bytes >> 20);
	reclaim->decided(reclaim->data, "budget", result, reason_text(HAK_RECLAIM_BUDGET));
	return true;
}

/* Nothing is taken of anybody while the global policy is to panic. */
static bool is_allowed(const struct hak_reclaim *reclaim)
{
	struct hak_policy policy;

	return hak_policy_unpack(hak_registry_policy_word(reclaim->registry, NULL), &policy, NULL) < 0 ||
	       !policy.panic;
}

static void begin_round(struct hak_reclaim *reclaim)
{
	reclaim->is_short = hak_pressure_is_high("/proc/pressure/memory", reclaim->purge->pressure_percent);
	reclaim->collapse.busy = hak_pressure_is_high("/proc/pressure/cpu", *reclaim->busy_percent);
	reclaim->is_over_budget = is_allowed(reclaim) &&
				  is_over_budget(reclaim, hak_registry_now(reclaim->registry));
	reclaim->next_id = 1;
}

static void look_at(struct hak_reclaim *reclaim, struct hak_slot *slot)
{
	take_for_a_reason(reclaim, slot);
	hak_collapse_look_at(&reclaim->collapse, slot);
	if (reclaim->is_over_budget && free_bytes(slot) >= reclaim->purge->least_bytes) {
		/* Who sleeps by the helper; else each gives back what it can. */
		(void)take_from(reclaim, slot, HAK_RECLAIM_BUDGET, NULL);
		ask_itself(reclaim, slot);
	}
}

/* Return: false: there is more to look at. */
static bool go_round(struct hak_reclaim *reclaim)
{
	uint64_t end_usec = hak_clock_usec() + HAK_SLICE_USEC;
	struct hak_client *client = reclaim->registry->first;

	while (client && client->id < reclaim->next_id)
		client = client->next;
	for (; client && is_allowed(reclaim); client = client->next) {
		reclaim->next_id = client->id;
		if (hak_clock_usec() >= end_usec)
			return false;
		HAK_FOREACH_SLOT(slot, client)
			look_at(reclaim, slot);
	}
	reclaim->next_id = 0;
	return true;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
	struct hak_reclaim *reclaim = data;

	if (!reclaim->next_id)
		begin_round(reclaim);
	if (!go_round(reclaim))
		return sd_event_source_set_time(source, hak_clock_usec() + HAK_REST_USEC);
	if (reclaim->asks)
		reclaim->tell_asked(reclaim->data);
	reclaim->asks = false;
	return sd_event_source_set_time(source, hak_registry_now(reclaim->registry) + LOOK_USEC);
}

void hak_reclaim_watch(struct hak_reclaim *reclaim, bool watch)
{
	/* A source of ours: cannot fail. */
	(void)sd_event_source_set_time(reclaim->timer, 0);
	(void)sd_event_source_set_enabled(reclaim->timer, watch ? SD_EVENT_ON : SD_EVENT_OFF);
}

bool hak_reclaim_ask(struct hak_reclaim *reclaim, struct hak_slot *slot, struct hak_reclaim_wish *wish)
{
	int r = take_from(reclaim, slot, HAK_RECLAIM_ASKED, wish);

	wish->pending += r > 0;
	wish->unanswered += r == 0 && reclaim->link.hangs &&
			    slot->sample->gauge[HAK_GAUGE_lazily_free_bytes];
	return r >= 0;
}

void hak_reclaim_forget(struct hak_reclaim *reclaim, const struct hak_reclaim_wish *wish)
{
	struct hak_reclaim_asked *asked;

	LIST_FOREACH(asked, &reclaim->asked, link)
		if (asked->wish == wish)
			asked->wish = NULL;
}

int hak_reclaim_init(struct hak_reclaim *reclaim, struct hak_registry *registry, const char *runtime_dir)
{
	int r;

	reclaim->registry = registry;
	r = hak_helper_link_init(&reclaim->link, registry->event, runtime_dir);
	hak_collapse_init(&reclaim->collapse, &reclaim->link, &registry->home);
	if (r == 0)
		r = sd_event_add_time(registry->event, &reclaim->timer, CLOCK_MONOTONIC, 0, LOOK_USEC / 10,
				      on_timer, reclaim);
	if (r >= 0)
		r = sd_event_source_set_enabled(reclaim->timer, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

void hak_reclaim_deinit(struct hak_reclaim *reclaim)
{
	sd_event_source_disable_unref(reclaim->timer);
	reclaim->timer = NULL;
	hak_helper_link_deinit(&reclaim->link);
	hak_collapse_deinit(&reclaim->collapse);
	while (!LIST_EMPTY(&reclaim->asked)) {
		struct hak_reclaim_asked *asked = LIST_FIRST(&reclaim->asked);

		LIST_REMOVE(asked, link);
		free(asked);
	}
}
