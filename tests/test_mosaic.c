/* SPDX-License-Identifier: MIT */
/* Mosaics: one against an array of what is out, then those that a heap makes where sizes drift. */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "alloc.h"
#include "bins.h"
#include "heap_private.h"
#include "stats.h"
#include "runs.h"
#include "suite.h"

enum { OLD_BYTES = 112, MODEL_ROUNDS = 20000, DRIFT_MIB = 12, DRIFT_PHASES = 8 };

struct piece {
	unsigned char *block;
	unsigned size_class;
};

/* A slab of @grains and of class @c, of which every second block is out. */
static struct hak_slab *make_slab(unsigned c, unsigned grains, void *blocks[], unsigned *ret_out)
{
	struct hak_slab *slab = acquire_run(grains, 1);
	unsigned capacity;

	hak_slab_init(slab, c, NULL);
	capacity = slab->capacity;
	hak_slab_take(slab, blocks, capacity);
	*ret_out = 0;
	for (unsigned i = 0; i < capacity; i++) {
		enum hak_slab_fault fault;

		if (i % 2)
			ck_assert_uint_eq(hak_slab_put(slab, &blocks[i], 1, &fault), 1);
		else
			blocks[(*ret_out)++] = blocks[i];
	}
	return slab;
}

static struct hak_slab *make_one_more(void *blocks[], unsigned *ret_out)
{
	unsigned c = hak_class_of(OLD_BYTES);
	struct hak_slab *slab = make_slab(c, hak_size_class[c].grown_grains, blocks, ret_out);

	hak_mosaic_make(slab);
	hak_mosaic_check(slab);
	return slab;
}

static enum hak_slab_fault put(struct hak_slab *slab, void *block, unsigned size_class)
{
	return hak_mosaic_put(slab, hak_mosaic_word(block), block, size_class);
}

static struct hak_slab *make_mosaic(void *blocks[], unsigned *ret_out)
{
	hak_pagemap_init(1);
	return make_one_more(blocks, ret_out);
}

START_TEST(mosaic_keeps_the_blocks_that_were_out_and_knows_their_class)
{
	void *blocks[HAK_MOSAIC_CELLS];
	unsigned out;
	struct hak_slab *slab = make_mosaic(blocks, &out);

	for (unsigned i = 0; i < out; i++) {
		ck_assert_uint_eq(hak_pagemap_class(blocks[i]), HAK_CLASS_MOSAIC);
		ck_assert_uint_eq(hak_mosaic_class_of(blocks[i]), hak_class_of(OLD_BYTES));
	}
	for (unsigned i = 0; i < out; i++) {
		ck_assert(!hak_slab_is_empty(slab));
		ck_assert_int_eq(put(slab, blocks[i], hak_class_of(OLD_BYTES)), HAK_SLAB_OK);
	}
	ck_assert(hak_slab_is_empty(slab));
	hak_mosaic_check(slab);
	hak_mosaic_unmake(slab);
	ck_assert_uint_eq(slab->size_class, hak_class_of(OLD_BYTES));
	ck_assert_uint_eq(hak_slab_deinit(slab), slab->grains);
	for (unsigned i = 0; i < slab->capacity / 64u; i++)
		ck_assert_uint_eq(slab->bits[i], 0);
}
END_TEST

/* A class's slabs grow from few grains to many, so those of large blocks pass through sizes that fit. */
START_TEST(whatever_slab_may_become_a_mosaic_its_blocks_are_known_there)
{
	void *blocks[HAK_MOSAIC_CELLS];
	unsigned out, tried = 0;

	hak_pagemap_init(1);
	for (unsigned c = 1; c <= HAK_CLASS_SMALL_COUNT; c++) {
		for (unsigned grains = 1; grains <= hak_size_class[c].grown_grains; grains++) {
			struct hak_slab *slab;

			if (grains << HAK_GRAIN_SHIFT < hak_size_class[c].block_bytes)
				continue;
			slab = make_slab(c, grains, blocks, &out);
			if (!hak_mosaic_fits(slab))
				continue;
			tried++;
			hak_mosaic_make(slab);
			hak_mosaic_check(slab);
			for (unsigned i = 0; i < out; i++) {
				ck_assert_uint_eq(hak_mosaic_class_of(blocks[i]), c);
				ck_assert_int_eq(put(slab, blocks[i], HAK_CLASS_MOSAIC), HAK_SLAB_OK);
			}
			ck_assert(hak_slab_is_empty(slab));
		}
	}
	ck_assert_uint_gt(tried, HAK_CLASS_SMALL_COUNT);
}
END_TEST

