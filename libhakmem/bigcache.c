/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "bigcache_private.h"
#include "geometry.h"
#include "ghost.h"
#include "knobs.h"
#include "os.h"

enum { HALF_UNIT_BYTES = HAK_SUPERSLAB_BYTES / 2 };

struct hak_bigcache hak_bigcache;

struct hak_bigcache_entry hak_bigcache_remove(unsigned index)
{
	struct hak_bigcache_entry entry = hak_bigcache.entry[index];

	hak_bigcache.count--;
	memmove(&hak_bigcache.entry[index], &hak_bigcache.entry[index + 1],
		(hak_bigcache.count - index) * sizeof(entry));
	hak_bigcache.bytes[entry.state] -= entry.bytes;
	return entry;
}

/* The first entry above an address that no entry has; hak_bigcache.count: all lie below. */
static unsigned first_above(const char *base)
{
	unsigned at = 0, end = hak_bigcache.count;

	while (at < end) {
		unsigned middle = (at + end) / 2;

		if (hak_bigcache.entry[middle].base < base)
			at = middle + 1;
		else
			end = middle;
	}
	return at;
}

static void insert_at(unsigned index, struct hak_bigcache_entry entry)
{
	memmove(&hak_bigcache.entry[index + 1], &hak_bigcache.entry[index],
		(hak_bigcache.count - index) * sizeof(entry));
	hak_bigcache.entry[index] = entry;
	hak_bigcache.count++;
}

struct hak_bigcache_entry hak_bigcache_units_of(const struct hak_bigcache_entry *entry)
{
	struct hak_bigcache_entry units = *entry;
	size_t lead = -(uintptr_t)entry->base % HAK_SUPERSLAB_BYTES;

	units.base += lead;
	units.bytes = hak_less(entry->bytes, lead) & ~(size_t)(HAK_SUPERSLAB_BYTES - 1);
	return units;
}

void hak_bigcache_cut(unsigned index, const struct hak_bigcache_entry *part)
{
	struct hak_bigcache_entry *from = &hak_bigcache.entry[index], behind = *from;

	hak_bigcache.bytes[from->state] -= part->bytes;
	behind.base = hak_bigcache_end(part);
	behind.bytes = (size_t)(hak_bigcache_end(from) - behind.base);
	from->bytes = (size_t)(part->base - from->base);
	if (from->bytes && behind.bytes)
		insert_at(index + 1, behind);
	else if (behind.bytes)
		*from = behind;
	else if (!from->bytes)
		(void)hak_bigcache_remove(index);
}

void hak_bigcache_note_left(const struct hak_bigcache_entry *entry)
{
	if (entry->state == HAK_BIGCACHE_LAZY)
		hak_lazy_take(entry->base, entry->bytes);
}

static bool joins(const struct hak_bigcache_entry *low, const struct hak_bigcache_entry *high)
{
	return hak_bigcache_end(low) == high->base && low->thp == high->thp && low->state == high->state;
}

void hak_bigcache_insert(struct hak_bigcache_entry entry)
{
	unsigned at = first_above(entry.base);

	hak_bigcache.bytes[entry.state] += entry.bytes;
	if (at > 0 && joins(&hak_bigcache.entry[at - 1], &entry)) {
		at--;
		hak_bigcache.entry[at].bytes += entry.bytes;
		hak_bigcache.entry[at].stamp = entry.stamp;
	} else {
		insert_at(at, entry);
	}
	if (at + 1 < hak_bigcache.count && joins(&hak_bigcache.entry[at], &hak_bigcache.entry[at + 1])) {
		size_t bytes = hak_bigcache.entry[at + 1].bytes;

		(void)hak_bigcache_remove(at + 1);
		hak_bigcache.entry[at].bytes += bytes;
		hak_bigcache.bytes[hak_bigcache.entry[at].state] += bytes;
	}
}

void hak_bigcache_note_live(size_t bytes)
{
	hak_bigcache.live_bytes += bytes;
	hak_hold_note(&hak_bigcache.hold, hak_bigcache.live_bytes);
	hak_ghost_used(HAK_GHOST_LARGE, bytes, hak_bigcache.live_bytes);
}

size_t hak_bigcache_forget_ghosts(size_t bytes)
{
	size_t ghost_bytes = bytes < hak_bigcache.ghost_bytes ? bytes : hak_bigcache.ghost_bytes;

	hak_bigcache.ghost_bytes -= ghost_bytes;
	return ghost_bytes;
}

