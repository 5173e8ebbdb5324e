/* SPDX-License-Identifier: MIT */
/*
 * BigCache against a model: one state for each quarter of a unit of a small arena, of which nothing is
 * mapped, as BigCache itself touches no memory. Then through the allocator, with contents.
 */
#include <check.h>
#include <string.h>

#include "alloc.h"
#include "bigcache.h"
#include "geometry.h"
#include "knobs.h"
#include "lazy.h"
#include "suite.h"

enum {
	UNITS = 200,
	CELLS_PER_UNIT = 4,
	CELLS = UNITS * CELLS_PER_UNIT,
	CELL_BYTES = HAK_SUPERSLAB_BYTES / CELLS_PER_UNIT,
	RUNS_MOST = 40,
	RUN_CELLS_MOST = 9 * CELLS_PER_UNIT,
	STEPS = 20000,
	LIVE = 250,
};

#define ARENA ((char *)(UINT64_C(1) << 40))

static uint8_t model[CELLS]; /* enum hak_bigcache_state, LIVE: a block's, or not mapped */
static uint8_t policy[CELLS];
static uint64_t seed;

static unsigned cell_of(const char *base)
{
	return (unsigned)((size_t)(base - ARENA) / CELL_BYTES);
}

static char *address_of(size_t cell)
{
	return ARENA + cell * CELL_BYTES;
}

static size_t cells(size_t bytes)
{
	ck_assert_uint_eq(bytes % CELL_BYTES, 0);
	return bytes / CELL_BYTES;
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
	ck_assert_uint_eq(counted(state, cell_of(base), cells(bytes)), cells(bytes));
}

static void set(const char *base, size_t bytes, uint8_t state)
{
	memset(&model[cell_of(base)], state, cells(bytes));
}

static bool is_in_units(const char *base, size_t bytes)
{
	return (cell_of(base) | cells(bytes)) % CELLS_PER_UNIT == 0;
}

/* The least that a place of so many units has of clean cells; CELLS: there is no place. */
static size_t least_clean(size_t wanted)
{
	size_t least = CELLS;

	for (size_t at = 0; at + wanted <= CELLS; at += CELLS_PER_UNIT)
		if (counted(LIVE, at, wanted) == 0 && counted(HAK_BIGCACHE_CLEAN, at, wanted) < least)
			least = counted(HAK_BIGCACHE_CLEAN, at, wanted);
	return least;
}

/* Cells from @at on that are resident and of one policy. */
static size_t resident_from(size_t at)
{
	size_t count = 0;

	while (at + count < CELLS && model[at + count] == HAK_BIGCACHE_KEPT &&
	       policy[at + count] == policy[at])
		count++;
	return count;
}

/* Where the shortest of those begins that has so many; CELLS: none has. */
static size_t smallest_resident(size_t wanted)
{
	size_t smallest = CELLS, least = CELLS + 1;

	for (size_t at = 0, count; at < CELLS; at += count ? count : 1) {
		count = resident_from(at);
		if (count >= wanted && count < least) {
			smallest = at;
			least = count;
		}
	}
	return smallest;
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
		else if (entry.state != HAK_BIGCACHE_CLEAN && is_in_units(entry.base, entry.bytes) &&
			 hak_bigcache_put_clean(entry))
			set(entry.base, entry.bytes, HAK_BIGCACHE_CLEAN);
	}
	ck_assert_uint_eq(evicted->clean, clean);
}

struct run {
	char *base;
	size_t bytes;
};

static size_t some_cells(void)
{
	return 1 + next_random(&seed) % RUN_CELLS_MOST;
}

static void take_resident(struct run *run)
{
	size_t wanted = some_cells(), expected = smallest_resident(wanted);
	struct hak_bigcache_range range;

	if (!hak_bigcache_take_resident(wanted * CELL_BYTES, &range)) {
		ck_assert_uint_eq(expected, CELLS);
		return;
	}
	ck_assert_uint_eq(cell_of(range.base), expected);
	ck_assert_uint_eq(cells(range.bytes), wanted);
	ck_assert_uint_eq(range.clean_bytes + range.gaps, 0);
	ck_assert_uint_eq(range.thp, policy[expected]);
	set(range.base, range.bytes, LIVE);
	*run = (struct run){range.base, range.bytes};
}

static void take_units(struct run *run)
{
	size_t wanted = hak_round_up(some_cells(), CELLS_PER_UNIT), least = least_clean(wanted), in_gaps = 0;
	struct hak_bigcache_range range;
	bool found = hak_bigcache_take(wanted * CELL_BYTES, &range);

	ck_assert_int_eq(found, least < CELLS);
	if (!found)
		return;
	ck_assert(is_in_units(range.base, range.bytes));
	ck_assert_uint_eq(cells(range.clean_bytes), least);
	ck_assert_uint_eq(counted(LIVE, cell_of(range.base), cells(range.bytes)), 0);
	for (unsigned i = 0; i < range.gaps; i++) {
		size_t bytes = range.gap[i].end - range.gap[i].begin;

		expect(range.base + range.gap[i].begin, bytes, HAK_BIGCACHE_CLEAN);
		in_gaps += cells(bytes);
	}
	if (range.gaps < HAK_BIGCACHE_GAPS)
		ck_assert_uint_eq(in_gaps, least);
	set(range.base, range.bytes, LIVE);
	*run = (struct run){range.base, range.bytes};
}

