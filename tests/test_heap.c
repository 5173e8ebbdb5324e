/* SPDX-License-Identifier: MIT */
/* Slabs, heaps and their books: against a set of what is out, and against the calls that were really made. */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "heap_private.h"
#include "large.h"
#include "os.h"
#include "stats.h"
#include "runs.h"
#include "suite.h"

enum { LIVE = 3000, ROUNDS = 60000 };

static struct hak_slab *fresh_slab(unsigned c, struct hak_heap *heap)
{
	struct hak_slab *slab = acquire_run(hak_size_class[c].grown_grains, 1);

	hak_slab_init(slab, c, heap);
	return slab;
}

static enum hak_slab_fault put(struct hak_slab *slab, void *block)
{
	enum hak_slab_fault fault;

	ck_assert_uint_eq(hak_slab_put(slab, &block, 1, &fault), fault == HAK_SLAB_OK);
	return fault;
}

START_TEST(slab_takes_each_block_once_lowest_first)
{
	struct hak_slab *slab;
	void **blocks;
	unsigned capacity;

	hak_pagemap_init(1);
	slab = fresh_slab((unsigned)_i, NULL);
	capacity = slab->capacity;
	blocks = calloc(capacity, sizeof(void *));
	hak_slab_take(slab, blocks, capacity);
	for (unsigned i = 0; i < capacity; i++)
		ck_assert_ptr_eq(blocks[capacity - 1 - i], slab->base + i * slab->block_bytes);
	ck_assert_uint_eq(hak_slab_available(slab), 0);
	for (unsigned i = 0; i < capacity; i += 2)
		ck_assert_int_eq(put(slab, slab->base + i * slab->block_bytes), HAK_SLAB_OK);
	hak_slab_check(slab);
	hak_slab_take(slab, blocks, slab->free);
	ck_assert_ptr_eq(blocks[(capacity + 1) / 2 - 1], slab->base);
	hak_slab_check(slab);
	free(blocks);
}
END_TEST

START_TEST(slab_put_finds_double_frees_and_what_is_no_block)
{
	struct hak_slab *slab;
	void *blocks[2];

	hak_pagemap_init(1);
	slab = fresh_slab(3, NULL);
	hak_slab_take(slab, blocks, 2);
	ck_assert_int_eq(put(slab, (char *)blocks[0] + 16), HAK_SLAB_NOT_A_BLOCK);
	ck_assert_int_eq(put(slab, slab->base + 2 * slab->block_bytes), HAK_SLAB_NOT_A_BLOCK);
	ck_assert_int_eq(hak_slab_fault_of(slab, blocks[0]), HAK_SLAB_OK);
	ck_assert_int_eq(put(slab, blocks[0]), HAK_SLAB_OK);
	ck_assert_int_eq(hak_slab_fault_of(slab, blocks[0]), HAK_SLAB_DOUBLE_FREE);
	ck_assert_int_eq(put(slab, blocks[0]), HAK_SLAB_DOUBLE_FREE);
	ck_assert_int_eq(hak_slab_fault_of(slab, (char *)blocks[1] + 5), HAK_SLAB_NOT_A_BLOCK);
}
END_TEST

START_TEST(slab_put_takes_what_is_its_own_and_stops_there)
{
	enum hak_slab_fault fault;
	struct hak_slab *slab, *other;
	void *blocks[3], *mixed[3];

	hak_pagemap_init(1);
	slab = fresh_slab(3, NULL);
	other = fresh_slab(3, NULL);
	hak_slab_take(slab, blocks, 3);
	mixed[0] = blocks[2];
	mixed[1] = blocks[0];
	mixed[2] = other->base;
	ck_assert_uint_eq(hak_slab_put(slab, mixed, 3, &fault), 2);
	ck_assert_int_eq(fault, HAK_SLAB_OK);
	ck_assert_uint_eq(slab->free, 2);
	mixed[0] = blocks[1];
	mixed[1] = blocks[0];
	ck_assert_uint_eq(hak_slab_put(slab, mixed, 2, &fault), 1);
	ck_assert_int_eq(fault, HAK_SLAB_DOUBLE_FREE);
	ck_assert_uint_eq(slab->free, 3);
	hak_slab_check(slab);
}
END_TEST