/* Slabs lie side by side, and so do their cells: what one heap does in one must not be seen in the other. */
START_TEST(mosaics_side_by_side_leave_each_other_alone)
{
	void *blocks[2][HAK_MOSAIC_CELLS], *taken[HAK_MOSAIC_CELLS];
	unsigned out, words;
	struct hak_slab *left = make_mosaic(blocks[0], &out), *right = make_one_more(blocks[1], &out);
	static struct hak_cells before[HAK_MOSAIC_CELLS / 64];

	ck_assert_ptr_eq(left->base + (size_t)left->grains * HAK_GRAIN_BYTES, right->base);
	for (unsigned i = 0; i < out; i++)
		ck_assert_int_eq(put(right, blocks[1][i], HAK_CLASS_MOSAIC), HAK_SLAB_OK);
	words = right->capacity / 64u;
	memcpy(before, hak_mosaic_word(right->base), words * sizeof(before[0]));
	for (unsigned c = 1; c <= hak_class_of(HAK_MOSAIC_MAX_BYTES); c++) {
		unsigned got = hak_mosaic_take(left, c, taken, HAK_MOSAIC_CELLS);

		for (unsigned i = 0; i < got; i++) {
			char *end = (char *)taken[i] + hak_size_class[c].block_bytes;

			ck_assert_uint_le((uintptr_t)end, (uintptr_t)right->base);
			ck_assert_int_eq(put(left, taken[i], HAK_CLASS_MOSAIC), HAK_SLAB_OK);
		}
		if (c == 1) /* from now on all of it is free */
			for (unsigned i = 0; i < out; i++)
				ck_assert_int_eq(put(left, blocks[0][i], HAK_CLASS_MOSAIC),
						 HAK_SLAB_OK);
		hak_mosaic_look_again(left);
		hak_mosaic_check(left);
		ck_assert_int_eq(memcmp(before, hak_mosaic_word(right->base), words * sizeof(before[0])), 0);
	}
	hak_mosaic_check(right);
}
END_TEST

START_TEST(mosaic_put_finds_double_frees_and_what_is_no_block)
{
	void *blocks[HAK_MOSAIC_CELLS];
	unsigned out, c = hak_class_of(OLD_BYTES);
	struct hak_slab *slab = make_mosaic(blocks, &out);

	ck_assert_int_eq(put(slab, (char *)blocks[3] + 16, c), HAK_SLAB_NOT_A_BLOCK);
	ck_assert_int_eq(put(slab, (char *)blocks[3] + 16, hak_class_of(OLD_BYTES - 16)),
			 HAK_SLAB_NOT_A_BLOCK);
	ck_assert_int_eq(put(slab, blocks[3], hak_class_of(OLD_BYTES - 16)), HAK_SLAB_NOT_A_BLOCK);
	ck_assert(!hak_mosaic_is_free(blocks[3]));
	ck_assert_int_eq(put(slab, blocks[3], c), HAK_SLAB_OK);
	ck_assert(hak_mosaic_is_free(blocks[3]));
	ck_assert_int_eq(put(slab, blocks[3], c), HAK_SLAB_DOUBLE_FREE);
	hak_mosaic_check(slab);
}
END_TEST

