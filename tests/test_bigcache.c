/* SPDX-License-Identifier: MIT */
/*
 * BigCache against a model: one state for each unit of a small arena, of which nothing is mapped, as BigCache
 * itself touches no memory. Then through the allocator, with contents.
 */
#include <check.h>
#include <string.h>

#include "alloc.h"
#include "bigcache.h"
#include "geometry.h"
#include "lazy.h"
#include "suite.h"

enum { UNITS = 200, RUNS_MOST = 40, RUN_UNITS_MOST = 9, STEPS = 20000, LIVE = 250 };

#define ARENA ((char *)(UINT64_C(1) << 40))

static uint8_t model[UNITS]; /* enum hak_bigcache_state, LIVE: a block's, or not mapped */
static uint64_t seed;

static unsigned unit_of(const char *base)
{
	return (unsigned)((size_t)(base - ARENA) >> HAK_SUPERSLAB_SHIFT);
}

static size_t units(size_t bytes)
{
	ck_assert_uint_eq(bytes % HAK_SUPERSLAB_BYTES, 0);
	return bytes >> HAK_SUPERSLAB_SHIFT;
}

static size_t counted(uint8_t state, size_t from, size_t count)
{
	size_t found = 0;

	for (size_t i = from; i < from + count; i++)
		found += model[i] == state;
	return found;
}

static void expect(const char *base, size_t bytes, uint8_t state)
{
	ck_assert_uint_eq(counted(state, unit_of(base), units(bytes)), units(bytes));
}

static void set(const char *base, size_t bytes, uint8_t state)
{
	memset(&model[unit_of(base)], state, units(bytes));
}

/* The least that a place of so many units has of clean ones; UNITS: there is no place. */
static size_t least_clean(size_t wanted)
{
	size_t least = UNITS;

	for (size_t at = 0; at + wanted <= UNITS; at++)
		if (counted(LIVE, at, wanted) == 0 && counted(HAK_BIGCACHE_CLEAN, at, wanted) < least)
			least = counted(HAK_BIGCACHE_CLEAN, at, wanted);
	return least;
}

static void let_go(const struct hak_bigcache_evicted *evicted)
{
	unsigned clean = 0;

	for (unsigned i = 0; i < evicted->count; i++) {
		struct hak_bigcache_entry entry = evicted->entry[i];

		expect(entry.base, entry.bytes, entry.state);
		set(entry.base, entry.bytes, LIVE);
		clean += entry.state == HAK_BIGCACHE_CLEAN;
		if (entry.state == HAK_BIGCACHE_KEPT && next_random(&seed) % 2 &&
		    hak_bigcache_put_lazily(entry))
			set(entry.base, entry.bytes, HAK_BIGCACHE_LAZY);
		else if (entry.state != HAK_BIGCACHE_CLEAN && hak_bigcache_put_clean(entry))
			set(entry.base, entry.bytes, HAK_BIGCACHE_CLEAN);
	}
	ck_assert_uint_eq(evicted->clean, clean);
}

struct run {
	char *base;
	size_t bytes;
};

static void take(struct run *run)
{
	size_t wanted = 1 + next_random(&seed) % RUN_UNITS_MOST;
	size_t most = next_random(&seed) % 3 ? wanted : 0, least = least_clean(wanted), in_gaps = 0;
	struct hak_bigcache_range range;
	bool found = hak_bigcache_take(wanted << HAK_SUPERSLAB_SHIFT, most << HAK_SUPERSLAB_SHIFT, &range);

	ck_assert_int_eq(found, least <= most);
	if (!found)
		return;
	ck_assert_uint_eq(units(range.clean_bytes), least);
	ck_assert_uint_eq(counted(LIVE, unit_of(range.base), units(range.bytes)), 0);
	for (unsigned i = 0; i < range.gaps; i++) {
		size_t bytes = range.gap[i].end - range.gap[i].begin;

		expect(range.base + range.gap[i].begin, bytes, HAK_BIGCACHE_CLEAN);
		in_gaps += units(bytes);
	}
	if (range.gaps < HAK_BIGCACHE_GAPS)
		ck_assert_uint_eq(in_gaps, least);
	set(range.base, range.bytes, LIVE);
	*run = (struct run){range.base, range.bytes};
}

