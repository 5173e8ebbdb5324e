/* SPDX-License-Identifier: MIT */
#include "stats.h"

#include <string.h>

#include "bigcache.h"
#include "mapping.h"
#include "meta.h"
#include "os.h"
#include "process.h"
#include "ranges.h"

static struct {
	struct hak_lock publishing;
	uint64_t inherited[HAK_COUNTER_COUNT]; /* to subtract: counted before this process was forked */
	_Atomic uint64_t peak_mapped_bytes;
	/* Of a trial; the publisher's: */
	uint64_t inherited_peak_kib; /* the program before exec's, as far as we can know */
	uint64_t began_kib;          /* resident then */
	uint64_t most_kib;           /* by our books */
} stats;

static void sum_counters(uint64_t *counter)
{
	for (unsigned i = 0; i < HAK_COUNTER_COUNT; i++)
		counter[i] = atomic_load_explicit(&hak_os_counter[i], memory_order_relaxed);
	for (struct hak_thread *thread = hak_thread_all(); thread; thread = thread->next)
		for (unsigned i = 0; i < HAK_COUNTER_COUNT; i++)
			counter[i] += hak_tally_get(&thread->tally, (enum hak_counter)i);
	hak_superslab_add_counters(counter);
}

/* Since this process began. */
static void count_own(uint64_t *counter)
{
	sum_counters(counter);
	for (unsigned i = 0; i < HAK_COUNTER_COUNT; i++)
		counter[i] -= stats.inherited[i];
}

static uint64_t note_peak(uint64_t mapped_bytes)
{
	uint64_t peak = atomic_load_explicit(&stats.peak_mapped_bytes, memory_order_relaxed);

	if (mapped_bytes <= peak)
		return peak;
	/* a gauge: any may win */
	atomic_store_explicit(&stats.peak_mapped_bytes, mapped_bytes, memory_order_relaxed);
	return mapped_bytes;
}

/*
 * The books are read one after the other, while others go on: what went from one to the next meanwhile is in
 * both, or in none. A difference that would be negative is nothing; wrapped, the daemon would not believe us.
 */
static void take_gauges(const uint64_t *counter, uint64_t *gauge)
{
	struct hak_superslab_stats superslabs = hak_superslab_stats();
	struct hak_heap_stats heaps = hak_heap_stats();
	uint64_t bins_bytes = 0, hot_bytes = 0, large_bytes = 0, threads = 0;
	uint64_t cached_bytes = hak_bigcache_bytes(HAK_BIGCACHE_KEPT);
	uint64_t lazy_cached_bytes = hak_bigcache_bytes(HAK_BIGCACHE_LAZY);
	uint64_t slab_free_bytes = hak_less(heaps.slab_bytes, heaps.out_bytes);
	uint64_t tail_bytes = atomic_load_explicit(&hak_mapping_tail_bytes, memory_order_relaxed);

	for (struct hak_thread *thread = hak_thread_all(); thread; thread = thread->next) {
		bins_bytes += atomic_load_explicit(&thread->held_bytes, memory_order_relaxed);
		hot_bytes += hak_hot_bytes(&thread->hot) + hak_hot_mapping_bytes(&thread->hot);
		large_bytes += hak_hot_and_out(&thread->hot);
		threads += atomic_load_explicit(&thread->active, memory_order_relaxed);
	}
	gauge[HAK_GAUGE_mapped_bytes] = superslabs.mapped_bytes + hak_mapping_bytes();
	gauge[HAK_GAUGE_live_bytes] = hak_less(counter[HAK_COUNTER_alloc_bytes],
						    counter[HAK_COUNTER_free_bytes]);
	gauge[HAK_GAUGE_held_bytes] = bins_bytes + hot_bytes + cached_bytes;
	gauge[HAK_GAUGE_free_bytes] = hak_less(gauge[HAK_GAUGE_mapped_bytes],
						    heaps.out_bytes + large_bytes + cached_bytes);
	gauge[HAK_GAUGE_bins_bytes] = bins_bytes;
	gauge[HAK_GAUGE_cache_bytes] = hot_bytes + cached_bytes;
	gauge[HAK_GAUGE_dirty_bytes] = superslabs.dirty_bytes;
	gauge[HAK_GAUGE_slab_free_bytes] = slab_free_bytes;
	gauge[HAK_GAUGE_slab_given_bytes] = superslabs.given_bytes;
	gauge[HAK_GAUGE_resident_free_bytes] = hak_less(
		superslabs.dirty_bytes + gauge[HAK_GAUGE_held_bytes] + slab_free_bytes + tail_bytes,
		superslabs.given_bytes);
	gauge[HAK_GAUGE_lazily_free_bytes] = superslabs.lazy_bytes + lazy_cached_bytes;
	gauge[HAK_GAUGE_peak_mapped_bytes] = note_peak(gauge[HAK_GAUGE_mapped_bytes]);
	gauge[HAK_GAUGE_meta_bytes] = hak_less(hak_meta_bytes(), superslabs.untouched_table_bytes);
	gauge[HAK_GAUGE_heaps] = heaps.heaps;
	gauge[HAK_GAUGE_threads] = threads;
}

