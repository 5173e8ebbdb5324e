/* SPDX-License-Identifier: MIT */
/* Arenas: who goes to another one, that runs return whence they came, and that together they are one book. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "ghost.h"
#include "heap.h"
#include "knobs.h"
#include "lazy.h"
#include "os.h"
#include "stats.h"
#include "runs.h"
#include "suite.h"
#include "superslab_private.h"

enum { WHOLE = HAK_SUPERSLAB_GRAINS, THREADS = 3 };

static const struct hak_arena *arena_of(const struct hak_slab *run)
{
	const struct hak_superslab *superslab = hak_pagemap_owner(run->base);

	return superslab->arena;
}

/* Some have superslabs, as those do whose CPUs took by turns. */
static void open_arenas(unsigned count)
{
	atomic_store(&hak_arenas_used, count);
}

static _Thread_local int cpu; /* that the thread is on */

int sched_getcpu(void)
{
	return cpu;
}

static bool clock_stands; /* or crossings may be forgotten in the middle */

int clock_gettime(clockid_t clock, struct timespec *now)
{
	if (clock != CLOCK_MONOTONIC_COARSE || !clock_stands)
		return (int)syscall(SYS_clock_gettime, clock, now);
	*now = (struct timespec){.tv_sec = 1000};
	return 0;
}

static const struct hak_arena *arena_taken_from(struct hak_arena_choice *choice, int on_cpu)
{
	const struct hak_arena *arena;
	struct hak_slab *run;

	cpu = on_cpu;
	run = hak_superslab_acquire(choice, 1, 1, true);
	arena = arena_of(run);
	hak_superslab_release(run, 0);
	return arena;
}

/* As if as many runs but one, that are too many, had come from the hands of another CPU just now. */
static struct hak_arena_choice almost_often(void)
{
	clock_stands = true;
	return (struct hak_arena_choice){.crossings = HAK_CROSSINGS_MOST - 1,
					 .since_msec = hak_os_coarse_msec()};
}

/* Give CPU 1 the second arena. */
static void cross_often(void)
{
	struct hak_arena_choice first = {0}, often = almost_often();

	(void)arena_taken_from(&first, 0);
	ck_assert_ptr_eq(arena_taken_from(&often, 1), &hak_arenas[1]);
	cpu = 0;
}

START_TEST(who_takes_by_turns_with_another_cpu_takes_from_another_arena)
{
	struct hak_arena_choice first = {0}, seldom = {0}, often = almost_often();

	hak_pagemap_init(3);
	ck_assert_ptr_eq(arena_taken_from(&first, 0), &hak_arenas[0]);
	ck_assert_ptr_eq(arena_taken_from(&often, 0), &hak_arenas[0]); /* by turns, and on the same CPU */
	ck_assert_ptr_eq(arena_taken_from(&seldom, 1), &hak_arenas[0]);
	ck_assert_uint_eq(hak_arena_count(), 1);
	ck_assert_ptr_eq(arena_taken_from(&first, 0), &hak_arenas[0]);
	ck_assert_ptr_eq(arena_taken_from(&often, 1), &hak_arenas[1]);
	ck_assert_uint_eq(hak_arena_count(), 2);
}
END_TEST

START_TEST(crossings_are_forgotten)
{
	struct hak_arena_choice first = {0}, choice = almost_often();

	hak_pagemap_init(3);
	choice.since_msec -= HAK_CROSSINGS_MSEC + 1;
	(void)arena_taken_from(&first, 0);
	ck_assert_ptr_eq(arena_taken_from(&choice, 1), &hak_arenas[0]);
	ck_assert_uint_eq(choice.crossings, 1);
	ck_assert_uint_eq(hak_arena_count(), 1);
}
END_TEST

