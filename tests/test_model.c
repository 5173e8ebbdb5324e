/* SPDX-License-Identifier: MIT */
/*
 * Slabs and superslabs against models that are too simple to be wrong: one byte a block, one byte a grain.
 * After each of many random operations the real structures must say what the model says. In loops over all
 * grains an if stands before the assertion: each assertion of Check's is a write to a pipe.
 */
#include <check.h>
#include <string.h>

#include "os.h"
#include "slab.h"
#include "runs.h"
#include "suite.h"
#include "superslab_private.h"
#include "superslab.h"

/* ---- a slab ------------------------------------------------------------------------------------------ */

enum block_state { UNTOUCHED, OUT, FREED };
enum { BLOCKS_MAX = 16 * HAK_GRAIN_BYTES / 16, SLAB_ROUNDS = 3000 };

struct slab_model {
	struct hak_slab *slab;
	uint8_t state[BLOCKS_MAX];
	unsigned capacity;
	unsigned rows; /* that were put */
};

static char *block_at(const struct slab_model *model, unsigned i)
{
	return model->slab->base + (size_t)i * model->slab->block_bytes;
}

static unsigned count_state(const struct slab_model *model, enum block_state state)
{
	unsigned count = 0;

	for (unsigned i = 0; i < model->capacity; i++)
		count += model->state[i] == state;
	return count;
}

/* Freed blocks first, then fresh ones, each lowest first; the array has them in descending order. */
static void take_some(struct slab_model *model, uint64_t *seed)
{
	unsigned freed = count_state(model, FREED), fresh = count_state(model, UNTOUCHED);
	void *blocks[64];
	unsigned count = (unsigned)(next_random(seed) % 64);

	require(hak_slab_available(model->slab) == freed + fresh);
	if (count > freed + fresh)
		count = freed + fresh;
	hak_slab_take(model->slab, blocks, count);
	for (unsigned i = 0; i < count; i++) {
		enum block_state wanted = i < freed ? FREED : UNTOUCHED;
		unsigned lowest = 0;

		while (model->state[lowest] != wanted)
			lowest++;
		require(blocks[count - 1 - i] == block_at(model, lowest));
		model->state[lowest] = OUT;
	}
}

static void put_any(struct slab_model *model, uint64_t *seed)
{
	unsigned i = (unsigned)(next_random(seed) % model->capacity);
	size_t inside = next_random(seed) % 4 ? 0 : next_random(seed) % model->slab->block_bytes;
	void *place = block_at(model, i) + inside;
	enum hak_slab_fault foreseen = hak_slab_fault_of(model->slab, place), fault;
	unsigned put = hak_slab_put(model->slab, &place, 1, &fault);

	require(put == (fault == HAK_SLAB_OK));
	require(fault == foreseen);
	if (inside || model->state[i] == UNTOUCHED) {
		require(fault == HAK_SLAB_NOT_A_BLOCK);
	} else if (model->state[i] == FREED) {
		require(fault == HAK_SLAB_DOUBLE_FREE);
	} else {
		require(fault == HAK_SLAB_OK);
		model->state[i] = FREED;
	}
}

/* Side by side, up or down, but perhaps for one; and perhaps beyond what the slab has handed out. */
static void put_row(struct slab_model *model, uint64_t *seed)
{
	unsigned carved = model->capacity - count_state(model, UNTOUCHED);
	int first = (int)(next_random(seed) % model->capacity), step = next_random(seed) % 2 ? 1 : -1;
	unsigned count = 1 + (unsigned)(next_random(seed) % 100), row = 0;
	unsigned broken = next_random(seed) % 2 ? (unsigned)(next_random(seed) % count) : count;
	void *blocks[100];
	bool all_out = true;

	for (unsigned i = 0; i < count; i++)
		blocks[i] = model->slab->base +
			    (first + (int)i * step) * (ptrdiff_t)model->slab->block_bytes + (i == broken);
	for (int at = first; row < count && row != broken && at >= 0 && at < (int)carved; at += step, row++)
		all_out = all_out && model->state[at] == OUT;
	if (row < HAK_SLAB_ROW || !all_out)
		row = 0;
	require(hak_slab_put_row(model->slab, blocks, count) == row);
	model->rows += row > 0;
	for (int at = first; row; at += step, row--)
		model->state[at] = FREED;
}

START_TEST(slab_does_what_an_array_of_states_does)
{
	static struct slab_model model;
	uint64_t seed = 77 + (unsigned)_i;
	unsigned grains = hak_size_class[_i].grown_grains;

	hak_pagemap_init(seed);
	model.slab = acquire_run(grains, 1);
	hak_slab_init(model.slab, (unsigned)_i, NULL);
	model.capacity = grains * (unsigned)HAK_GRAIN_BYTES / hak_size_class[_i].block_bytes;
	ck_assert_uint_eq(model.slab->capacity, model.capacity);
	for (int round = 0; round < SLAB_ROUNDS; round++) {
		/* Long phases in which it fills, and in which it empties. */
		if (next_random(&seed) % 100 < (round / 500 % 2 ? 1 : 10))
			take_some(&model, &seed);
		else if (next_random(&seed) % 8)
			put_any(&model, &seed);
		else
			put_row(&model, &seed);
		require(hak_slab_is_empty(model.slab) == (count_state(&model, OUT) == 0));
		hak_slab_check(model.slab);
	}
	if (model.capacity >= 4 * HAK_SLAB_ROW)
		ck_assert_uint_gt(model.rows, 0);
}
END_TEST