START_TEST(slab_that_hardly_used_its_dirty_grains_leaves_them_dirty)
{
	struct hak_slab *slab;
	unsigned grains = hak_size_class[3].grown_grains;
	void *block;

	hak_pagemap_init(1);
	slab = acquire_run(grains, 1);
	memset(slab->base, 0xff, (size_t)grains << HAK_GRAIN_SHIFT);
	hak_superslab_release(slab, grains);
	slab = fresh_slab(3, NULL);
	hak_slab_take(slab, &block, 1);
	ck_assert_int_eq(put(slab, block), HAK_SLAB_OK);
	hak_superslab_release(slab, hak_slab_deinit(slab));
	slab = acquire_run(grains, 1);
	ck_assert(slab->dirty && slab->warm);
}
END_TEST

START_TEST(slab_that_empties_stays_where_its_class_has_nothing_else_to_take)
{
	enum { LARGEST = HAK_CLASS_SMALL_COUNT, MOST = 32 };
	struct hak_tally tally = {0};
	struct hak_heap *heap;
	void *first[MOST], *second[MOST], *again[MOST], *block;
	unsigned first_count, second_count;
	size_t first_bytes, both_bytes;

	hak_pagemap_init(1);
	heap = hak_heap_attach(NULL, &tally);
	first_count = hak_heap_take(heap, LARGEST, first, MOST, true, &tally);
	first_bytes = hak_heap_stats().slab_bytes;
	second_count = hak_heap_take(heap, LARGEST, second, MOST, true, &tally);
	both_bytes = hak_heap_stats().slab_bytes;
	ck_assert_uint_gt(both_bytes, first_bytes);
	ck_assert_uint_eq(first_count, 1);

	block = first[0];
	hak_heap_put(heap, LARGEST, first, first_count, &tally);
	ck_assert_uint_eq(hak_heap_stats().slab_bytes, both_bytes);
	ck_assert_uint_eq(hak_heap_take(heap, LARGEST, again, MOST, true, &tally), 1);
	ck_assert_ptr_eq(again[0], block);

	hak_heap_put(heap, LARGEST, again, 1, &tally);
	hak_heap_put(heap, LARGEST, second, second_count, &tally);
	ck_assert_uint_eq(hak_heap_stats().slab_bytes, first_bytes);
	hak_heap_check_all();
}
END_TEST

START_TEST(threads_share_two_heaps_a_cpu_evenly)
{
	enum { THREADS = 1200 }; /* more than the most heaps */
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	size_t enough = cpus > 2 ? 2 * (size_t)cpus : 4, heaps;
	struct hak_heap *least, *most;
	struct hak_tally tally = {0};

	for (unsigned i = 0; i < THREADS; i++)
		(void)hak_heap_attach(NULL, &tally);
	heaps = hak_heap_stats().heaps;
	ck_assert_uint_ge(heaps, 4);
	ck_assert_uint_le(heaps, enough);
	ck_assert_uint_le(heaps, 256);
	least = most = hak_heap_first();
	for (struct hak_heap *heap = least; heap; heap = heap->next) {
		least = hak_heap_users(heap) < hak_heap_users(least) ? heap : least;
		most = hak_heap_users(heap) > hak_heap_users(most) ? heap : most;
	}
	ck_assert_uint_gt(hak_heap_users(least), 1);
	ck_assert_uint_le(hak_heap_users(most), hak_heap_users(least) + 1);
}
END_TEST

struct piece {
	unsigned char *block;
	size_t bytes;
	unsigned char mark;
};

static void check_ledger(const struct piece *pieces, unsigned count, uint64_t allocs, uint64_t frees)
{
	struct hak_stats stats;
	uint64_t live_bytes = 0;

	hak_alloc_stats(&stats);
	for (unsigned i = 0; i < count; i++)
		if (pieces[i].block)
			live_bytes += hak_alloc_usable("test", pieces[i].block);
	ck_assert_uint_eq(stats.counter[HAK_COUNTER_alloc_count], allocs);
	ck_assert_uint_eq(stats.counter[HAK_COUNTER_free_count], frees);
	ck_assert_uint_eq(stats.gauge[HAK_GAUGE_live_bytes], live_bytes);
	ck_assert_uint_eq(stats.gauge[HAK_GAUGE_mapped_bytes],
			  live_bytes + stats.gauge[HAK_GAUGE_held_bytes] + stats.gauge[HAK_GAUGE_free_bytes]);
	hak_heap_check_all();
}

