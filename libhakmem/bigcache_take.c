/* SPDX-License-Identifier: MIT */
/* What of BigCache serves a request: the place for it, and pieces from elsewhere. */
#include "bigcache_private.h"

enum { GATHER_PART = 4 }; /* less of what is wanted is not worth the calls, and may never be touched */

/* What of it lies between @base and @end, where some does. */
static struct hak_bigcache_entry part_of(const struct hak_bigcache_entry *entry, char *base, char *end)
{
	struct hak_bigcache_entry part = *entry;

	if (part.base < base)
		part.base = base;
	part.bytes = (size_t)((hak_bigcache_end(entry) < end ? hak_bigcache_end(entry) : end) - part.base);
	return part;
}

/* It will be used again. */
static void note_taken(const struct hak_bigcache_entry *entry)
{
	if (entry->state == HAK_BIGCACHE_LAZY)
		hak_hold_regret(&hak_bigcache.hold, entry->bytes);
	hak_bigcache_note_left(entry);
}

/* A place for what is asked for: in one entry, or in several that touch. */
struct place {
	char *base;
	unsigned first; /* entry, in which it begins */
	size_t clean_bytes, lazy_bytes;
	size_t room_bytes; /* of the entries that it is cut out of */
};

/* @bytes from @base on, in entry @first and those behind it, which touch. */
static struct place survey(unsigned first, char *base, size_t bytes)
{
	struct place place = {.base = base, .first = first};
	char *end = base + bytes;

	for (unsigned i = first; i < hak_bigcache.count && hak_bigcache.entry[i].base < end; i++) {
		struct hak_bigcache_entry part = part_of(&hak_bigcache.entry[i], base, end);

		place.room_bytes += hak_bigcache.entry[i].bytes;
		if (part.state == HAK_BIGCACHE_CLEAN)
			place.clean_bytes += part.bytes;
		if (part.state == HAK_BIGCACHE_LAZY)
			place.lazy_bytes += part.bytes;
	}
	return place;
}

static bool is_better(const struct place *left, const struct place *right)
{
	if (left->clean_bytes != right->clean_bytes)
		return left->clean_bytes < right->clean_bytes;
	if (left->lazy_bytes != right->lazy_bytes)
		return left->lazy_bytes < right->lazy_bytes;
	return left->room_bytes < right->room_bytes;
}

static void choose(struct place *best, unsigned first, char *base, size_t bytes)
{
	struct place place = survey(first, base, bytes);

	if (!best->base || is_better(&place, best))
		*best = place;
}

/* The entry in which @base lies, not before @from. */
static unsigned entry_at(unsigned from, const char *base)
{
	while (hak_bigcache_end(&hak_bigcache.entry[from]) <= base)
		from++;
	return from;
}

static char *unit_floor(const char *p)
{
	return (char *)((uintptr_t)p & ~(uintptr_t)(HAK_SUPERSLAB_BYTES - 1));
}

/* Whole units, the first of which begins in an entry, or the last of which ends in one. */
static void choose_among(struct place *best, unsigned first, unsigned last, size_t bytes)
{
	char *begin = hak_bigcache.entry[first].base, *end = hak_bigcache_end(&hak_bigcache.entry[last]);

	for (unsigned i = first; i <= last; i++) {
		char *from = unit_floor(hak_bigcache.entry[i].base + HAK_SUPERSLAB_BYTES - 1);
		char *to = unit_floor(hak_bigcache_end(&hak_bigcache.entry[i]));

		if (from <= end && (size_t)(end - from) >= bytes)
			choose(best, entry_at(i, from), from, bytes);
		if (to >= begin && (size_t)(to - begin) >= bytes)
			choose(best, entry_at(first, to - bytes), to - bytes, bytes);
	}
}

/*
 * At the beginning of the smallest entry that is resident and holds so much: what is used in part is touched
 * there again. @in_units: whole units of it.
 */
static struct place find_resident(size_t bytes, bool in_units)
{
	struct place best = {0};

	for (unsigned i = 0; i < hak_bigcache.count; i++) {
		const struct hak_bigcache_entry *entry = &hak_bigcache.entry[i];
		size_t lead = in_units ? -(uintptr_t)entry->base % HAK_SUPERSLAB_BYTES : 0;

		if (entry->state == HAK_BIGCACHE_KEPT && entry->bytes >= lead + bytes &&
		    (!best.base || entry->bytes < best.room_bytes))
			best = (struct place){
				.base = entry->base + lead, .first = i, .room_bytes = entry->bytes};
	}
	return best;
}

/* Return: its base is NULL where there is none. */
static struct place find_place(size_t bytes)
{
	struct place best = find_resident(bytes, true);

	if (best.base)
		return best;
	for (unsigned first = 0, last; first < hak_bigcache.count; first = last + 1) {
		last = first;
		while (last + 1 < hak_bigcache.count &&
		       hak_bigcache_end(&hak_bigcache.entry[last]) == hak_bigcache.entry[last + 1].base)
			last++;
		if ((size_t)(hak_bigcache_end(&hak_bigcache.entry[last]) - hak_bigcache.entry[first].base) >=
		    bytes)
			choose_among(&best, first, last, bytes);
	}
	return best;
}