/* Blocks overlap nothing, are aligned, and what is written into them stays. */
START_TEST(mosaic_does_what_an_array_of_cells_does)
{
	static struct piece pieces[HAK_MOSAIC_CELLS];
	static unsigned char owner[HAK_MOSAIC_CELLS];
	void *blocks[HAK_MOSAIC_CELLS];
	uint64_t seed = 5;
	unsigned count = 0, taken = 0, most = hak_class_of(HAK_MOSAIC_MAX_BYTES);
	struct hak_slab *slab = make_mosaic(blocks, &count);

	for (unsigned i = 0; i < count; i++)
		pieces[i] = (struct piece){ blocks[i], hak_class_of(OLD_BYTES) };
	for (unsigned i = 0; i < count; i++)
		memset(&owner[((char *)blocks[i] - slab->base) / 16], 1, OLD_BYTES / 16);
	for (unsigned round = 0; round < MODEL_ROUNDS; round++) {
		unsigned c = 1 + (unsigned)(next_random(&seed) % most);
		unsigned want = 1 + (unsigned)(next_random(&seed) % 8);
		unsigned bytes = hak_size_class[c].block_bytes, got = 0, divides = bytes & -bytes;

		if (next_random(&seed) % 3 == 0)
			got = hak_mosaic_take(slab, c, blocks, want);
		require(got <= want);
		for (unsigned i = 0; i < got; i++) {
			size_t cell = (size_t)((char *)blocks[i] - slab->base) / 16;

			require(i == 0 || blocks[i - 1] > blocks[i]);
			require((uintptr_t)blocks[i] % (divides < 64 ? divides : 64) == 0);
			for (size_t k = cell; k < cell + bytes / 16; k++)
				require(owner[k]++ == 0);
			require(hak_mosaic_class_of(blocks[i]) == c);
			pieces[count++] = (struct piece){ blocks[i], c };
		}
		taken += got;
		for (unsigned i = 0; count && !got && i < want; i++) {
			unsigned gone = (unsigned)(next_random(&seed) % count);
			size_t cell = (size_t)((char *)pieces[gone].block - slab->base) / 16;

			c = pieces[gone].size_class;
			memset(&owner[cell], 0, hak_size_class[c].block_bytes / 16);
			require(put(slab, pieces[gone].block, c) == HAK_SLAB_OK);
			pieces[gone] = pieces[--count];
			if (count == 0)
				break;
		}
		if (round % 8 == 0)
			hak_mosaic_check(slab);
	}
	ck_assert_uint_gt(taken, MODEL_ROUNDS / 8);
}
END_TEST

/* ---- in a heap --------------------------------------------------------------------------------------- */

static struct piece *drifting;
static unsigned drifting_count;

static void free_three_quarters(uint64_t *seed)
{
	for (unsigned i = 0; i < drifting_count;) {
		unsigned char *block = drifting[i].block;

		if (next_random(seed) % 4 == 0) {
			i++;
			continue;
		}
		require(block[0] == drifting[i].size_class);
		require(block[hak_alloc_usable("test", block) - 1] == drifting[i].size_class);
		hak_alloc_free(block);
		drifting[i] = drifting[--drifting_count];
	}
}

/* Phases of sizes that grow by a quarter each; every block has its class at both ends. */
static void drift(void)
{
	uint64_t seed = 9;
	size_t live_bytes = 0, least = 128;

	drifting = calloc((DRIFT_MIB << 20) / 128 + 1, sizeof(*drifting));
	for (int phase = 0; phase < DRIFT_PHASES; phase++, least += least / 4) {
		free_three_quarters(&seed);
		live_bytes = 0;
		for (unsigned i = 0; i < drifting_count; i++)
			live_bytes += hak_size_class[drifting[i].size_class].block_bytes;
		while (live_bytes < DRIFT_MIB << 20) {
			size_t bytes = least + next_random(&seed) % least;
			unsigned c = hak_class_of(bytes);
			unsigned char *block = hak_alloc_malloc(bytes);

			require(hak_alloc_usable("test", block) == hak_size_class[c].block_bytes);
			memset(block, (int)c, hak_size_class[c].block_bytes);
			drifting[drifting_count++] = (struct piece){ block, c };
			live_bytes += hak_size_class[c].block_bytes;
		}
	}
}

/* One that is out in a mosaic; there is none where nothing drifted. */
static struct piece *piece_in_a_mosaic(void)
{
	for (unsigned i = 0; i < drifting_count; i++)
		if (hak_pagemap_class(drifting[i].block) == HAK_CLASS_MOSAIC)
			return &drifting[i];
	return NULL;
}