/* A fresh mapping of units, where the model has none that is kept, live or clean. */
static void map(struct run *run, const struct run *all)
{
	size_t wanted = hak_round_up(some_cells(), CELLS_PER_UNIT);
	size_t at = next_random(&seed) % (CELLS - wanted) / CELLS_PER_UNIT * CELLS_PER_UNIT;

	if (counted(LIVE, at, wanted) < wanted)
		return;
	for (unsigned i = 0; i < RUNS_MOST; i++)
		if (all[i].base < address_of(at + wanted) && address_of(at) < all[i].base + all[i].bytes)
			return;
	*run = (struct run){address_of(at), wanted * CELL_BYTES};
	hak_bigcache_live_add(run->bytes);
}

/* A block takes what lies behind it. */
static void grow(struct run *run)
{
	size_t wanted = some_cells(), at = cell_of(run->base + run->bytes);
	struct hak_bigcache_entry part;
	bool found = hak_bigcache_take_at(run->base + run->bytes, wanted * CELL_BYTES, &part);

	ck_assert_int_eq(found, at < CELLS && model[at] != LIVE);
	if (!found)
		return;
	ck_assert_uint_eq(cell_of(part.base), at);
	ck_assert_uint_le(cells(part.bytes), wanted);
	expect(part.base, part.bytes, part.state);
	ck_assert(cells(part.bytes) == wanted || model[at + cells(part.bytes)] != part.state ||
		  policy[at + cells(part.bytes)] != policy[at]);
	set(part.base, part.bytes, LIVE);
	run->bytes += part.bytes;
}

static void put(struct run *run)
{
	struct hak_bigcache_evicted evicted;
	struct hak_bigcache_entry entry = {
		.base = run->base, .bytes = run->bytes, .thp = (uint16_t)(next_random(&seed) % 8 == 0)};

	set(run->base, run->bytes, HAK_BIGCACHE_KEPT);
	memset(&policy[cell_of(run->base)], entry.thp, cells(run->bytes));
	hak_bigcache_put(entry, &evicted);
	let_go(&evicted);
	run->bytes = 0;
}

static void gather(void)
{
	struct hak_bigcache_entry pieces[4];
	size_t wanted = hak_round_up(some_cells(), CELLS_PER_UNIT) * CELL_BYTES, bytes = 0;
	unsigned count = hak_bigcache_gather(wanted, 0, pieces, 4);

	for (unsigned i = 0; i < count; i++) {
		expect(pieces[i].base, pieces[i].bytes, pieces[i].state);
		ck_assert_uint_ne(pieces[i].state, HAK_BIGCACHE_CLEAN);
		ck_assert(is_in_units(pieces[i].base, pieces[i].bytes));
		bytes += pieces[i].bytes;
		set(pieces[i].base, pieces[i].bytes, LIVE);
		if (hak_bigcache_put_clean(pieces[i]))
			set(pieces[i].base, pieces[i].bytes, HAK_BIGCACHE_CLEAN);
	}
	ck_assert_uint_le(bytes, wanted);
}

static void take_what_is_in_the_way(void)
{
	size_t at = next_random(&seed) % (CELLS - 16), clean = counted(HAK_BIGCACHE_CLEAN, at, 16);
	struct hak_bigcache_entry entry;
	bool found = hak_bigcache_take_clean_at(address_of(at), 16 * (size_t)CELL_BYTES, &entry);

	ck_assert_int_eq(found, clean > 0);
	if (!found)
		return;
	expect(entry.base, entry.bytes, HAK_BIGCACHE_CLEAN);
	set(entry.base, entry.bytes, LIVE);
	ck_assert_uint_lt(counted(HAK_BIGCACHE_CLEAN, at, 16), clean);
}

static void begin(struct run *run, const struct run *runs)
{
	switch (next_random(&seed) % 4) {
	case 0:
		map(run, runs);
		break;
	case 1:
		take_units(run);
		break;
	default:
		take_resident(run);
	}
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
	case 3:
		(void)hak_bigcache_age((uint32_t)next_random(&seed), 0);
		hak_bigcache_evict_aged(&evicted);
		let_go(&evicted);
		break;
	default:
		if (!run->bytes)
			begin(run, runs);
		else if (next_random(&seed) % 4)
			put(run);
		else
			grow(run);
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
			ck_assert_uint_eq(cells(hak_bigcache_bytes(state)), counted(state, 0, CELLS));
	}
	live_bytes = 0;
	for (unsigned i = 0; i < RUNS_MOST; i++)
		live_bytes += runs[i].bytes;
	ck_assert_uint_gt(counted(HAK_BIGCACHE_CLEAN, 0, CELLS), 0);
	ck_assert(!hak_bigcache_wants_clean(live_bytes + HAK_SUPERSLAB_BYTES));
}
END_TEST