static size_t allowed_bytes(void)
{
	struct hak_hold_limits limits = {
		.base = hak_knob(cache_base_bytes),
		.unearned = hak_lazy_is(&hak_lazy.allowed) ? 0 : hak_knob(hold_unearned_bytes),
		.earned_percent = hak_knob(hold_earned_percent),
		.share_percent = hak_knob(hold_share_percent),
		.above_part = HAK_HOLD_ABOVE_PART,
	};

	return hak_hold_allowed(&hak_bigcache.hold, hak_bigcache.live_bytes, limits);
}

static size_t allowed_lazy_bytes(void)
{
	return hak_lazy_is(&hak_lazy.allowed) ? hak_hold_excess(&hak_bigcache.hold, hak_bigcache.live_bytes)
					      : 0;
}

/* What of an entry may be evicted by itself; none: it has no bytes. */
typedef struct hak_bigcache_entry (*evictable_fn)(const struct hak_bigcache_entry *entry);

static struct hak_bigcache_entry whole(const struct hak_bigcache_entry *entry)
{
	return *entry;
}

/* Without a beginning and an end that are less than half of their units, the rest of which is a block's. */
static struct hak_bigcache_entry halves_of(const struct hak_bigcache_entry *entry)
{
	struct hak_bigcache_entry halves = *entry;
	size_t lead = hak_least(-(uintptr_t)entry->base % HAK_SUPERSLAB_BYTES, halves.bytes), trail;

	if (lead < HALF_UNIT_BYTES) {
		halves.base += lead;
		halves.bytes -= lead;
	}
	trail = hak_least((uintptr_t)hak_bigcache_end(entry) % HAK_SUPERSLAB_BYTES, halves.bytes);
	if (trail < HALF_UNIT_BYTES)
		halves.bytes -= trail;
	return halves;
}

static bool is_older(uint32_t stamp, uint32_t than)
{
	return (int32_t)(than - stamp) > 0;
}

/* Of those of a state of which any may be evicted the entry that came first; hak_bigcache.count: none may. */
static unsigned oldest(enum hak_bigcache_state state, evictable_fn evictable)
{
	unsigned oldest = hak_bigcache.count;

	for (unsigned i = 0; i < hak_bigcache.count; i++) {
		const struct hak_bigcache_entry *entry = &hak_bigcache.entry[i];

		if (entry->state == state && evictable(entry).bytes &&
		    (oldest == hak_bigcache.count ||
		     is_older(entry->stamp, hak_bigcache.entry[oldest].stamp)))
			oldest = i;
	}
	return oldest;
}

static void add_evicted(struct hak_bigcache_evicted *evicted, struct hak_bigcache_entry entry)
{
	evicted->entry[evicted->count++] = entry;
	hak_bigcache_note_left(&entry);
	if (entry.state == HAK_BIGCACHE_CLEAN)
		evicted->clean++; /* it was a ghost already */
	else
		hak_bigcache.ghost_bytes += entry.bytes;
}

static void begin_evicting(struct hak_bigcache_evicted *evicted)
{
	evicted->count = evicted->full = evicted->clean = 0;
}

/*
 * Units of the oldest entries: the uppermost, and no more than is too much. What shares its unit with a block
 * stays while it is young: to take a part out of a huge page gains little, and splits it.
 */
static void evict_state(enum hak_bigcache_state state, size_t keep_bytes,
			struct hak_bigcache_evicted *evicted)
{
	unsigned index;

	while (evicted->count < HAK_BIGCACHE_EVICT_MOST && hak_bigcache.bytes[state] > keep_bytes &&
	       (index = oldest(state, hak_bigcache_units_of)) < hak_bigcache.count) {
		size_t excess_bytes =
			hak_round_up(hak_bigcache.bytes[state] - keep_bytes, HAK_SUPERSLAB_BYTES);
		struct hak_bigcache_entry evictee = hak_bigcache.entry[index];

		if (!hak_bigcache_is_full()) { /* there is room for what is left on both sides */
			evictee = hak_bigcache_units_of(&evictee);
			evictee.base += hak_less(evictee.bytes, excess_bytes);
			evictee.bytes = hak_least(evictee.bytes, excess_bytes);
		}
		hak_bigcache_cut(index, &evictee);
		add_evicted(evicted, evictee);
	}
}

static void evict_all(enum hak_bigcache_state state, struct hak_bigcache_evicted *evicted)
{
	while (evicted->count < HAK_BIGCACHE_EVICT_MOST && hak_bigcache.bytes[state])
		add_evicted(evicted, hak_bigcache_remove(oldest(state, whole)));
}

