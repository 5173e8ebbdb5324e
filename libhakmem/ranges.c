/* SPDX-License-Identifier: MIT */
#include "ranges.h"

#include "bigcache.h"
#include "lazy.h"
#include "mapping.h"
#include "os.h"
#include "process.h"
#include "superslab.h"

static struct {
	struct hak_lock lock;
	struct hak_lazy_ranges now; /* as they are published */
} published;

static hak_range_word pack_range(const struct hak_lazy_range *range)
{
	const uint64_t pages_most = (UINT64_C(1) << HAK_RANGE_PAGES_BITS) - 1;
	uint64_t pages = range->bytes / hak_os_page_bytes();

	return (uint64_t)(range->start / hak_os_page_bytes()) << HAK_RANGE_PAGES_BITS |
	       (pages < pages_most ? pages : pages_most);
}

/* What is lazily free now, for the daemon's helper; NULL: all of it is withdrawn. Caller holds the lock. */
static void tell(const struct hak_lazy_ranges *ranges)
{
	struct hak_telemetry_slot *slot = atomic_load_explicit(&hak_process.slot, memory_order_relaxed);
	uint64_t sequence;

	if (!slot)
		return;
	/* relaxed: we are the only writer */
	sequence = atomic_load_explicit(&slot->ranges_sequence, memory_order_relaxed);
	atomic_store_explicit(&slot->ranges_sequence, sequence | 1, memory_order_relaxed);
	/* Readers that see a range below see the odd number, too. */
	atomic_thread_fence(memory_order_release);
	if (!ranges)
		return;
	for (unsigned i = 0; i < HAK_TELEMETRY_RANGES; i++)
		atomic_store_explicit(&slot->range[i], i < ranges->count ? pack_range(&ranges->range[i]) : 0,
				      memory_order_relaxed);
	/* release: who sees this number finds these ranges */
	atomic_store_explicit(&slot->ranges_sequence, (sequence | 1) + 1, memory_order_release);
}

/* Caller holds the lock. */
static void withdraw_taken(void)
{
	struct hak_lazy_range taken[HAK_LAZY_TAKEN];
	unsigned count = hak_lazy_taken(taken);
	bool cut = false;

	for (unsigned i = 0; i < count; i++)
		cut |= hak_lazy_cut(&published.now, taken[i].start, taken[i].bytes);
	if (!cut)
		return;
	tell(&published.now);
	hak_lazy_set(&hak_lazy.stale, true);
}

/* For good what found no place. Caller holds the lock. Return: false: there was none. */
static bool give_up_left(void)
{
	unsigned count = published.now.left_count;

	for (unsigned i = 0; i < count; i++) {
		const struct hak_lazy_range *left = &published.now.left[i];

		/* Either knows whether it is its own, and whether it still is lazily free. */
		hak_superslab_purge_lazy(left->start, left->bytes);
		hak_mapping_purge_lazy(left->start);
	}
	return count != 0;
}

/* Caller holds the lock. */
static void collect(void)
{
	struct hak_lazy_range taken[HAK_LAZY_TAKEN];

	hak_lazy_set(&hak_lazy.given, false);
	hak_lazy_set(&hak_lazy.stale, false);
	(void)hak_lazy_taken(taken); /* before we look: it is not lazily free any more */
	published.now.count = published.now.left_count = 0;
	hak_superslab_add_lazy(&published.now);
	hak_bigcache_add_lazy(&published.now);
}

/* Caller holds the lock. */
static void publish(void)
{
	tell(NULL);
	do
		collect();
	while (give_up_left());
	tell(&published.now);
	withdraw_taken(); /* meanwhile, by somebody who did not get the lock */
}

static bool is_pending(void)
{
	return hak_lazy_is(&hak_lazy.given) || hak_lazy_is(&hak_lazy.taken);
}

void hak_ranges_follow(void)
{
	while (is_pending() && hak_lock_try(&published.lock)) {
		if (hak_lazy_is(&hak_lazy.given))
			publish();
		else
			withdraw_taken();
		hak_lock_release(&published.lock); /* who came meanwhile left it to us: look again */
	}
}

void hak_ranges_refresh(void)
{
	if (!hak_lazy_is(&hak_lazy.stale) || !hak_lock_try(&published.lock))
		return;
	publish();
	hak_lock_release(&published.lock);
}

void hak_ranges_fork_child(void)
{
	hak_lazy_fork_child();
	hak_lock_reset(&published.lock);
	published.now.count = 0; /* our slot is empty */
}