static size_t units(size_t bytes)
{
	ck_assert_uint_eq(bytes % HAK_SUPERSLAB_BYTES, 0);
	return bytes >> HAK_SUPERSLAB_SHIFT;
}

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
	ck_assert(hak_bigcache_take(HAK_SUPERSLAB_BYTES, &range));
	hak_bigcache_live_add(24 * HAK_SUPERSLAB_BYTES); /* so much may be kept */
	hak_bigcache_live_sub(24 * HAK_SUPERSLAB_BYTES);
	put_apart(lengths + 1, 4);
	ck_assert_uint_eq(gathered_units(4, 1), 4); /* of the 5 */
	ck_assert_uint_eq(gathered_units(3, 1), 3);
	ck_assert_uint_eq(gathered_units(9, 2), 7); /* and the 2 */
	ck_assert(!hak_bigcache_take(2 * HAK_SUPERSLAB_BYTES, &range)); /* 1 is left of the 5 */
	ck_assert(hak_bigcache_take(HAK_SUPERSLAB_BYTES, &range));
}
END_TEST

enum { PERIOD_MSEC = 1000 };

/* A freed block of some cells, the rest of whose units others have. */
static void put_cells(size_t cell, size_t count)
{
	struct hak_bigcache_evicted evicted;

	hak_bigcache_put(
		(struct hak_bigcache_entry){.base = address_of(cell), .bytes = count * CELL_BYTES}, &evicted);
	ck_assert_uint_eq(evicted.count, 0);
}

/* Begin a period. Return: how many cells it takes out. */
static size_t cells_of_period(unsigned period)
{
	struct hak_bigcache_evicted evicted;
	size_t found = 0;

	ck_assert(hak_bigcache_age(period * PERIOD_MSEC, PERIOD_MSEC));
	ck_assert(!hak_bigcache_age(period * PERIOD_MSEC + PERIOD_MSEC - 1, PERIOD_MSEC));
	do {
		hak_bigcache_evict_aged(&evicted);
		for (unsigned i = 0; i < evicted.count; i++) {
			ck_assert_uint_eq(model[cell_of(evicted.entry[i].base)], HAK_BIGCACHE_KEPT);
			set(evicted.entry[i].base, evicted.entry[i].bytes, LIVE);
			found += cells(evicted.entry[i].bytes);
		}
	} while (evicted.count);
	return found;
}

/* Entries of one to three cells by turns, none of which touch; one of three ends in the next unit. */
START_TEST(what_lay_for_a_period_goes_but_for_less_than_half_a_unit)
{
	enum { EACH = 8 };
	static const struct {
		uint8_t first, count, stays;
	} piece[] = {{0, 1, 1}, {1, 1, 1}, {1, 2, 0}, {1, 3, 0}, {3, 3, 1}, {3, 2, 2}};
	enum { PIECES = sizeof(piece) / sizeof(*piece) };
	size_t put = 0, stay = 0;

	atomic_store(&hak_knobs.cache_base_bytes, 0);
	atomic_store(&hak_knobs.hold_unearned_bytes, 0);
	memset(model, LIVE, sizeof(model));
	hak_bigcache_live_add((size_t)CELLS * CELL_BYTES);
	(void)cells_of_period(1);
	for (size_t i = 0; i < PIECES * (size_t)EACH; i++) {
		size_t cell = i * 3 * CELLS_PER_UNIT + piece[i % PIECES].first;

		put_cells(cell, piece[i % PIECES].count);
		memset(&model[cell], HAK_BIGCACHE_KEPT, piece[i % PIECES].count);
		put += piece[i % PIECES].count;
		stay += piece[i % PIECES].stays;
	}
	ck_assert_uint_eq(cells_of_period(2), 0); /* they are not a period old */
	ck_assert_uint_eq(cells_of_period(3), put - stay);
	ck_assert_uint_eq(counted(HAK_BIGCACHE_KEPT, 0, CELLS), stay);
	ck_assert_uint_eq(cells(hak_bigcache_bytes(HAK_BIGCACHE_KEPT)), stay);
	ck_assert_uint_eq(cells_of_period(4), 0);
}
END_TEST

/* ---- through the allocator --------------------------------------------------------------------------- */

enum { BLOCKS = 12, BYTES_LEAST = HAK_RUN_MAX_BYTES + 1, PAGE = 4096, ROUNDS = 1200 };

/* So many more: half of them share units. */
static const size_t spread_bytes[] = {2 << 20, 14 << 20};

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
		size_t bytes = BYTES_LEAST + next_random(&seed) % spread_bytes[next_random(&seed) % 2];
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
	tcase_add_test(tcase, what_lay_for_a_period_goes_but_for_less_than_half_a_unit);
	tcase_add_test(tcase, blocks_keep_their_contents_and_calloc_is_zero);
	return run_suite("bigcache", tcase);
}