void hak_stats_collect(struct hak_stats *ret_stats)
{
	memset(ret_stats, 0, sizeof(*ret_stats));
	count_own(ret_stats->counter);
	take_gauges(ret_stats->counter, ret_stats->gauge);
}

static uint32_t cut(uint64_t value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static bool is_tried(const struct hak_telemetry_slot *slot)
{
	/* relaxed: who changes it has the change counted by the next publish */
	return hak_unlikely(atomic_load_explicit(&slot->trial, memory_order_relaxed));
}

void hak_stats_begin(void)
{
	const struct hak_telemetry_slot *slot = atomic_load_explicit(&hak_process.slot, memory_order_relaxed);

	if (!slot || !is_tried(slot))
		return;
	stats.inherited_peak_kib = hak_os_peak_kib();
	stats.began_kib = hak_os_resident_kib();
}

/*
 * The most that was resident. The kernel's number outlives an exec: where we are smaller than the program
 * that started us (all of it, after a vfork) it is that one's. Then our own books have to do: what there was
 * when we began, and what we have and have touched at each publish. @gauge: NULL: only as far as that.
 */
static uint64_t peak_kib(const uint64_t *gauge)
{
	uint64_t peak = hak_os_peak_kib(), kib;

	if (peak > stats.inherited_peak_kib)
		return peak;
	if (!gauge)
		return stats.most_kib;
	kib = gauge[HAK_GAUGE_live_bytes] + gauge[HAK_GAUGE_resident_free_bytes] +
	      gauge[HAK_GAUGE_meta_bytes] + hak_superslab_huge_untouched_bytes();
	kib = stats.began_kib + (kib >> 10);
	if (stats.most_kib < kib)
		stats.most_kib = kib;
	return stats.most_kib < peak ? stats.most_kib : peak;
}

/* What the process has cost so far, where it runs a strategy for a trial. */
static void publish_trial(struct hak_telemetry_slot *slot, const uint64_t *gauge)
{
	if (!is_tried(slot))
		return;
	atomic_store_explicit(&slot->game.trial_cpu_usec, cut(hak_os_cpu_nsec() / 1000),
			      memory_order_relaxed);
	atomic_store_explicit(&slot->game.trial_peak_kib, cut(peak_kib(gauge)), memory_order_relaxed);
}

/* @gauge: NULL: they stay as they are. Caller holds the lock. */
static void store(struct hak_telemetry_slot *slot, const uint64_t *counter, const uint64_t *gauge)
{
	/* Odd while the numbers change, for who looks before and after. relaxed: the lock is held */
	atomic_fetch_add_explicit(&slot->publishes, 1, memory_order_relaxed);
	/* Who sees a number below sees the odd one, too. */
	atomic_thread_fence(memory_order_release);
	for (unsigned i = 0; i < HAK_COUNTER_COUNT; i++)
		atomic_store_explicit(&slot->counter[i], counter[i], memory_order_relaxed);
	for (unsigned i = 0; gauge && i < HAK_GAUGE_COUNT; i++)
		atomic_store_explicit(&slot->gauge[i], gauge[i], memory_order_relaxed);
	publish_trial(slot, gauge);
	/* release: who sees the even one sees all numbers */
	atomic_fetch_add_explicit(&slot->publishes, 1, memory_order_release);
}

void hak_stats_publish(void)
{
	struct hak_telemetry_slot *slot = atomic_load_explicit(&hak_process.slot, memory_order_acquire);
	struct hak_stats now;

	if (!slot || !hak_lock_try(&stats.publishing))
		return;
	hak_stats_collect(&now);
	store(slot, now.counter, now.gauge);
	hak_lock_release(&stats.publishing);
	hak_ranges_refresh();
}

void hak_stats_publish_end(void)
{
	struct hak_telemetry_slot *slot = atomic_load_explicit(&hak_process.slot, memory_order_acquire);
	uint64_t counter[HAK_COUNTER_COUNT];

	if (!slot || !is_tried(slot) || slot->pid != hak_os_pid() || !hak_lock_try(&stats.publishing))
		return;
	count_own(counter);
	store(slot, counter, NULL);
	hak_lock_release(&stats.publishing);
}

void hak_stats_fork_child(void)
{
	uint64_t held_bytes = 0, large_bytes = 0, live_bytes;

	stats.inherited_peak_kib = 0; /* a fork's peak begins with what is resident */
	hak_lock_reset(&stats.publishing);
	hak_ranges_fork_child();
	sum_counters(stats.inherited);
	/*
	 * Blocks that live on were allocated here, as far as this process's ledger goes. How many bytes they
	 * are is asked of the heaps: a thread of the parent that was between taking a block and counting it
	 * never counts.
	 */
	for (struct hak_thread *thread = hak_thread_all(); thread; thread = thread->next) {
		held_bytes += atomic_load_explicit(&thread->held_bytes, memory_order_relaxed) +
			      hak_hot_bytes(&thread->hot) + hak_hot_mapping_bytes(&thread->hot);
		large_bytes += hak_hot_and_out(&thread->hot);
	}
	live_bytes = hak_heap_stats().out_bytes - held_bytes + large_bytes; /* one thread */
	stats.inherited[HAK_COUNTER_alloc_count] = stats.inherited[HAK_COUNTER_free_count];
	stats.inherited[HAK_COUNTER_alloc_bytes] -= live_bytes;
}
