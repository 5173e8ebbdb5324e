/* SPDX-License-Identifier: MIT */
#include "ranges.h"

#include "bigcache.h"
#include "lazy.h"
#include "mapping.h"
#include "process.h"
#include "superslab.h"

static struct {
	struct hak_lock lock;
	struct hak_lazy_ranges now; /* as they are published */
} published;

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
	hak_process_publish_ranges(&published.now);
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
	hak_process_publish_ranges(NULL);
	do
		collect();
	while (give_up_left());
	hak_process_publish_ranges(&published.now);
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