START_TEST(threads_take_from_the_arena_of_the_cpu_they_are_on)
{
	struct hak_arena_choice moves = {0}, stays = {0}, is_new = {0}, third = almost_often();

	hak_pagemap_init(3);
	cross_often();
	ck_assert_ptr_eq(arena_taken_from(&stays, 0), &hak_arenas[0]);
	ck_assert_ptr_eq(arena_taken_from(&moves, 1), &hak_arenas[1]);
	ck_assert_ptr_eq(arena_taken_from(&moves, 0), &hak_arenas[1]); /* CPU 0 has none; */
	moves.crossings = HAK_CROSSINGS_MOST - 1;
	moves.since_msec = hak_os_coarse_msec();
	ck_assert_ptr_eq(arena_taken_from(&is_new, 1), &hak_arenas[1]);
	ck_assert_ptr_eq(arena_taken_from(&moves, 0), &hak_arenas[0]); /* now it has the first */
	ck_assert_uint_eq(hak_arena_count(), 2);
	ck_assert_ptr_eq(arena_taken_from(&moves, 1), &hak_arenas[1]);
	ck_assert_ptr_eq(arena_taken_from(&third, 2), &hak_arenas[2]);
	ck_assert_uint_eq(hak_arena_count(), 3);
}
END_TEST

/* It came from another CPU and stayed with that one's arena, as its own had none yet. */
START_TEST(who_is_late_takes_from_the_arena_that_another_thread_got_for_the_cpu)
{
	struct hak_arena_choice late = {0}, is_new = {0}, often = almost_often();

	hak_pagemap_init(3);
	cross_often();
	(void)arena_taken_from(&late, 1);
	ck_assert_ptr_eq(arena_taken_from(&late, 0), &hak_arenas[1]);
	ck_assert_ptr_eq(arena_taken_from(&often, 2), &hak_arenas[0]);
	often = almost_often();
	ck_assert_ptr_eq(arena_taken_from(&often, 0), &hak_arenas[2]);
	ck_assert_ptr_eq(arena_taken_from(&late, 0), &hak_arenas[1]);
	(void)arena_taken_from(&is_new, 1);
	(void)arena_taken_from(&late, 0);
	ck_assert_ptr_eq(arena_taken_from(&late, 0), &hak_arenas[2]);
}
END_TEST

START_TEST(heaps_follow_to_an_arena_and_get_none)
{
	struct hak_tally tally = {0};
	struct hak_arena_choice first = {0}, often = almost_often();
	struct hak_heap *heap;
	void *block;

	hak_pagemap_init(3);
	heap = hak_heap_attach(NULL, &tally);
	(void)arena_taken_from(&first, 0);
	cpu = 1;
	heap->choice.crossings = often.crossings;
	heap->choice.since_msec = often.since_msec;
	ck_assert_uint_eq(hak_heap_take(heap, hak_class_of(64), &block, 1, true, &tally), 1);
	ck_assert_ptr_eq(arena_of(hak_superslab_run(block)), &hak_arenas[0]);
	ck_assert_uint_eq(hak_arena_count(), 1);
	cross_often();
	cpu = 1;
	ck_assert_uint_eq(hak_heap_take(heap, hak_class_of(8192), &block, 1, true, &tally), 1);
	ck_assert_ptr_eq(arena_of(hak_superslab_run(block)), &hak_arenas[1]);
}
END_TEST

START_TEST(while_ghosts_watch_all_take_from_the_first)
{
	struct hak_arena_choice choice = {0}, often = almost_often();

	hak_pagemap_init(3);
	cross_often();
	hak_ghost_start();
	ck_assert_ptr_eq(arena_taken_from(&choice, 1), &hak_arenas[0]);
	ck_assert_ptr_eq(arena_taken_from(&often, 2), &hak_arenas[0]);
	ck_assert_uint_eq(hak_arena_count(), 2);
	hak_ghost_stop();
	ck_assert_ptr_eq(arena_taken_from(&choice, 1), &hak_arenas[1]);
}
END_TEST

START_TEST(run_returns_whence_it_came)
{
	struct hak_arena_choice second = {.arena = 1};
	struct hak_slab *run;

	hak_pagemap_init(3);
	open_arenas(2);
	ck_assert_ptr_null(hak_superslab_acquire(&second, 16, 1, false));
	(void)acquire_run(16, 1);
	ck_assert_ptr_null(hak_superslab_acquire(&second, 16, 1, false));
	run = hak_superslab_acquire(&second, 16, 1, true);
	ck_assert_uint_eq(hak_arenas[1].free_grains, WHOLE - 16);
	ck_assert(hak_superslab_extend(run, 32));
	ck_assert_uint_eq(hak_arenas[1].free_grains, WHOLE - 32);
	hak_superslab_shorten(run, 8);
	hak_superslab_release(run, 8);
	ck_assert_uint_eq(hak_arenas[1].free_grains, WHOLE);
	ck_assert_uint_eq(hak_arenas[1].dirty_grains, 32);
	ck_assert_uint_eq(hak_arenas[0].free_grains, WHOLE - 16);
	ck_assert_uint_eq(hak_superslab_stats().mapped_bytes, 2 * HAK_SUPERSLAB_BYTES);
	(void)hak_superslab_purge(0);
	ck_assert_uint_eq(hak_arenas[1].count, 0);
	ck_assert_uint_eq(hak_superslab_stats().mapped_bytes, HAK_SUPERSLAB_BYTES);
}
END_TEST

