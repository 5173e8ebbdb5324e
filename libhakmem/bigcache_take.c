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

/* It begins where an entry begins, or ends where one ends: so no entry is cut into three. */
static void choose_among(struct place *best, unsigned first, unsigned last, size_t bytes)
{
	char *begin = hak_bigcache.entry[first].base, *end = hak_bigcache_end(&hak_bigcache.entry[last]);
	unsigned from = first;

	for (unsigned i = first; i <= last; i++) {
		if ((size_t)(end - hak_bigcache.entry[i].base) >= bytes)
			choose(best, i, hak_bigcache.entry[i].base, bytes);
		if ((size_t)(hak_bigcache_end(&hak_bigcache.entry[i]) - begin) < bytes)
			continue;
		while (hak_bigcache_end(&hak_bigcache.entry[from]) <=
		       hak_bigcache_end(&hak_bigcache.entry[i]) - bytes)
			from++;
		choose(best, from, hak_bigcache_end(&hak_bigcache.entry[i]) - bytes, bytes);
	}
}

/* The smallest entry that is resident and holds so much; hak_bigcache.count where there is none. */
static unsigned smallest_kept(size_t bytes)
{
	unsigned smallest = hak_bigcache.count;
	size_t least_bytes = SIZE_MAX;

	for (unsigned i = 0; i < hak_bigcache.count; i++) {
		const struct hak_bigcache_entry *entry = &hak_bigcache.entry[i];

		if (entry->state == HAK_BIGCACHE_KEPT && entry->bytes >= bytes &&
		    entry->bytes < least_bytes) {
			smallest = i;
			least_bytes = entry->bytes;
		}
	}
	return smallest;
}

/* Return: its base is NULL where there is none. */
static struct place find_place(size_t bytes)
{
	struct place best = {0};
	unsigned kept = smallest_kept(bytes);

	/* Most often: no place is better than in one that is resident. */
	if (kept < hak_bigcache.count)
		return survey(kept, hak_bigcache.entry[kept].base, bytes);
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

static void cut_out(const struct place *place, struct hak_bigcache_range *range)
{
	unsigned index = place->first;

	while (index < hak_bigcache.count && hak_bigcache.entry[index].base < range->base + range->bytes) {
		struct hak_bigcache_entry *from = &hak_bigcache.entry[index];
		struct hak_bigcache_entry part = part_of(from, range->base, range->base + range->bytes);

		note_taken(&part);
		add_part(range, &part);
		if (from->base == part.base)
			from->base += part.bytes;
		from->bytes -= part.bytes;
		hak_bigcache.bytes[from->state] -= part.bytes;
		if (from->bytes)
			index++;
		else
			(void)hak_bigcache_remove(index);
	}
}

bool hak_bigcache_take(size_t bytes, size_t most_clean_bytes, struct hak_bigcache_range *ret_range)
{
	struct place place;
	bool found;

	hak_lock_acquire(&hak_bigcache.lock);
	place = find_place(bytes);
	found = place.base && place.clean_bytes <= most_clean_bytes;
	if (found) {
		*ret_range = (struct hak_bigcache_range){.base = place.base,
							 .bytes = bytes,
							 .clean_bytes = place.clean_bytes,
							 .thp = hak_bigcache.entry[place.first].thp};
		cut_out(&place, ret_range);
		hak_bigcache_note_live(bytes);
	}
	hak_lock_release(&hak_bigcache.lock);
	return found;
}

/* The smallest that holds it all, so that longer ones stay whole for requests to come; else the largest. */
static bool is_fitter(const struct hak_bigcache_entry *left, const struct hak_bigcache_entry *right,
		      size_t bytes)
{
	if (left->bytes >= bytes && right->bytes >= bytes)
		return left->bytes < right->bytes;
	return left->bytes > right->bytes;
}

/* What is resident, of one policy, and the fittest for so much; hak_bigcache.count where there is none. */
static unsigned fittest(uint32_t thp, size_t bytes)
{
	unsigned fittest = hak_bigcache.count;

	for (unsigned i = 0; i < hak_bigcache.count; i++)
		if (hak_bigcache.entry[i].thp == thp && hak_bigcache.entry[i].state != HAK_BIGCACHE_CLEAN &&
		    (fittest == hak_bigcache.count ||
		     is_fitter(&hak_bigcache.entry[i], &hak_bigcache.entry[fittest], bytes)))
			fittest = i;
	return fittest;
}

unsigned hak_bigcache_gather(size_t bytes, uint32_t thp, struct hak_bigcache_entry *pieces, unsigned most)
{
	size_t gathered_bytes = 0;
	unsigned count = 0, index;

	hak_lock_acquire(&hak_bigcache.lock);
	while (gathered_bytes < bytes && count < most &&
	       hak_bigcache.bytes[HAK_BIGCACHE_KEPT] + hak_bigcache.bytes[HAK_BIGCACHE_LAZY] +
			       gathered_bytes >=
		       bytes / GATHER_PART &&
	       (index = fittest(thp, bytes - gathered_bytes)) < hak_bigcache.count) {
		pieces[count] = hak_bigcache_remove(index);
		gathered_bytes += pieces[count++].bytes;
	}
	if (gathered_bytes > bytes) {
		struct hak_bigcache_entry rest = pieces[count - 1];

		pieces[count - 1].bytes -= gathered_bytes - bytes;
		rest.base += pieces[count - 1].bytes;
		rest.bytes -= pieces[count - 1].bytes;
		hak_bigcache_insert(rest);
		gathered_bytes = bytes;
	}
	for (unsigned i = 0; i < count; i++)
		note_taken(&pieces[i]);
	/* A larger cache would have served the rest. */
	hak_hold_regret(&hak_bigcache.hold, hak_bigcache_forget_ghosts(bytes - gathered_bytes));
	hak_lock_release(&hak_bigcache.lock);
	return count;
}