START_TEST(heap_whose_sizes_drift_has_little_free_in_slabs)
{
	struct hak_heap_stats stats;
	size_t given_bytes;

	drift();
	ck_assert_ptr_nonnull(piece_in_a_mosaic());
	hak_heap_check_all();
	stats = hak_heap_stats();
	/*
	 * Pages that hollow slabs gave back cost nothing; how many there are depends on the clock, and on
	 * whether there are huge pages: without any 7 MiB are free, else 4. Without mosaics it is 14.5.
	 */
	given_bytes = hak_superslab_stats().given_bytes;
	ck_assert_uint_lt(stats.slab_bytes - given_bytes, stats.out_bytes + (10 << 20));
	for (unsigned i = 0; i < drifting_count; i++)
		hak_alloc_free(drifting[i].block);
	(void)hak_alloc_trim(0);
	hak_heap_check_all();
	ck_assert_uint_eq(hak_heap_stats().slab_bytes, hak_heap_stats().out_bytes);
}
END_TEST

START_TEST(block_of_a_mosaic_is_freed_reallocated_and_aligned_like_any_other)
{
	struct hak_stats before, after;
	struct piece *piece;
	size_t bytes;

	drift();
	piece = piece_in_a_mosaic();
	ck_assert_ptr_nonnull(piece);
	bytes = hak_size_class[piece->size_class].block_bytes;
	hak_alloc_stats(&before);
	piece->block = hak_alloc_realloc(piece->block, bytes * 3);
	ck_assert_uint_eq(piece->block[0], piece->size_class);
	ck_assert_uint_eq(piece->block[bytes - 1], piece->size_class);
	hak_alloc_stats(&after);
	ck_assert_uint_eq(after.counter[HAK_COUNTER_free_count], before.counter[HAK_COUNTER_free_count] + 1);
	ck_assert_uint_eq(after.counter[HAK_COUNTER_free_bytes],
			  before.counter[HAK_COUNTER_free_bytes] + bytes);
	for (unsigned i = 0; i < 4096; i++)
		ck_assert_uint_eq((uintptr_t)hak_alloc_aligned(512, 512) % 512, 0);
}
END_TEST

static size_t malloc_and_free(size_t bytes)
{
	hak_alloc_free(hak_alloc_malloc(bytes));
	return hak_size_class[hak_class_of(bytes)].block_bytes;
}

/* What waits in the bin of mosaics is counted as freed, each with its bytes, wherever it goes from there. */
START_TEST(frees_in_mosaics_are_counted_exactly)
{
	struct hak_stats before, after;
	uint64_t frees = 0, bytes = 0;

	drift();
	hak_alloc_stats(&before);
	for (unsigned i = 0; i < drifting_count; i++) {
		if (hak_pagemap_class(drifting[i].block) != HAK_CLASS_MOSAIC)
			continue;
		hak_alloc_free(drifting[i].block);
		frees++;
		bytes += hak_size_class[drifting[i].size_class].block_bytes;
		if (frees % 3 == 0) /* some find their bin empty, and have what waits sorted */
			bytes += malloc_and_free(1 + frees % 4000);
	}
	ck_assert_uint_gt(frees, HAK_MOSAIC_BIN_DEPTH * 8);
	hak_alloc_stats(&after);
	ck_assert_uint_eq(after.counter[HAK_COUNTER_free_count] - before.counter[HAK_COUNTER_free_count],
			  frees + frees / 3);
	ck_assert_uint_eq(after.counter[HAK_COUNTER_free_bytes] - before.counter[HAK_COUNTER_free_bytes],
			  bytes);
	hak_heap_check_all();
}
END_TEST

/* Not only what is full goes home: a malloc that finds its bin empty is served from what waits. */
START_TEST(block_that_waits_in_the_bin_of_mosaics_serves_the_next_malloc_of_its_class)
{
	struct piece *piece;
	unsigned c;

	drift();
	piece = piece_in_a_mosaic();
	c = piece->size_class;
	while (hak_self->top[c] > hak_self->bottom[c])
		ck_assert_ptr_nonnull(hak_alloc_malloc(hak_size_class[c].block_bytes));
	hak_alloc_free(piece->block);
	ck_assert_ptr_eq(hak_self->top[c], hak_self->bottom[c]);
	ck_assert_ptr_eq(hak_alloc_malloc(hak_size_class[c].block_bytes), piece->block);
}
END_TEST

static void *free_the_odd_ones(void *unused)
{
	for (unsigned i = 1; i < drifting_count; i += 2)
		hak_alloc_free(drifting[i].block);
	return unused;
}