/* Before one is mapped: the wholly free one of two that another arena has, and what is known of it. */
START_TEST(what_one_has_let_go_of_serves_all)
{
	struct hak_arena_choice second = {.arena = 1};
	struct hak_slab *kept, *freed, *run;
	char *base;

	hak_pagemap_init(3);
	open_arenas(2);
	kept = hak_superslab_acquire(&second, WHOLE - 1, 1, true);
	freed = hak_superslab_acquire(&second, WHOLE, 1, true);
	base = memset(freed->base, 1, HAK_SUPERSLAB_BYTES);
	hak_superslab_release(freed, WHOLE / 2);
	run = acquire_run(WHOLE / 2 + 1, 1);
	ck_assert_ptr_eq(run->base, base);
	ck_assert(run->dirty && !run->warm);
	ck_assert_ptr_eq(arena_of(run), &hak_arenas[0]);
	ck_assert_ptr_eq(arena_of(kept), &hak_arenas[1]);
	ck_assert_uint_eq(hak_superslab_stats().mapped_bytes, 2 * HAK_SUPERSLAB_BYTES);
	ck_assert_uint_eq(hak_arenas[1].count, 1);
	ck_assert_uint_eq(hak_arenas[1].free_grains, 1);
	ck_assert_uint_eq(hak_arenas[1].dirty_grains + hak_arenas[1].empty, 0);
	ck_assert_uint_eq(hak_arenas[0].count, 1);
	ck_assert_uint_eq(hak_arenas[0].free_grains, WHOLE / 2 - 1);
	ck_assert_ptr_null(hak_superslab_acquire(&second, 2, 1, false));
	hak_superslab_release(run, WHOLE / 2 + 1);
	hak_superslab_release(kept, 0);
	(void)hak_superslab_purge(0);
	ck_assert_uint_eq(hak_superslab_stats().mapped_bytes, 0);
	ck_assert_uint_eq(hak_arenas[0].dirty_grains + hak_arenas[1].dirty_grains, 0);
}
END_TEST

START_TEST(where_there_is_no_more_memory_others_serve)
{
	struct hak_arena_choice second = {.arena = 1};
	struct rlimit limit, none;
	struct hak_slab *run;

	hak_pagemap_init(3);
	open_arenas(2);
	(void)acquire_run(16, 1);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
	none = limit;
	none.rlim_cur = 1;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
	run = hak_superslab_acquire(&second, 16, 1, true);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_ptr_nonnull(run);
	ck_assert_ptr_eq(arena_of(run), &hak_arenas[0]);
}
END_TEST

/* All together hold no more than one would. */
START_TEST(what_may_be_held_is_shared_by_all)
{
	enum { COUNT = 64, ARENAS = 4 };
	const struct hak_hold one = {.peak = COUNT * HAK_SUPERSLAB_BYTES};
	const struct hak_hold_limits limits = {.base = hak_knob(hold_base_bytes),
					       .unearned = hak_knob(hold_unearned_bytes),
					       .earned_percent = hak_knob(hold_earned_percent),
					       .share_percent = hak_knob(hold_share_percent)};
	size_t allowed_bytes = hak_hold_allowed(&one, 0, limits);
	struct hak_slab *run[COUNT];

	hak_pagemap_init(3);
	open_arenas(ARENAS);
	for (unsigned i = 0; i < COUNT; i++) {
		struct hak_arena_choice choice = {.arena = i % ARENAS};

		run[i] = hak_superslab_acquire(&choice, WHOLE, 1, true);
		memset(run[i]->base, 1, HAK_SUPERSLAB_BYTES);
	}
	for (unsigned i = 0; i < COUNT; i++)
		hak_superslab_release(run[i], WHOLE);
	(void)hak_superslab_purge(HAK_KEEP_ALLOWED);
	ck_assert_uint_le(hak_superslab_stats().dirty_bytes, allowed_bytes + ARENAS * HAK_SUPERSLAB_BYTES);
	ck_assert_uint_ge(hak_superslab_stats().dirty_bytes, allowed_bytes / 2);
	(void)hak_superslab_purge(0);
	ck_assert_uint_eq(hak_superslab_stats().mapped_bytes, 0);
}
END_TEST