/* ---- superslabs -------------------------------------------------------------------------------------- */

enum grain_state { ABSENT, CLEAN, DIRTY, USED };
enum { UNITS = 64, RUNS = 250, SUPERSLAB_ROUNDS = 3000 };

static uint8_t grain_state[UNITS][HAK_SUPERSLAB_GRAINS];
static struct hak_slab *runs[RUNS];

static uint8_t *state_of(const char *address)
{
	size_t grain = ((uintptr_t)address - hak_pagemap.base) >> HAK_GRAIN_SHIFT;

	if (grain >= UNITS * HAK_SUPERSLAB_GRAINS)
		ck_abort_msg("the model has too few units");
	return &grain_state[grain / HAK_SUPERSLAB_GRAINS][grain % HAK_SUPERSLAB_GRAINS];
}

static struct hak_superslab *superslab_at(unsigned unit)
{
	return hak_pagemap_owner((char *)hak_pagemap.base + (size_t)unit * HAK_SUPERSLAB_BYTES);
}

static bool has_bit(const uint64_t *map, unsigned grain)
{
	return map[grain / 64] >> grain % 64 & 1;
}

/* Superslabs may come (clean) and go (wholly free); all else must be as the model has it. */
static void compare_all(void)
{
	size_t free_bytes = 0, dirty_bytes = 0, mapped_bytes = 0;

	for (unsigned unit = 0; unit < UNITS; unit++) {
		const struct hak_superslab *superslab = superslab_at(unit);

		for (unsigned i = 0; i < HAK_SUPERSLAB_GRAINS; i++) {
			uint8_t *state = &grain_state[unit][i];

			if (!superslab) {
				if (*state == USED)
					ck_abort_msg("unit %u went with grain %u in use", unit, i);
				*state = ABSENT;
				continue;
			}
			if (*state == ABSENT)
				*state = CLEAN;
			if (has_bit(superslab->used, i) != (*state == USED) ||
			    (*state != USED && has_bit(superslab->dirty, i) != (*state == DIRTY)))
				ck_abort_msg("unit %u, grain %u: the model says %d", unit, i, *state);
			free_bytes += *state != USED ? HAK_GRAIN_BYTES : 0;
			dirty_bytes += *state == DIRTY ? HAK_GRAIN_BYTES : 0;
		}
		mapped_bytes += superslab ? HAK_SUPERSLAB_BYTES : 0;
	}

	struct hak_superslab_stats stats = hak_superslab_stats();

	ck_assert_uint_eq(stats.mapped_bytes, mapped_bytes);
	ck_assert_uint_eq(stats.free_bytes, free_bytes);
	ck_assert_uint_eq(stats.dirty_bytes, dirty_bytes);
}

/* Clean grains read as zero; all of them are written then. */
static void use_grains(char *from, unsigned grains)
{
	for (unsigned i = 0; i < grains; i++) {
		uint8_t *state = state_of(from + (size_t)i * HAK_GRAIN_BYTES);
		uint64_t *word = (uint64_t *)(from + (size_t)i * HAK_GRAIN_BYTES);

		if (*state == USED)
			ck_abort_msg("a grain is given out twice");
		if (*state != DIRTY && (*word | word[HAK_GRAIN_BYTES / sizeof(*word) - 1]))
			ck_abort_msg("a clean grain is not zero");
		*word = word[HAK_GRAIN_BYTES / sizeof(*word) - 1] = (uintptr_t)from | 1;
		*state = USED;
	}
}

static void acquire(struct hak_slab **run, uint64_t *seed)
{
	unsigned grains = 1 + (unsigned)(next_random(seed) % (1u << next_random(seed) % 10));
	unsigned align = 1u << next_random(seed) % 6, dirty = 0;

	*run = acquire_run(grains, align);
	ck_assert_ptr_nonnull(*run);
	ck_assert_uint_eq((*run)->grains, grains);
	ck_assert_uint_eq((uintptr_t)(*run)->base % ((size_t)align << HAK_GRAIN_SHIFT), 0);
	for (unsigned i = 0; i < grains; i++)
		dirty += *state_of((*run)->base + (size_t)i * HAK_GRAIN_BYTES) == DIRTY;
	ck_assert_int_eq((*run)->dirty, dirty != 0);
	ck_assert_int_eq((*run)->warm, dirty == grains);
	use_grains((*run)->base, grains);
}