static size_t random_bytes(uint64_t *seed)
{
	unsigned kind = (unsigned)(next_random(seed) % 100);

	return next_random(seed) % (kind < 80 ? 1100 : kind < 97 ? 40000 : 3000000);
}

/* Every call is counted exactly, whichever path it took, and the ledger closes at any moment. */
START_TEST(ledger_closes_and_counts_are_exact)
{
	static struct piece pieces[LIVE];
	uint64_t seed = 77, allocs = 0, frees = 0;

	for (int round = 0; round < ROUNDS; round++) {
		struct piece *piece = &pieces[next_random(&seed) % LIVE];

		if (piece->block) {
			require(piece->bytes == 0 || (piece->block[0] == piece->mark &&
						      piece->block[piece->bytes - 1] == piece->mark));
			hak_alloc_free(piece->block);
			piece->block = NULL;
			frees++;
		} else {
			piece->bytes = random_bytes(&seed);
			piece->mark = (unsigned char)next_random(&seed);
			piece->block = hak_alloc_malloc(piece->bytes);
			require(piece->block);
			memset(piece->block, piece->mark, piece->bytes < 5000 ? piece->bytes : 5000);
			if (piece->bytes)
				piece->block[piece->bytes - 1] = piece->mark;
			allocs++;
		}
		if (round % 9973 == 0)
			check_ledger(pieces, LIVE, allocs, frees);
	}
	for (unsigned i = 0; i < LIVE; i++) {
		frees += pieces[i].block != NULL;
		hak_alloc_free(pieces[i].block);
		pieces[i].block = NULL;
	}
	check_ledger(pieces, LIVE, allocs, frees);
	(void)hak_alloc_trim(0);
	check_ledger(pieces, LIVE, allocs, frees);
}
END_TEST

START_TEST(bigcache_serves_a_repeated_size_without_system_calls)
{
	struct hak_stats before, after;

	for (int i = 0; i < 4; i++)
		hak_alloc_free(hak_alloc_malloc(2 << 20));
	hak_alloc_stats(&before);
	for (int i = 0; i < 1000; i++)
		hak_alloc_free(hak_alloc_malloc(2 << 20));
	hak_alloc_stats(&after);
	ck_assert_uint_eq(
		after.counter[HAK_COUNTER_bigcache_hits] - before.counter[HAK_COUNTER_bigcache_hits], 1000);
	ck_assert_uint_eq(after.counter[HAK_COUNTER_mmap_calls], before.counter[HAK_COUNTER_mmap_calls]);
	ck_assert_uint_eq(after.counter[HAK_COUNTER_munmap_calls], before.counter[HAK_COUNTER_munmap_calls]);
}
END_TEST

/* The least that a block of @bytes stays for. */
static size_t least_that_stays(size_t bytes)
{
	size_t less = bytes;

	for (bool stays = true; stays; less--) {
		void *block = hak_alloc_malloc(bytes), *shrunk = hak_alloc_realloc(block, less - 1);

		stays = shrunk == block;
		ck_assert(stays || hak_alloc_usable("test", shrunk) < bytes);
		hak_alloc_free(shrunk);
	}
	return less + 1;
}

START_TEST(realloc_to_less_moves_what_would_waste_half_or_of_more_than_a_page_a_quarter)
{
	ck_assert_uint_eq(least_that_stays(1024), 512);
	ck_assert_uint_eq(least_that_stays(4096), 2048);
	ck_assert_uint_eq(least_that_stays(4608), 3456);
	ck_assert_uint_eq(least_that_stays(16384), 12288);
}
END_TEST

START_TEST(realloc_of_a_large_block_copies_nothing)
{
	struct hak_stats stats;
	unsigned char *block = hak_alloc_malloc(200 << 10);

	memset(block, 5, 200 << 10);
	for (size_t bytes = 300 << 10; bytes < (size_t)300 << 20; bytes += bytes / 2) {
		block = hak_alloc_realloc(block, bytes);
		ck_assert_ptr_nonnull(block);
		ck_assert_uint_eq(block[(200 << 10) - 1], 5);
		block[bytes - 1] = 1;
	}
	hak_alloc_stats(&stats);
	/* Runs may be parts of larger pages, which cannot be moved; mappings are whole ones. */
	ck_assert_uint_le(stats.counter[HAK_COUNTER_realloc_copied_bytes],
			  hak_os_page_bytes() > HAK_GRAIN_BYTES ? HAK_SUPERSLAB_BYTES : 0);
	ck_assert_uint_gt(stats.counter[HAK_COUNTER_realloc_remapped] +
				  stats.counter[HAK_COUNTER_realloc_in_place],
			  10);
	block = hak_alloc_realloc(block, 40 << 10);
	ck_assert_uint_eq(block[(40 << 10) - 1], 5);
	hak_alloc_free(block);
	hak_alloc_stats(&stats);
	ck_assert_uint_eq(stats.gauge[HAK_GAUGE_live_bytes], 0);
}
END_TEST