static void evict_excess(struct hak_bigcache_evicted *evicted)
{
	evict_state(HAK_BIGCACHE_CLEAN, hak_bigcache.live_bytes, evicted);
	evict_state(HAK_BIGCACHE_LAZY, allowed_lazy_bytes(), evicted);
	evict_state(HAK_BIGCACHE_KEPT, allowed_bytes(), evicted);
}

static void make_room(struct hak_bigcache_evicted *evicted)
{
	for (unsigned state = HAK_BIGCACHE_STATES; state-- > 0 && hak_bigcache_is_full();)
		if (hak_bigcache.bytes[state])
			add_evicted(evicted, hak_bigcache_remove(oldest(state, whole)));
	evicted->full = evicted->count - evicted->clean;
}

void hak_bigcache_put(struct hak_bigcache_entry entry, struct hak_bigcache_evicted *evicted)
{
	begin_evicting(evicted);
	hak_lock_acquire(&hak_bigcache.lock);
	hak_bigcache.live_bytes -= entry.bytes;
	entry.stamp = ++hak_bigcache.puts;
	hak_ghost_freed(HAK_GHOST_LARGE, entry.bytes, hak_bigcache.live_bytes);
	hak_hold_fade(&hak_bigcache.hold, hak_bigcache.live_bytes, hak_os_coarse_msec());
	make_room(evicted);
	hak_bigcache_insert(entry);
	evict_excess(evicted);
	hak_lock_release(&hak_bigcache.lock);
}

void hak_bigcache_evict(size_t keep_bytes, struct hak_bigcache_evicted *evicted)
{
	begin_evicting(evicted);
	hak_lock_acquire(&hak_bigcache.lock);
	if (keep_bytes == 0) {
		evict_all(HAK_BIGCACHE_CLEAN, evicted);
		evict_all(HAK_BIGCACHE_LAZY, evicted);
		evict_all(HAK_BIGCACHE_KEPT, evicted);
	}
	evict_state(HAK_BIGCACHE_KEPT, keep_bytes, evicted);
	hak_lock_release(&hak_bigcache.lock);
}

/* Of what nobody took for a period, halves of units, too. */
static void evict_aged(struct hak_bigcache_evicted *evicted)
{
	unsigned index;

	while (evicted->count < HAK_BIGCACHE_EVICT_MOST &&
	       hak_bigcache.bytes[HAK_BIGCACHE_KEPT] > allowed_bytes() &&
	       (index = oldest(HAK_BIGCACHE_KEPT, halves_of)) < hak_bigcache.count &&
	       !is_older(hak_bigcache.aged_puts, hak_bigcache.entry[index].stamp)) {
		struct hak_bigcache_entry evictee = hak_bigcache.entry[index];

		if (!hak_bigcache_is_full())
			evictee = halves_of(&evictee);
		hak_bigcache_cut(index, &evictee);
		add_evicted(evicted, evictee);
	}
}

bool hak_bigcache_age(uint32_t now_msec, uint32_t period_msec)
{
	bool is_due;

	hak_lock_acquire(&hak_bigcache.lock);
	is_due = now_msec - hak_bigcache.aged_at_msec >= period_msec;
	if (is_due) {
		hak_bigcache.aged_at_msec = now_msec;
		hak_bigcache.aged_puts = hak_bigcache.period_puts;
		hak_bigcache.period_puts = hak_bigcache.puts;
		hak_hold_fade(&hak_bigcache.hold, hak_bigcache.live_bytes, now_msec);
	}
	hak_lock_release(&hak_bigcache.lock);
	return is_due;
}

void hak_bigcache_evict_aged(struct hak_bigcache_evicted *evicted)
{
	begin_evicting(evicted);
	hak_lock_acquire(&hak_bigcache.lock);
	evict_excess(evicted);
	evict_aged(evicted);
	hak_lock_release(&hak_bigcache.lock);
}

void hak_bigcache_yield(size_t bytes, struct hak_bigcache_evicted *evicted)
{
	begin_evicting(evicted);
	hak_lock_acquire(&hak_bigcache.lock);
	hak_hold_yield(&hak_bigcache.hold, hak_bigcache.live_bytes, bytes);
	evict_excess(evicted);
	hak_lock_release(&hak_bigcache.lock);
}

/* ---- what is held no more, and still here ------------------------------------------------------------ */