static void add_part(struct hak_bigcache_range *range, const struct hak_bigcache_entry *part)
{
	size_t begin = (size_t)(part->base - range->base);

	if (part->thp != range->thp)
		range->thp = HAK_BIGCACHE_MIXED;
	if (part->state == HAK_BIGCACHE_CLEAN && range->gaps < HAK_BIGCACHE_GAPS)
		range->gap[range->gaps++] = (struct hak_bigcache_gap){begin, begin + part->bytes};
}

static void cut_out(unsigned index, struct hak_bigcache_range *range)
{
	while (index < hak_bigcache.count && hak_bigcache.entry[index].base < range->base + range->bytes) {
		unsigned count = hak_bigcache.count;
		struct hak_bigcache_entry part =
			part_of(&hak_bigcache.entry[index], range->base, range->base + range->bytes);

		note_taken(&part);
		add_part(range, &part);
		hak_bigcache_cut(index, &part);
		index += hak_bigcache.count >= count; /* something is left of it */
	}
}

static void take_place(const struct place *place, size_t bytes, struct hak_bigcache_range *ret_range)
{
	*ret_range = (struct hak_bigcache_range){.base = place->base,
						 .bytes = bytes,
						 .clean_bytes = place->clean_bytes,
						 .thp = hak_bigcache.entry[place->first].thp};
	cut_out(place->first, ret_range);
	hak_bigcache_note_live(bytes);
}

bool hak_bigcache_take(size_t bytes, struct hak_bigcache_range *ret_range)
{
	struct place place = {0};

	hak_lock_acquire(&hak_bigcache.lock);
	if (!hak_bigcache_is_full()) /* an entry may be cut into three */
		place = find_place(bytes);
	if (place.base)
		take_place(&place, bytes, ret_range);
	hak_lock_release(&hak_bigcache.lock);
	return place.base;
}

bool hak_bigcache_take_resident(size_t bytes, struct hak_bigcache_range *ret_range)
{
	struct place place;

	hak_lock_acquire(&hak_bigcache.lock);
	place = find_resident(bytes, false);
	if (place.base)
		take_place(&place, bytes, ret_range);
	hak_lock_release(&hak_bigcache.lock);
	return place.base;
}

bool hak_bigcache_take_at(const char *base, size_t most_bytes, struct hak_bigcache_entry *ret_part)
{
	bool found = false;

	hak_lock_acquire(&hak_bigcache.lock);
	for (unsigned i = 0; i < hak_bigcache.count && !found; i++) {
		found = hak_bigcache.entry[i].base == base;
		if (!found)
			continue;
		*ret_part = hak_bigcache.entry[i];
		ret_part->bytes = hak_least(ret_part->bytes, most_bytes);
		note_taken(ret_part);
		hak_bigcache_cut(i, ret_part);
		hak_bigcache_note_live(ret_part->bytes);
	}
	hak_lock_release(&hak_bigcache.lock);
	return found;
}

/* The smallest that holds it all, so that longer ones stay whole for requests to come; else the largest. */
static bool is_fitter(size_t left_bytes, size_t right_bytes, size_t bytes)
{
	if (left_bytes >= bytes && right_bytes >= bytes)
		return left_bytes < right_bytes;
	return left_bytes > right_bytes;
}

/*
 * Whole units of what is resident, of one policy: those of the fittest entry for so much. None: no bytes.
 */
static struct hak_bigcache_entry fittest(uint32_t thp, size_t bytes, unsigned *ret_index)
{
	struct hak_bigcache_entry fittest = {0};

	for (unsigned i = 0; i < hak_bigcache.count; i++) {
		struct hak_bigcache_entry units = hak_bigcache_units_of(&hak_bigcache.entry[i]);

		if (units.bytes && units.thp == thp && units.state != HAK_BIGCACHE_CLEAN &&
		    (!fittest.bytes || is_fitter(units.bytes, fittest.bytes, bytes))) {
			fittest = units;
			*ret_index = i;
		}
	}
	return fittest;
}

unsigned hak_bigcache_gather(size_t bytes, uint32_t thp, struct hak_bigcache_entry *pieces, unsigned most)
{
	size_t gathered_bytes = 0;
	unsigned count = 0, index = 0;

	hak_lock_acquire(&hak_bigcache.lock);
	while (gathered_bytes < bytes && count < most && !hak_bigcache_is_full() &&
	       hak_bigcache.bytes[HAK_BIGCACHE_KEPT] + hak_bigcache.bytes[HAK_BIGCACHE_LAZY] +
			       gathered_bytes >=
		       bytes / GATHER_PART) {
		struct hak_bigcache_entry piece = fittest(thp, bytes - gathered_bytes, &index);

		if (!piece.bytes)
			break;
		piece.bytes = hak_least(piece.bytes, bytes - gathered_bytes);
		note_taken(&piece);
		hak_bigcache_cut(index, &piece);
		gathered_bytes += piece.bytes;
		pieces[count++] = piece;
	}
	/* A larger cache would have served the rest. */
	hak_hold_regret(&hak_bigcache.hold, hak_bigcache_forget_ghosts(bytes - gathered_bytes));
	hak_lock_release(&hak_bigcache.lock);
	return count;
}