/* A fresh mapping, where the model has none that is kept, live or clean. */
static void map(struct run *run, const struct run *all)
{
	size_t wanted = 1 + next_random(&seed) % RUN_UNITS_MOST;
	size_t at = next_random(&seed) % (UNITS - wanted);
	char *base = ARENA + (at << HAK_SUPERSLAB_SHIFT);

	if (counted(LIVE, at, wanted) < wanted)
		return;
	for (unsigned i = 0; i < RUNS_MOST; i++)
		if (all[i].base < base + (wanted << HAK_SUPERSLAB_SHIFT) && base < all[i].base + all[i].bytes)
			return;
	*run = (struct run){base, wanted << HAK_SUPERSLAB_SHIFT};
	hak_bigcache_live_add(run->bytes);
}

static void put(struct run *run)
{
	struct hak_bigcache_evicted evicted;
	struct hak_bigcache_entry entry = {
		.base = run->base, .bytes = run->bytes, .thp = (uint16_t)(next_random(&seed) % 8 == 0)};

	set(run->base, run->bytes, HAK_BIGCACHE_KEPT);
	hak_bigcache_put(entry, &evicted);
	let_go(&evicted);
	run->bytes = 0;
}

static void gather(void)
{
	struct hak_bigcache_entry pieces[4];
	size_t wanted = (1 + next_random(&seed) % RUN_UNITS_MOST) << HAK_SUPERSLAB_SHIFT, bytes = 0;
	unsigned count = hak_bigcache_gather(wanted, 0, pieces, 4);

	for (unsigned i = 0; i < count; i++) {
		expect(pieces[i].base, pieces[i].bytes, pieces[i].state);
		ck_assert_uint_ne(pieces[i].state, HAK_BIGCACHE_CLEAN);
		bytes += pieces[i].bytes;
		set(pieces[i].base, pieces[i].bytes, LIVE);
		if (hak_bigcache_put_clean(pieces[i]))
			set(pieces[i].base, pieces[i].bytes, HAK_BIGCACHE_CLEAN);
	}
	ck_assert_uint_le(bytes, wanted);
}

static void take_what_is_in_the_way(void)
{
	size_t at = next_random(&seed) % (UNITS - 4), clean = counted(HAK_BIGCACHE_CLEAN, at, 4);
	struct hak_bigcache_entry entry;
	bool found = hak_bigcache_take_clean_at(ARENA + (at << HAK_SUPERSLAB_SHIFT), 4 << HAK_SUPERSLAB_SHIFT,
						&entry);

	ck_assert_int_eq(found, clean > 0);
	if (!found)
		return;
	expect(entry.base, entry.bytes, HAK_BIGCACHE_CLEAN);
	set(entry.base, entry.bytes, LIVE);
	ck_assert_uint_lt(counted(HAK_BIGCACHE_CLEAN, at, 4), clean);
}

static void step(struct run *runs)
{
	struct run *run = &runs[next_random(&seed) % RUNS_MOST];
	struct hak_bigcache_evicted evicted;

	switch (next_random(&seed) % 64) {
	case 0:
		gather();
		break;
	case 1:
		take_what_is_in_the_way();
		break;
	case 2:
		hak_bigcache_evict(next_random(&seed) % 4 * 8 * HAK_SUPERSLAB_BYTES, &evicted);
		let_go(&evicted);
		break;
	default:
		if (run->bytes)
			put(run);
		else if (next_random(&seed) % 4)
			take(run);
		else
			map(run, runs);
	}
}

START_TEST(random_steps_agree_with_the_model)
{
	struct run runs[RUNS_MOST] = {0};
	size_t live_bytes;

	seed = 11;
	memset(model, LIVE, sizeof(model));
	hak_lazy_set(&hak_lazy.allowed, true);
	for (unsigned i = 0; i < STEPS; i++) {
		step(runs);
		for (unsigned state = HAK_BIGCACHE_KEPT; state <= HAK_BIGCACHE_LAZY; state++)
			ck_assert_uint_eq(units(hak_bigcache_bytes(state)), counted(state, 0, UNITS));
	}
	live_bytes = 0;
	for (unsigned i = 0; i < RUNS_MOST; i++)
		live_bytes += runs[i].bytes;
	ck_assert_uint_gt(counted(HAK_BIGCACHE_CLEAN, 0, UNITS), 0);
	ck_assert(!hak_bigcache_wants_clean(live_bytes + HAK_SUPERSLAB_BYTES));
}
END_TEST