bool hak_bigcache_put_lazily(struct hak_bigcache_entry entry)
{
	bool keep;

	hak_lock_acquire(&hak_bigcache.lock);
	keep = !hak_bigcache_is_full() &&
	       hak_bigcache.bytes[HAK_BIGCACHE_LAZY] + entry.bytes <= allowed_lazy_bytes();
	if (keep) {
		entry.state = HAK_BIGCACHE_LAZY;
		hak_bigcache_insert(entry);
		(void)hak_bigcache_forget_ghosts(entry.bytes); /* it is here yet */
		hak_lazy_set(&hak_lazy.given, true);
	}
	hak_lock_release(&hak_bigcache.lock);
	return keep;
}

static bool has_place_for_clean(size_t bytes)
{
	return !hak_bigcache_is_full() &&
	       hak_bigcache.bytes[HAK_BIGCACHE_CLEAN] + bytes <= hak_bigcache.live_bytes;
}

bool hak_bigcache_wants_clean(size_t bytes)
{
	bool wants;

	hak_lock_acquire(&hak_bigcache.lock);
	wants = has_place_for_clean(bytes);
	hak_lock_release(&hak_bigcache.lock);
	return wants;
}

bool hak_bigcache_put_clean(struct hak_bigcache_entry entry)
{
	bool keep;

	hak_lock_acquire(&hak_bigcache.lock);
	keep = has_place_for_clean(entry.bytes);
	if (keep) {
		entry.state = HAK_BIGCACHE_CLEAN;
		hak_bigcache_insert(entry);
	}
	hak_lock_release(&hak_bigcache.lock);
	return keep;
}

bool hak_bigcache_take_clean_at(const char *base, size_t bytes, struct hak_bigcache_entry *ret_entry)
{
	bool found = false;

	hak_lock_acquire(&hak_bigcache.lock);
	for (unsigned i = 0; i < hak_bigcache.count && !found; i++) {
		const struct hak_bigcache_entry *entry = &hak_bigcache.entry[i];

		found = entry->state == HAK_BIGCACHE_CLEAN && entry->base < base + bytes &&
			hak_bigcache_end(entry) > base;
		if (found)
			*ret_entry = hak_bigcache_remove(i);
	}
	hak_lock_release(&hak_bigcache.lock);
	return found;
}

bool hak_bigcache_take_lazy(uintptr_t base, struct hak_bigcache_entry *ret_entry)
{
	bool found = false;

	hak_lock_acquire(&hak_bigcache.lock);
	for (unsigned i = 0; i < hak_bigcache.count && !found; i++) {
		found = hak_bigcache.entry[i].state == HAK_BIGCACHE_LAZY &&
			(uintptr_t)hak_bigcache.entry[i].base == base;
		if (found)
			*ret_entry = hak_bigcache_remove(i);
	}
	if (found) {
		hak_bigcache.ghost_bytes += ret_entry->bytes;
		hak_bigcache_note_left(ret_entry);
	}
	hak_lock_release(&hak_bigcache.lock);
	return found;
}

void hak_bigcache_add_lazy(struct hak_lazy_ranges *ranges)
{
	hak_lock_acquire(&hak_bigcache.lock);
	for (unsigned i = 0; i < hak_bigcache.count; i++)
		if (hak_bigcache.entry[i].state == HAK_BIGCACHE_LAZY)
			hak_lazy_add(ranges, hak_bigcache.entry[i].base, hak_bigcache.entry[i].bytes);
	hak_lock_release(&hak_bigcache.lock);
}

void hak_bigcache_live_add(size_t bytes)
{
	hak_lock_acquire(&hak_bigcache.lock);
	hak_bigcache_note_live(bytes);
	hak_lock_release(&hak_bigcache.lock);
}

void hak_bigcache_live_sub(size_t bytes)
{
	hak_lock_acquire(&hak_bigcache.lock);
	hak_bigcache.live_bytes -= bytes;
	hak_lock_release(&hak_bigcache.lock);
}

size_t hak_bigcache_bytes(enum hak_bigcache_state state)
{
	size_t bytes;

	hak_lock_acquire(&hak_bigcache.lock);
	bytes = hak_bigcache.bytes[state];
	hak_lock_release(&hak_bigcache.lock);
	return bytes;
}

void hak_bigcache_fork_prepare(void)
{
	hak_lock_acquire(&hak_bigcache.lock);
}

void hak_bigcache_fork_parent(void)
{
	hak_lock_release(&hak_bigcache.lock);
}

void hak_bigcache_fork_child(void)
{
	hak_lock_reset(&hak_bigcache.lock);
}