/* One touch made all of a huge page resident. */
static void empty_if_huge(const char *base)
{
	size_t unit = ((uintptr_t)base - hak_pagemap.base) >> HAK_SUPERSLAB_SHIFT;
	const struct hak_superslab *superslab = superslab_at((unsigned)unit);

	if (superslab && hak_superslab_uses_huge(superslab) &&
	    !memchr(grain_state[unit], USED, HAK_SUPERSLAB_GRAINS))
		memset(grain_state[unit], DIRTY, HAK_SUPERSLAB_GRAINS);
}

static void release(struct hak_slab **run)
{
	char *base = (*run)->base;
	unsigned grains = (*run)->grains;

	ck_assert_ptr_eq(hak_superslab_run(base), *run);
	hak_superslab_share_out(*run);
	for (unsigned i = 0; i < grains; i++)
		if (hak_superslab_run(base + (size_t)i * HAK_GRAIN_BYTES) != *run)
			ck_abort_msg("grain %u of a run leads elsewhere", i);
	hak_superslab_release(*run, grains);
	*run = NULL;
	memset(state_of(base), DIRTY, grains);
	empty_if_huge(base);
}

static void extend(struct hak_slab *run, uint64_t *seed)
{
	unsigned old = run->grains, grains = old + 1 + (unsigned)(next_random(seed) % 32);
	char *end = run->base + (size_t)old * HAK_GRAIN_BYTES;
	size_t first = ((uintptr_t)run->base & (HAK_SUPERSLAB_BYTES - 1)) >> HAK_GRAIN_SHIFT;
	bool fits = first + grains <= HAK_SUPERSLAB_GRAINS;

	for (unsigned i = 0; fits && i < grains - old; i++)
		fits = *state_of(end + (size_t)i * HAK_GRAIN_BYTES) != USED;
	ck_assert_int_eq(hak_superslab_extend(run, grains), fits);
	ck_assert_uint_eq(run->grains, fits ? grains : old);
	if (fits)
		use_grains(end, grains - old);
}

static void shorten(struct hak_slab *run, uint64_t *seed)
{
	unsigned old = run->grains, grains = 1 + (unsigned)(next_random(seed) % old);

	if (grains == old)
		return;
	hak_superslab_shorten(run, grains);
	memset(state_of(run->base + (size_t)grains * HAK_GRAIN_BYTES), DIRTY, old - grains);
}

static unsigned page_grains(void)
{
	return (unsigned)(hak_os_page_bytes() >> HAK_GRAIN_SHIFT);
}

/* The machine's pages go whole, or not at all. */
static bool page_is_dirty(const struct hak_superslab *superslab, unsigned grain)
{
	unsigned first = grain / page_grains() * page_grains();

	return hak_grainmap_count(superslab->dirty, first, page_grains()) == page_grains();
}

/* Which grains it gives back is its own choice: dirty ones, the highest superslab's first. */
static void purge(uint64_t *seed)
{
	size_t keep_bytes = next_random(seed) % ((size_t)4 << 20);
	bool kept_some = false;

	(void)hak_superslab_purge(keep_bytes);
	if (page_grains() == 1)
		ck_assert_uint_le(hak_superslab_stats().dirty_bytes, keep_bytes);
	for (unsigned unit = UNITS; unit-- > 0;) {
		const struct hak_superslab *superslab = superslab_at(unit);
		bool gave_some = false;

		for (unsigned i = 0; superslab && i < HAK_SUPERSLAB_GRAINS; i++) {
			if (grain_state[unit][i] != DIRTY)
				continue;
			if (has_bit(superslab->dirty, i)) {
				kept_some |= page_is_dirty(superslab, i);
				continue;
			}
			gave_some = true;
			grain_state[unit][i] = CLEAN;
		}
		if (gave_some && kept_some)
			ck_abort_msg("unit %u gave back before a higher one", unit);
	}
}

START_TEST(superslabs_do_what_an_array_of_grains_does)
{
	uint64_t seed = 1234567 + (unsigned)_i;

	hak_pagemap_init(seed);
	for (int round = 0; round < SUPERSLAB_ROUNDS; round++) {
		struct hak_slab **run = &runs[next_random(&seed) % RUNS];
		unsigned what = (unsigned)(next_random(&seed) % 100);

		if (!*run)
			acquire(run, &seed);
		else if (what < 10)
			extend(*run, &seed);
		else if (what < 20)
			shorten(*run, &seed);
		else
			release(run);
		if (what == 99)
			purge(&seed);
		if (round % 16 == 0 || what == 99)
			compare_all();
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("model");

	tcase_add_loop_test(tcase, slab_does_what_an_array_of_states_does, 1, HAK_CLASS_SMALL_COUNT + 1);
	tcase_add_loop_test(tcase, superslabs_do_what_an_array_of_grains_does, 0, 4);
	return run_suite("model", tcase);
}
