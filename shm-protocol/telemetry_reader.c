/* SPDX-License-Identifier: MIT */
/*
 * Making a telemetry file that a stranger wrote safe to use. hakmemd calls this on a private copy, once per
 * read; nothing of the file is looked at before. What cannot be meant is refused, what may be half written or
 * is merely odd is clamped or emptied. What reaches a journal or a terminal is plain ASCII afterwards.
 */
#include "telemetry.h"

#include "policy.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define TIME_USEC_MAX ((uint64_t)INT64_MAX)

enum {
	PAGE_BYTES_MIN = 4096,
	PAGE_BYTES_MAX = 65536,
};

static uint64_t load(const _Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed); /* a private copy */
}

static void store(_Atomic uint64_t *value, uint64_t to)
{
	atomic_store_explicit(value, to, memory_order_relaxed);
}

static uint32_t load32(const _Atomic uint32_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

/* ---- clamping --------------------------------------------------------------------------------------- */

/* Printable ASCII, NUL-terminated, zeros after the end. */
static void text_clean(char *text, size_t size)
{
	size_t i = 0;

	for (; i < size - 1 && text[i] != '\0'; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			text[i] = '?';
	memset(text + i, 0, size - i);
}

static void time_clamp(uint64_t *time_usec)
{
	if (*time_usec > TIME_USEC_MAX)
		*time_usec = 0;
}

static bool page_bytes_valid(uint32_t bytes)
{
	return bytes >= PAGE_BYTES_MIN && bytes <= PAGE_BYTES_MAX && (bytes & (bytes - 1)) == 0;
}

static bool range_valid(hak_range_word word, uint32_t page_bytes)
{
	uint64_t first = word >> HAK_RANGE_PAGES_BITS;
	uint64_t pages = word & ((UINT64_C(1) << HAK_RANGE_PAGES_BITS) - 1);

	/* page zero is never mapped; 40 + 16 bits cannot overflow */
	return first != 0 && pages != 0 && (first + pages) * page_bytes <= HAK_TELEMETRY_ADDRESS_MAX;
}

static void ranges_clamp(struct hak_telemetry_slot *slot)
{
	bool at_rest = load(&slot->ranges_sequence) % 2 == 0;

	if (!page_bytes_valid(slot->page_bytes))
		slot->page_bytes = 0;
	for (unsigned i = 0; i < HAK_TELEMETRY_RANGES; i++)
		if (!at_rest || slot->page_bytes == 0 ||
		    !range_valid(load(&slot->range[i]), slot->page_bytes))
			store(&slot->range[i], 0);
}

static void fatal_clamp(struct hak_fatal_record *fatal)
{
	if (load32(&fatal->written) != 1) {
		memset(fatal, 0, sizeof(*fatal));
		return;
	}
	time_clamp(&fatal->time_usec);
	text_clean(fatal->text, sizeof(fatal->text));
}

/* Everything but the count of claims, which the daemon needs to free the slot. */
static void slot_empty(struct hak_telemetry_slot *slot)
{
	uint32_t claims = load32(&slot->claims);

	memset(slot, 0, sizeof(*slot));
	atomic_store_explicit(&slot->claims, claims, memory_order_relaxed);
}

static bool slot_in_use(const struct hak_telemetry_slot *slot)
{
	uint32_t claims = load32(&slot->claims);
	uint32_t state = load32(&slot->state);

	return claims != 0 && load32(&slot->filled_claims) == claims &&
	       (state == HAK_SLOT_LIVE || state == HAK_SLOT_EXITED);
}

/* Early libraries took differences of books read at different moments: less than none is none. */
static void gauge_clamp(_Atomic uint64_t *gauge)
{
	if (load(gauge) > INT64_MAX)
		store(gauge, 0);
}

static void slot_clamp(struct hak_telemetry_slot *slot)
{
	struct hak_policy policy;

	if (!slot_in_use(slot)) {
		slot_empty(slot);
		return;
	}
	time_clamp(&slot->start_usec);
	if (hak_policy_unpack(load(&slot->policy_word), &policy, NULL) < 0)
		store(&slot->policy_word, 0);
	slot->pinned &= HAK_PIN_ALL;
	if (load32(&slot->game.phase) >= HAK_GAME_PHASE_COUNT)
		memset(&slot->game, 0, sizeof(slot->game));
	for (unsigned i = 0; i < HAK_TELEMETRY_GAUGES; i++)
		gauge_clamp(&slot->gauge[i]);
	ranges_clamp(slot);
	for (unsigned i = 0; i < HAK_TELEMETRY_LOG_LINES; i++) {
		time_clamp(&slot->log[i].time_usec);
		text_clean(slot->log[i].text, sizeof(slot->log[i].text));
	}
	fatal_clamp(&slot->fatal);
}

static void tally_clamp(struct hak_tally_record *tally)
{
	if (load(&tally->key[0]) >= load(&tally->key[1])) /* being claimed, or nobody's */
		memset(tally, 0, sizeof(*tally));
}

/* ---- refusing --------------------------------------------------------------------------------------- */

/* Counts of a copy may be torn between two stores, so a little more may be freed than allocated. */
static bool freed_absurd(uint64_t freed, uint64_t allocated)
{
	return freed > allocated && freed - allocated > HAK_TELEMETRY_FREED_SLACK;
}

/* All others are bytes. */
static uint64_t gauge_most(enum hak_gauge gauge)
{
	return gauge == HAK_GAUGE_heaps || gauge == HAK_GAUGE_threads ? HAK_TELEMETRY_THREADS_MAX
								      : HAK_TELEMETRY_ADDRESS_MAX;
}

static bool slot_absurd(const struct hak_telemetry_slot *slot)
{
	for (unsigned i = 0; i < HAK_TELEMETRY_COUNTERS; i++)
		if (load(&slot->counter[i]) > HAK_TELEMETRY_COUNTER_MAX)
			return true;
	for (unsigned i = 0; i < HAK_GAUGE_COUNT; i++)
		if (load(&slot->gauge[i]) > gauge_most((enum hak_gauge)i))
			return true;
	return slot->log_written > HAK_TELEMETRY_COUNTER_MAX ||
	       freed_absurd(load(&slot->counter[HAK_COUNTER_free_count]),
			    load(&slot->counter[HAK_COUNTER_alloc_count])) ||
	       freed_absurd(load(&slot->counter[HAK_COUNTER_free_bytes]),
			    load(&slot->counter[HAK_COUNTER_alloc_bytes]));
}

/* Did what only ever rises fall? @now and @before are of one slot. */
static bool slot_fell(const struct hak_telemetry_slot *now, const struct hak_telemetry_slot *before)
{
	uint32_t claims_now = load32(&now->claims);
	uint32_t claims_before = load32(&before->claims);

	if (claims_now != claims_before)
		return claims_now < claims_before && claims_before != UINT32_MAX; /* after that, 1 */
	if (load32(&before->state) == HAK_SLOT_EMPTY)
		return false; /* it was being claimed */
	if (load32(&now->state) == HAK_SLOT_EMPTY)
		return true;
	for (unsigned i = 0; i < HAK_TELEMETRY_COUNTERS; i++)
		if (load(&now->counter[i]) < load(&before->counter[i]))
			return true;
	return now->log_written < before->log_written;
}

static bool tally_absurd(const struct hak_tally_record *tally)
{
	return load(&tally->sum_plus) > HAK_TELEMETRY_COUNTER_MAX ||
	       load(&tally->sum_minus) > HAK_TELEMETRY_COUNTER_MAX ||
	       load(&tally->sum_squares) > HAK_TELEMETRY_COUNTER_MAX;
}

/* A record that was in use before keeps its keys, and its numbers rise. */
static bool tally_fell(const struct hak_tally_record *now, const struct hak_tally_record *before)
{
	if (load(&before->key[0]) == 0)
		return false;
	for (unsigned i = 0; i < 5; i++)
		if (load32(&now->outcome[i]) < load32(&before->outcome[i]))
			return true;
	return load(&now->key[0]) != load(&before->key[0]) || load(&now->key[1]) != load(&before->key[1]) ||
	       load(&now->sum_plus) < load(&before->sum_plus) ||
	       load(&now->sum_minus) < load(&before->sum_minus) ||
	       load(&now->sum_squares) < load(&before->sum_squares);
}

static int file_check(const struct hak_telemetry_file *file, size_t length)
{
	if (length < sizeof(*file) || file->magic != HAK_TELEMETRY_MAGIC)
		return -EPROTO;
	if (file->header_bytes != HAK_TELEMETRY_HEADER_BYTES || file->slots != HAK_TELEMETRY_SLOTS ||
	    file->slot_bytes != HAK_TELEMETRY_SLOT_BYTES)
		return -EPROTO;
	return 0;
}

int hak_telemetry_validate(struct hak_telemetry_file *file, size_t length,
			   const struct hak_telemetry_file *previous)
{
	int r = file_check(file, length);

	if (r < 0)
		return r;
	if (load(&file->forks_untracked) > HAK_TELEMETRY_COUNTER_MAX)
		return -ERANGE;
	if (previous && load(&file->forks_untracked) < load(&previous->forks_untracked))
		return -ERANGE;
	for (unsigned i = 0; i < HAK_TELEMETRY_TALLIES; i++) {
		tally_clamp(&file->tally[i]);
		if (tally_absurd(&file->tally[i]))
			return -ERANGE;
		if (previous && tally_fell(&file->tally[i], &previous->tally[i]))
			return -ERANGE;
	}
	for (unsigned i = 0; i < HAK_TELEMETRY_SLOTS; i++) {
		slot_clamp(&file->slot[i]);
		if (slot_absurd(&file->slot[i]))
			return -ERANGE;
		if (previous && slot_fell(&file->slot[i], &previous->slot[i]))
			return -ERANGE;
	}
	return 0;
}