START_TEST(strangers_give_blocks_of_mosaics_back_to_their_owner)
{
	struct hak_heap_stats stats;
	pthread_t thread;

	drift();
	ck_assert_int_eq(pthread_create(&thread, NULL, free_the_odd_ones, NULL), 0);
	for (unsigned i = 0; i < drifting_count; i += 2)
		hak_alloc_free(drifting[i].block);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	(void)hak_alloc_trim(0);
	hak_heap_check_all();
	stats = hak_heap_stats();
	ck_assert_uint_eq(stats.slab_bytes, stats.out_bytes);
}
END_TEST

/* A bin without room would be filled beyond its end. */
START_TEST(bin_has_room_after_what_waited_was_sorted_into_it_though_each_free_is_a_visit)
{
	struct piece *piece;
	unsigned c;

	drift();
	piece = piece_in_a_mosaic();
	ck_assert_ptr_nonnull(piece);
	c = piece->size_class;
	hak_bins_flush(hak_self);
	hak_self->free_visits[c] = 0;
	ck_assert_ptr_nonnull(hak_alloc_malloc(hak_size_class[c].block_bytes));
	ck_assert_uint_eq(hak_self->room[c], 1);
	hak_alloc_free(piece->block);
	ck_assert_ptr_eq(hak_self->top[HAK_CLASS_MOSAIC][-1], piece->block);
	ck_assert_ptr_nonnull(hak_alloc_malloc(16)); /* finds its bin empty */
	ck_assert_ptr_eq(hak_self->top[c][-1], piece->block);
	ck_assert_uint_ge(hak_self->room[c], 1);
	ck_assert_uint_le(hak_self->room[c], hak_self->depth[c]);
}
END_TEST

/* The hot path read the page map before another thread made a mosaic of the slab, the slow one after it. */
START_TEST(room_that_free_took_before_the_slab_became_a_mosaic_is_given_back)
{
	void *block = hak_alloc_malloc(160);
	unsigned c = hak_class_of(160);

	hak_self->room[c] = 0;
	hak_pagemap_set_class(block, HAK_CLASS_MOSAIC);
	hak_alloc_free_slow(block);
	ck_assert_uint_eq(hak_self->room[c], 1);
}
END_TEST

START_TEST(double_free_in_a_mosaic_aborts)
{
	struct piece *piece;

	drift();
	piece = piece_in_a_mosaic();
	hak_alloc_free(piece->block);
	(void)hak_alloc_trim(0);
	hak_alloc_free(piece->block);
	(void)hak_alloc_trim(0);
}
END_TEST

START_TEST(free_of_a_pointer_into_a_block_of_a_mosaic_aborts_at_the_latest_at_the_flush)
{
	drift();
	hak_alloc_free(piece_in_a_mosaic()->block + 32);
	(void)hak_alloc_trim(0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("mosaic");

	tcase_add_test(tcase, whatever_slab_may_become_a_mosaic_its_blocks_are_known_there);
	tcase_add_test(tcase, mosaic_keeps_the_blocks_that_were_out_and_knows_their_class);
	tcase_add_test(tcase, mosaics_side_by_side_leave_each_other_alone);
	tcase_add_test(tcase, mosaic_put_finds_double_frees_and_what_is_no_block);
	tcase_add_test(tcase, mosaic_does_what_an_array_of_cells_does);
	tcase_add_test(tcase, heap_whose_sizes_drift_has_little_free_in_slabs);
	tcase_add_test(tcase, block_of_a_mosaic_is_freed_reallocated_and_aligned_like_any_other);
	tcase_add_test(tcase, frees_in_mosaics_are_counted_exactly);
	tcase_add_test(tcase, block_that_waits_in_the_bin_of_mosaics_serves_the_next_malloc_of_its_class);
	tcase_add_test(tcase, strangers_give_blocks_of_mosaics_back_to_their_owner);
	tcase_add_test(tcase, bin_has_room_after_what_waited_was_sorted_into_it_though_each_free_is_a_visit);
	tcase_add_test(tcase, room_that_free_took_before_the_slab_became_a_mosaic_is_given_back);
	tcase_add_test_raise_signal(tcase, double_free_in_a_mosaic_aborts, SIGABRT);
	tcase_add_test_raise_signal(
		tcase, free_of_a_pointer_into_a_block_of_a_mosaic_aborts_at_the_latest_at_the_flush, SIGABRT);
	return run_suite("mosaic", tcase);
}
