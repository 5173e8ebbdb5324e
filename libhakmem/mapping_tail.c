/* SPDX-License-Identifier: MIT */
/*
 * What lies behind a large block in its mapping: up to two MiB, which may be resident, as an earlier block
 * was longer or the last page is huge. While blocks come and go it is left alone, since the next one may want
 * it. Behind a block that has lived for a while, and where all is to go that can, it is given back; but for
 * the rest of a huge page that is mostly live.
 *
 * Watched are blocks with such a tail, the oldest first. Who holds the lock may give a tail back whoever the
 * block's owner is, as an owner takes his block off the list, under the lock, before he changes or frees it.
 */
#include "mapping_private.h"
#include "os.h"

enum {
	TAIL_LEAST_BYTES = 64 << 10, /* less is not worth the call */
	HALF_UNIT_BYTES = HAK_SUPERSLAB_BYTES / 2,
};

_Atomic size_t hak_mapping_tail_bytes;

/* Caller holds the lock, which orders those who store; others read a gauge. */
static void count_tail(struct hak_mapping *mapping, size_t tail_bytes)
{
	size_t all_bytes = atomic_load_explicit(&hak_mapping_tail_bytes, memory_order_relaxed);

	atomic_store_explicit(&hak_mapping_tail_bytes, all_bytes - mapping->tail_bytes + tail_bytes,
			      memory_order_relaxed);
	mapping->tail_bytes = tail_bytes;
}

void hak_mapping_watch_tail(struct hak_mapping *mapping)
{
	size_t tail_bytes = hak_less(mapping->resident_end, hak_mapping_block_end(mapping));

	if (tail_bytes < TAIL_LEAST_BYTES)
		return;
	mapping->watched_msec = hak_os_coarse_msec();
	hak_lock_acquire(&hak_mappings.lock);
	if (TAILQ_EMPTY(&hak_mappings.tails))
		TAILQ_INIT(&hak_mappings.tails); /* it may be all zeroes */
	TAILQ_INSERT_TAIL(&hak_mappings.tails, mapping, watched);
	count_tail(mapping, tail_bytes);
	/* relaxed: nobody clears it without the lock */
	atomic_store_explicit(&mapping->is_watched, true, memory_order_relaxed);
	hak_lock_release(&hak_mappings.lock);
}

/* Caller holds the lock. */
static void take_off(struct hak_mapping *mapping)
{
	TAILQ_REMOVE(&hak_mappings.tails, mapping, watched);
	/* release: pairs with the acquire of its owner, beside whom nobody touches it from here on */
	atomic_store_explicit(&mapping->is_watched, false, memory_order_release);
}

void hak_mapping_forget_tail(struct hak_mapping *mapping)
{
	/* acquire: pairs with the release in take_off(), and `tail_bytes` is what stayed then */
	if (!atomic_load_explicit(&mapping->is_watched, memory_order_acquire) && !mapping->tail_bytes)
		return;
	hak_lock_acquire(&hak_mappings.lock);
	if (atomic_load_explicit(&mapping->is_watched, memory_order_relaxed))
		take_off(mapping);
	count_tail(mapping, 0);
	hak_lock_release(&hak_mappings.lock);
}

/* Where that begins which can be given back: an offset. */
static size_t tail_begin(const struct hak_mapping *mapping)
{
	size_t begin = hak_mapping_block_end(mapping), into_unit = hak_mapping_into_unit(mapping, begin);

	if (into_unit >= HALF_UNIT_BYTES && begin < mapping->huge_bytes + into_unit)
		return begin - into_unit + HAK_SUPERSLAB_BYTES;
	return begin;
}

/* Caller holds the lock. Else khugepaged would make it whole again. */
static void keep_small(struct hak_mapping *mapping, size_t from)
{
	size_t waste_bytes = hak_less(from, hak_mapping_block_end(mapping));

	if (mapping->huge_bytes <= from)
		return;
	hak_os_advise_huge(mapping->base + from, mapping->mapped_bytes - from, false);
	mapping->huge_bytes = from;
	hak_mappings.waste_bytes += waste_bytes - mapping->waste_bytes;
	mapping->waste_bytes = waste_bytes;
}

/* Caller holds the lock. It is watched no more; what has to stay of its tail is counted on. */
static size_t give_tail(struct hak_mapping *mapping)
{
	size_t begin = tail_begin(mapping);
	size_t bytes = hak_less(mapping->resident_end, begin);

	if (bytes)
		keep_small(mapping, hak_less(begin, hak_mapping_into_unit(mapping, begin)));
	if (bytes && hak_os_dontneed(mapping->base + begin, bytes) == 0)
		mapping->resident_end = begin;
	else
		bytes = 0;
	count_tail(mapping, mapping->tail_bytes - bytes);
	take_off(mapping);
	return bytes;
}

/* Of the block that is watched for the longest. Return: false: it was not long enough, or there is none. */
static bool give_oldest(uint32_t now_msec, uint32_t lived_msec, size_t *given_bytes)
{
	struct hak_mapping *oldest;
	bool is_due;

	hak_lock_acquire(&hak_mappings.lock);
	oldest = TAILQ_FIRST(&hak_mappings.tails);
	is_due = oldest && now_msec - oldest->watched_msec >= lived_msec;
	if (is_due)
		*given_bytes += give_tail(oldest);
	hak_lock_release(&hak_mappings.lock);
	return is_due;
}

size_t hak_mapping_give_tails(uint32_t lived_msec)
{
	uint32_t now_msec = hak_os_coarse_msec();
	size_t given_bytes = 0;

	/* With the lock for each anew: a large block may be wanted meanwhile. */
	while (give_oldest(now_msec, lived_msec, &given_bytes))
		;
	return given_bytes;
}