/* Freed blocks of so many units, none of which touch. */
static void put_apart(const size_t *lengths, unsigned count)
{
	struct hak_bigcache_evicted evicted;
	char *base = ARENA;

	for (unsigned i = 0; i < count; i++) {
		size_t bytes = lengths[i] << HAK_SUPERSLAB_SHIFT;

		hak_bigcache_live_add(bytes);
		hak_bigcache_put((struct hak_bigcache_entry){.base = base, .bytes = bytes}, &evicted);
		ck_assert_uint_eq(evicted.count, 0);
		base += bytes + HAK_SUPERSLAB_BYTES;
	}
}

static size_t gathered_units(size_t wanted, unsigned expected_count)
{
	struct hak_bigcache_entry pieces[4];

	ck_assert_uint_eq(hak_bigcache_gather(wanted << HAK_SUPERSLAB_SHIFT, 0, pieces, 4), expected_count);
	return units(pieces[0].bytes);
}

START_TEST(gather_takes_the_smallest_piece_that_holds_it_all_else_the_largest)
{
	static const size_t lengths[] = {1, 7, 3, 5, 2};
	struct hak_bigcache_range range;

	put_apart(lengths, 1); /* from here on what may be held fades */
	ck_assert(hak_bigcache_take(HAK_SUPERSLAB_BYTES, 0, &range));
	hak_bigcache_live_add(24 * HAK_SUPERSLAB_BYTES); /* so much may be kept */
	hak_bigcache_live_sub(24 * HAK_SUPERSLAB_BYTES);
	put_apart(lengths + 1, 4);
	ck_assert_uint_eq(gathered_units(4, 1), 4); /* of the 5 */
	ck_assert_uint_eq(gathered_units(3, 1), 3);
	ck_assert_uint_eq(gathered_units(9, 2), 7); /* and the 2 */
	ck_assert(!hak_bigcache_take(2 * HAK_SUPERSLAB_BYTES, 0, &range)); /* 1 is left of the 5 */
	ck_assert(hak_bigcache_take(HAK_SUPERSLAB_BYTES, 0, &range));
}
END_TEST

/* ---- through the allocator --------------------------------------------------------------------------- */

enum { BLOCKS = 12, BYTES_LEAST = 2 << 20, BYTES_SPREAD = 14 << 20, PAGE = 4096, ROUNDS = 1200 };

static void check(const char *block, size_t bytes, char value)
{
	for (size_t at = 0; at < bytes; at += PAGE)
		require(block[at] == value);
}

/* Now and then all of a block is touched, else its first pages. */
static size_t touch(char *block, size_t bytes, char value)
{
	size_t touched = next_random(&seed) % 8 ? 64 * PAGE : bytes;

	for (size_t at = 0; at < touched; at += PAGE)
		block[at] = value;
	return touched;
}

START_TEST(blocks_keep_their_contents_and_calloc_is_zero)
{
	char *block[BLOCKS] = {NULL};
	size_t touched[BLOCKS] = {0};

	seed = 5;
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned i = (unsigned)(next_random(&seed) % BLOCKS);
		size_t bytes = BYTES_LEAST + next_random(&seed) % BYTES_SPREAD;
		bool zero = next_random(&seed) % 4 == 0;

		if (block[i])
			check(block[i], touched[i], (char)(i + 1));
		hak_alloc_free(block[i]);
		block[i] = zero ? hak_alloc_calloc(1, bytes) : hak_alloc_malloc(bytes);
		if (zero)
			check(block[i], bytes, 0);
		touched[i] = touch(block[i], bytes, (char)(i + 1));
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		hak_alloc_free(block[i]);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("bigcache");

	tcase_add_test(tcase, random_steps_agree_with_the_model);
	tcase_add_test(tcase, gather_takes_the_smallest_piece_that_holds_it_all_else_the_largest);
	tcase_add_test(tcase, blocks_keep_their_contents_and_calloc_is_zero);
	return run_suite("bigcache", tcase);
}