START_TEST(calloc_is_zero_whatever_lay_there)
{
	for (size_t bytes = 1; bytes < 5 << 20; bytes = bytes * 3 / 2 + 1) {
		unsigned char *block = hak_alloc_malloc(bytes);

		memset(block, 0xff, bytes);
		hak_alloc_free(block);
		block = hak_alloc_calloc(1, bytes);
		ck_assert(block[0] == 0 && memcmp(block, block + 1, bytes - 1) == 0);
		hak_alloc_free(block);
	}
}
END_TEST

START_TEST(double_free_aborts)
{
	void *first = hak_alloc_malloc(100), *second = hak_alloc_malloc(100);

	hak_alloc_free(first);
	hak_alloc_free(second);
	hak_alloc_free(first);
}
END_TEST

static pthread_barrier_t freed, trimmed;

static void *free_and_wait(void *block)
{
	hak_alloc_free(block);
	pthread_barrier_wait(&freed);
	pthread_barrier_wait(&trimmed);
	return NULL; /* and the bin is flushed */
}

/* The second copy of the block comes home when its slab, and the superslab, are gone. */
START_TEST(double_free_in_two_threads_aborts_even_if_the_memory_was_given_back)
{
	void *blocks[64];
	pthread_t thread;

	pthread_barrier_init(&freed, NULL, 2);
	pthread_barrier_init(&trimmed, NULL, 2);
	for (unsigned i = 0; i < 64; i++)
		blocks[i] = hak_alloc_malloc(1024);
	ck_assert_int_eq(pthread_create(&thread, NULL, free_and_wait, blocks[0]), 0);
	pthread_barrier_wait(&freed);
	for (unsigned i = 0; i < 64; i++)
		hak_alloc_free(blocks[i]);
	(void)hak_alloc_trim(0);
	pthread_barrier_wait(&trimmed);
	pthread_join(thread, NULL);
	(void)hak_alloc_trim(0);
}
END_TEST

START_TEST(free_of_a_pointer_into_a_block_aborts_at_the_latest_at_the_flush)
{
	char *block = hak_alloc_malloc(512);

	hak_alloc_free(block + 64);
	(void)hak_alloc_trim(0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("heap");

	tcase_add_loop_test(tcase, slab_takes_each_block_once_lowest_first, 1, HAK_CLASS_SMALL_COUNT + 1);
	tcase_add_test(tcase, slab_put_takes_what_is_its_own_and_stops_there);
	tcase_add_test(tcase, slab_put_finds_double_frees_and_what_is_no_block);
	tcase_add_test(tcase, slab_that_hardly_used_its_dirty_grains_leaves_them_dirty);
	tcase_add_test(tcase, slab_that_empties_stays_where_its_class_has_nothing_else_to_take);
	tcase_add_test(tcase, threads_share_two_heaps_a_cpu_evenly);
	tcase_add_test(tcase, ledger_closes_and_counts_are_exact);
	tcase_add_test(tcase, bigcache_serves_a_repeated_size_without_system_calls);
	tcase_add_test(tcase, realloc_to_less_moves_what_would_waste_half_or_of_more_than_a_page_a_quarter);
	tcase_add_test(tcase, realloc_of_a_large_block_copies_nothing);
	tcase_add_test(tcase, calloc_is_zero_whatever_lay_there);
	tcase_add_test_raise_signal(tcase, double_free_aborts, SIGABRT);
	tcase_add_test_raise_signal(
		tcase, double_free_in_two_threads_aborts_even_if_the_memory_was_given_back, SIGABRT);
	tcase_add_test_raise_signal(tcase, free_of_a_pointer_into_a_block_aborts_at_the_latest_at_the_flush,
				    SIGABRT);
	return run_suite("heap", tcase);
}