/* Units of two arenas by turns: one range for who collects. */
START_TEST(what_is_lazily_free_is_told_in_order_of_address)
{
	enum { COUNT = 24 };
	static struct hak_lazy_ranges ranges;
	struct hak_slab *run[COUNT];
	size_t published = 0;

	hak_pagemap_init(3);
	open_arenas(2);
	hak_lazy_set(&hak_lazy.allowed, true);
	for (unsigned i = 0; i < COUNT; i++) {
		struct hak_arena_choice choice = {.arena = i % 2};

		run[i] = hak_superslab_acquire(&choice, WHOLE, 1, true);
		memset(run[i]->base, 1, HAK_SUPERSLAB_BYTES);
	}
	for (unsigned i = 0; i < COUNT; i++)
		hak_superslab_release(run[i], WHOLE);
	(void)hak_superslab_purge(HAK_KEEP_ALLOWED);
	ck_assert_uint_gt(hak_arenas[0].lazy_grains, WHOLE);
	ck_assert_uint_gt(hak_arenas[1].lazy_grains, WHOLE);
	hak_superslab_add_lazy(&ranges);
	for (unsigned i = 0; i < ranges.count; i++) {
		published += ranges.range[i].bytes;
		if (i > 0)
			ck_assert_uint_gt(ranges.range[i].start,
					  ranges.range[i - 1].start + ranges.range[i - 1].bytes);
	}
	ck_assert_uint_eq(published, hak_superslab_stats().lazy_bytes);
	for (unsigned i = 0; i < ranges.count; i++)
		hak_superslab_purge_lazy(ranges.range[i].start, ranges.range[i].bytes);
	ck_assert_uint_eq(hak_superslab_stats().lazy_bytes, 0);
}
END_TEST

/* Its threads' locks are free, and what they had it goes on with. */
START_TEST(child_goes_on_with_all_of_them)
{
	struct hak_arena_choice second = {.arena = 1};
	struct hak_slab *run;
	pid_t child;
	int status;

	hak_pagemap_init(3);
	open_arenas(2);
	run = hak_superslab_acquire(&second, 16, 1, true);
	hak_superslab_fork_prepare();
	ck_assert(!hak_lock_try(&hak_arenas[0].lock) && !hak_lock_try(&hak_arenas[1].lock));
	child = fork();
	if (child == 0) {
		hak_superslab_fork_child();
		hak_superslab_release(run, 16);
		_exit(hak_superslab_acquire(&second, WHOLE, 1, false) ? 0 : 1);
	}
	hak_superslab_fork_parent();
	hak_superslab_release(run, 16);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- large blocks of threads on several CPUs ----------------------------------------------------------- */

static void *replace(void *argument)
{
	enum { SLOTS = 8, OPERATIONS = 20000, MOVES = 500 }; /* each so many, perhaps */
	uint64_t seed = (uintptr_t)argument;
	struct {
		unsigned char *block;
		size_t bytes;
		unsigned char mark;
	} slot[SLOTS] = {{0}};

	for (unsigned i = 0; i < OPERATIONS; i++) {
		uint64_t random = next_random(&seed);
		unsigned k = (unsigned)(random % SLOTS);

		if (i % MOVES == 0)
			cpu = (int)(random >> 40) % THREADS;
		if (slot[k].block)
			require(slot[k].block[0] == slot[k].mark &&
				slot[k].block[slot[k].bytes - 1] == slot[k].mark);
		hak_alloc_free(slot[k].block);
		slot[k].bytes = (33 << 10) + (random >> 8) % (900 << 10);
		slot[k].mark = (unsigned char)(random >> 56);
		slot[k].block = hak_alloc_malloc(slot[k].bytes);
		slot[k].block[0] = slot[k].block[slot[k].bytes - 1] = slot[k].mark;
	}
	for (unsigned k = 0; k < SLOTS; k++)
		hak_alloc_free(slot[k].block);
	return NULL;
}

START_TEST(threads_keep_their_blocks_and_the_books_close)
{
	pthread_t thread[THREADS];
	struct hak_stats stats;

	hak_alloc_free(hak_alloc_malloc(1)); /* which begins what the page map is */
	cross_often();
	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, replace, (void *)(i + 1)), 0);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
	hak_alloc_stats(&stats);
	ck_assert_uint_eq(stats.gauge[HAK_GAUGE_mapped_bytes],
			  stats.gauge[HAK_GAUGE_live_bytes] + stats.gauge[HAK_GAUGE_held_bytes] +
				  stats.gauge[HAK_GAUGE_free_bytes]);
	(void)hak_alloc_trim(0);
	ck_assert_uint_le(hak_superslab_stats().mapped_bytes, HAK_SUPERSLAB_BYTES);
}
END_TEST

