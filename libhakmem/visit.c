/* SPDX-License-Identifier: MIT */
#include "visit.h"

#include "bins.h"
#include "games.h"
#include "mapping.h"
#include "process.h"
#include "ranges.h"
#include "stats.h"

enum {
	PUBLISH_VISITS = 64,
	QUIET_VISITS = 4, /* of a forked child */
	TEND_VISITS = 16, /* so many for each bin that is tended */
	OLD_MSEC = 1024,  /* that what large blocks leave beside them waits for others */
};

size_t hak_visit_release(struct hak_thread *thread, size_t keep_bytes, enum hak_counter reason)
{
	size_t given_bytes;

	hak_bins_flush(thread);
	hak_thread_flush_kept();
	hak_mapping_trim(keep_bytes, reason, &thread->tally);
	hak_heap_trim_all();
	given_bytes = hak_superslab_purge(keep_bytes);
	return given_bytes + hak_mapping_give_tails(0);
}

/* Each thread empties its own bins; with the first one the rest goes, too. */
static void obey_purge(struct hak_thread *thread)
{
	uint64_t request = atomic_load_explicit(&hak_process.purge_request, memory_order_relaxed);
	bool holds_nothing = thread->policy_epoch == 0; /* it is new */

	if (thread->purge_request == request)
		return;
	thread->purge_request = request;
	/* relaxed: to obey twice costs time only */
	if (holds_nothing && atomic_load_explicit(&hak_process.purged, memory_order_relaxed) >= request)
		return;
	(void)hak_visit_release(thread, 0, HAK_COUNTER_bigcache_evicted_asked);
	hak_stats_publish();
	hak_process_purged(request);
}

/*
 * A child tells of itself like a process that begins, but for its first visits: after a few many a child
 * becomes another program. At a visit, so that one that makes none copies no page for it.
 */
static void tell_soon(struct hak_thread *thread)
{
	atomic_store_explicit(&hak_process.is_untold, false, memory_order_relaxed);
	thread->visits = QUIET_VISITS;
	thread->publish_at = 2 * QUIET_VISITS;
}

static HAK_NOINLINE void catch_up(struct hak_thread *thread)
{
	hak_process_follow();
	hak_games_follow();
	obey_purge(thread);

	/* acquire [P1]: pairs with the release in put_in_force() */
	uint32_t epoch = atomic_load_explicit(&hak_process.policy_epoch, memory_order_acquire);

	if (thread->policy_epoch != epoch)
		hak_thread_set_bins(
			thread, atomic_load_explicit(&hak_process.thread_bins, memory_order_relaxed), epoch);
	if (atomic_exchange_explicit(&hak_process.convert_wanted, false, memory_order_relaxed))
		hak_superslab_convert();
	if (atomic_load_explicit(&hak_process.is_untold, memory_order_relaxed))
		tell_soon(thread);
	if (atomic_exchange_explicit(&hak_process.release_wanted, false, memory_order_relaxed)) {
		hak_thread_flush_kept();
		hak_mapping_trim(0, HAK_COUNTER_bigcache_evicted_asked, &thread->tally);
		(void)hak_mapping_give_tails(0);
		(void)hak_superslab_purge(HAK_KEEP_ALLOWED);
	}
}

struct hak_thread *hak_visit_begin(bool frees)
{
	struct hak_thread *thread = hak_thread_enter(frees);

	hak_tally_add(&thread->tally, HAK_COUNTER_slow_visits, 1);
	thread->map = hak_pagemap_look();
	if (hak_unlikely(hak_process_is_behind() ||
			 thread->policy_epoch !=
				 atomic_load_explicit(&hak_process.policy_epoch, memory_order_relaxed)))
		catch_up(thread);
	return thread;
}

/* What small blocks need more of large ones need less of: see hak_hold_yield(). */
static HAK_NOINLINE void give_way(struct hak_thread *thread)
{
	size_t mapped = atomic_exchange_explicit(&hak_superslabs_mapped, 0, memory_order_relaxed);

	if (mapped)
		hak_mapping_yield(mapped * HAK_SUPERSLAB_BYTES, &thread->tally);
}

/* More lies free than may. Bins that hold nearly all that is out go first. */
static HAK_NOINLINE void purge(struct hak_thread *thread)
{
	/* relaxed: one of those who see it purges; what is freed from here on is due again */
	if (!atomic_exchange_explicit(&hak_superslabs_purge_due, false, memory_order_relaxed))
		return;
	if (hak_heap_is_deserted(thread->heap,
				 atomic_load_explicit(&thread->held_bytes, memory_order_relaxed)))
		hak_bins_flush(thread);
	hak_process_watch_daemon();
	hak_heap_scavenge_due();
	(void)hak_superslab_purge(HAK_KEEP_ALLOWED);
}

void hak_visit_end(struct hak_thread *thread)
{
	/* Often at first, so that short programs are seen; then more rarely the more threads there are. */
	if (hak_unlikely(++thread->visits >= thread->publish_at)) {
		hak_process_watch_daemon();
		if (hak_games_are_on())
			hak_games_probe();
		/* relaxed: a hint */
		if (atomic_load_explicit(&hak_superslabs_beside_bytes, memory_order_relaxed))
			hak_mapping_age(OLD_MSEC, &thread->tally);
		hak_stats_publish();
		thread->publish_at = thread->visits < PUBLISH_VISITS
					     ? thread->visits * 2
					     : thread->visits + PUBLISH_VISITS * hak_thread_count();
	}
	if (hak_unlikely(hak_games_are_on()))
		hak_games_tick(thread);
	if (hak_unlikely(thread->visits % TEND_VISITS == 0))
		hak_bins_tend(thread);
	if (hak_unlikely(atomic_load_explicit(&hak_superslabs_mapped, memory_order_relaxed)))
		give_way(thread);
	if (hak_unlikely(hak_superslab_is_purge_due()))
		purge(thread);
	if (hak_unlikely(hak_lazy_is(&hak_lazy.given) || hak_lazy_is(&hak_lazy.taken)))
		hak_ranges_follow();
	hak_thread_leave(thread); /* last: who forks in a signal handler must know that there may be locks */
}