/* ---- the page map grows while it is written --------------------------------------------------------- */

enum { COVERED = 40, FAR_BYTES = 64 << 20, CLASSES = 60 };

static struct writer {
	char *grain;
	unsigned size_class; /* that was written last */
	atomic_bool *stop;
} writers[THREADS];

static void *owner_of(const struct writer *writer)
{
	return (char *)(uintptr_t)writer + writer->size_class;
}

static void write_next(struct writer *writer)
{
	writer->size_class = writer->size_class % CLASSES + 1;
	hak_pagemap_set_class(writer->grain, writer->size_class);
	require(hak_pagemap_class(writer->grain) == writer->size_class);
	hak_pagemap_set_owner(writer->grain, HAK_OWNER_BYTES, owner_of(writer));
	require(hak_pagemap_owner(writer->grain) == owner_of(writer));
}

static void *write_on(void *argument)
{
	struct writer *writer = argument;

	while (!atomic_load(writer->stop))
		write_next(writer);
	return NULL;
}

START_TEST(no_entry_is_lost_where_the_page_map_grows)
{
	atomic_bool stop = false;
	pthread_t thread[THREADS];
	void *memory, *far;

	hak_pagemap_init(7 + (uint64_t)_i);
	ck_assert_int_eq(hak_pagemap_map(THREADS * HAK_SUPERSLAB_BYTES, HAK_USE_BLOCK, &memory), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		writers[i].grain = (char *)memory + i * HAK_SUPERSLAB_BYTES;
		writers[i].stop = &stop;
		write_next(&writers[i]);
		ck_assert_int_eq(pthread_create(&thread[i], NULL, write_on, &writers[i]), 0);
	}
	usleep(1000);
	for (unsigned i = 0; i < COVERED; i++)
		ck_assert_int_eq(hak_pagemap_map(FAR_BYTES, HAK_USE_GROWING, &far), 0);
	ck_assert_uint_gt((uintptr_t)far - hak_pagemap.base, (uintptr_t)1 << 30);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
		ck_assert_uint_eq(hak_pagemap_class(writers[i].grain), writers[i].size_class);
		ck_assert_ptr_eq(hak_pagemap_owner(writers[i].grain), owner_of(&writers[i]));
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("arena");

	tcase_add_test(tcase, who_takes_by_turns_with_another_cpu_takes_from_another_arena);
	tcase_add_test(tcase, crossings_are_forgotten);
	tcase_add_test(tcase, threads_take_from_the_arena_of_the_cpu_they_are_on);
	tcase_add_test(tcase, who_is_late_takes_from_the_arena_that_another_thread_got_for_the_cpu);
	tcase_add_test(tcase, heaps_follow_to_an_arena_and_get_none);
	tcase_add_test(tcase, while_ghosts_watch_all_take_from_the_first);
	tcase_add_test(tcase, run_returns_whence_it_came);
	tcase_add_test(tcase, what_one_has_let_go_of_serves_all);
	tcase_add_test(tcase, where_there_is_no_more_memory_others_serve);
	tcase_add_test(tcase, what_may_be_held_is_shared_by_all);
	tcase_add_test(tcase, what_is_lazily_free_is_told_in_order_of_address);
	tcase_add_test(tcase, child_goes_on_with_all_of_them);
	tcase_add_test(tcase, threads_keep_their_blocks_and_the_books_close);
	tcase_add_loop_test(tcase, no_entry_is_lost_where_the_page_map_grows, 0, 16);
	return run_suite("arena", tcase);
}
