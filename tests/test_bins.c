/* SPDX-License-Identifier: MIT */
/* The bins of threads: how often they are visited, how deep they become, what ended threads leave. */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "alloc.h"
#include "os.h"
#include "stats.h"
#include "suite.h"
#include "superslab_private.h"
#include "telemetry.h"

enum { LIVE = 3000 };

START_TEST(ping_pong_visits_the_slow_path_at_least_every_128_frees)
{
	struct hak_stats before, after;

	for (int i = 0; i < 1000; i++)
		hak_alloc_free(hak_alloc_malloc(48));
	hak_alloc_stats(&before);
	for (int i = 0; i < 128000; i++)
		hak_alloc_free(hak_alloc_malloc(48));
	hak_alloc_stats(&after);
	ck_assert_uint_eq(after.counter[HAK_COUNTER_free_count] - before.counter[HAK_COUNTER_free_count],
			  128000);
	ck_assert_uint_ge(after.counter[HAK_COUNTER_slow_visits] - before.counter[HAK_COUNTER_slow_visits],
			  1000);
	ck_assert_uint_le(after.counter[HAK_COUNTER_slow_visits] - before.counter[HAK_COUNTER_slow_visits],
			  1100);
}
END_TEST

static void *free_all(void *argument)
{
	void **blocks = argument;

	for (unsigned i = 0; i < LIVE; i++)
		hak_alloc_free(blocks[i]);
	return NULL;
}

START_TEST(blocks_of_a_stranger_come_home)
{
	static void *blocks[LIVE];
	struct hak_stats stats;
	pthread_t thread;

	for (unsigned i = 0; i < LIVE; i++)
		blocks[i] = hak_alloc_malloc(80);
	ck_assert_int_eq(pthread_create(&thread, NULL, free_all, blocks), 0);
	pthread_join(thread, NULL);
	hak_thread_flush_kept();
	hak_alloc_stats(&stats);
	ck_assert_uint_eq(stats.counter[HAK_COUNTER_free_ss_remote], LIVE);
	ck_assert_uint_lt(stats.counter[HAK_COUNTER_remote_posts], LIVE / 4);
	/* The owner finds them again. */
	for (unsigned i = 0; i < LIVE; i++)
		blocks[i] = hak_alloc_malloc(80);
	hak_alloc_stats(&stats);
	ck_assert_uint_gt(stats.counter[HAK_COUNTER_refill_remote], 0);
}
END_TEST

static uint64_t bins_bytes_now(void)
{
	struct hak_stats stats;

	hak_alloc_stats(&stats);
	return stats.gauge[HAK_GAUGE_bins_bytes];
}

/* Half of what others keep. */
enum { GIVERS_BYTES = 64 * 80 };

/* Return: the most that all bins held meanwhile. */
static uint64_t free_and_watch(void **blocks, unsigned count)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < count; i++) {
		hak_alloc_free(blocks[i]);
		if (bins_bytes_now() > most)
			most = bins_bytes_now();
	}
	return most;
}

static void *free_all_then_take(void *argument)
{
	void *blocks[100];
	uint64_t before = bins_bytes_now();

	ck_assert_uint_le(free_and_watch(argument, LIVE), before + GIVERS_BYTES);
	/* Who takes after all has deeper bins. */
	for (unsigned i = 0; i < 100; i++)
		blocks[i] = hak_alloc_malloc(80);
	ck_assert_uint_gt(free_and_watch(blocks, 100), before + GIVERS_BYTES);
	return NULL;
}

START_TEST(a_thread_that_only_frees_keeps_little)
{
	static void *blocks[LIVE];
	pthread_t thread;

	for (unsigned i = 0; i < LIVE; i++)
		blocks[i] = hak_alloc_malloc(80);
	ck_assert_int_eq(pthread_create(&thread, NULL, free_all_then_take, blocks), 0);
	pthread_join(thread, NULL);
}
END_TEST

/* Through arrays of several lengths. */
START_TEST(a_bin_that_overflows_and_runs_empty_deepens)
{
	static void *blocks[LIVE];
	struct hak_stats before, after;
	unsigned some = _i ? 300 : LIVE;

	for (unsigned round = 0; round < 20; round++) {
		hak_alloc_stats(&before);
		for (unsigned i = 0; i < some; i++) {
			blocks[i] = hak_alloc_malloc(64);
			memset(blocks[i], (int)i, 64);
		}
		for (unsigned i = 0; i < some; i++) {
			ck_assert_uint_eq(*(unsigned char *)blocks[i], i & 255);
			hak_alloc_free(blocks[i]);
		}
	}
	hak_alloc_stats(&after);
	ck_assert_uint_eq(after.counter[HAK_COUNTER_refill_blocks],
			  before.counter[HAK_COUNTER_refill_blocks]);
	ck_assert_uint_eq(after.counter[HAK_COUNTER_early_bin_full],
			  before.counter[HAK_COUNTER_early_bin_full]);
	ck_assert_uint_ge(after.gauge[HAK_GAUGE_bins_bytes], some * 64);
}
END_TEST

static void make_and_free(size_t block_bytes, unsigned count)
{
	static void *blocks[8192];

	ck_assert_uint_le(count, 8192);
	for (unsigned i = 0; i < count; i++)
		blocks[i] = hak_alloc_malloc(block_bytes);
	for (unsigned i = 0; i < count; i++)
		hak_alloc_free(blocks[i]);
}

/* What bins hold of blocks of several sizes, 4 MiB each, that a program frees and wants again by turns. */
static uint64_t kept_of_wide(const size_t *block_bytes, unsigned sizes)
{
	for (unsigned round = 0; round < 20; round++)
		for (unsigned i = 0; i < sizes; i++)
			make_and_free(block_bytes[i], (unsigned)((4 << 20) / block_bytes[i]));
	return bins_bytes_now();
}

static const size_t wide_bytes[] = {4096, 8192, 16384};
enum { USUAL_BYTES = 256 << 10 }; /* of three bins and some */

START_TEST(bins_of_wide_blocks_keep_more)
{
	ck_assert_uint_ge(kept_of_wide(wide_bytes, 1), 4 << 20);
	ck_assert_uint_ge(kept_of_wide(wide_bytes, 2), 8 << 20);
	ck_assert_uint_le(kept_of_wide(wide_bytes, 3), HAK_BINS_WIDE_BYTES + USUAL_BYTES);
	/* Of others a thread keeps what it did. */
	for (unsigned round = 0; round < 20; round++)
		make_and_free(512, 8192);
	ck_assert_uint_le(bins_bytes_now(), HAK_BINS_WIDE_BYTES + HAK_BINS_DEEP_BYTES + USUAL_BYTES);
}
END_TEST

static void *keep_a_part(void *argument)
{
	ck_assert_uint_le(kept_of_wide(wide_bytes, 2), HAK_BINS_WIDE_BYTES / 2 + USUAL_BYTES);
	ck_assert_uint_eq(hak_thread_count(), 2);
	return argument;
}

START_TEST(threads_share_what_bins_of_wide_blocks_keep)
{
	pthread_t thread;

	hak_alloc_free(hak_alloc_malloc(4096));
	ck_assert_int_eq(pthread_create(&thread, NULL, keep_a_part, NULL), 0);
	pthread_join(thread, NULL);
}
END_TEST

static void *allocate_some(void *argument)
{
	for (unsigned i = 0; i < 500; i++)
		hak_alloc_free(hak_alloc_malloc(i));
	return argument;
}

START_TEST(heaps_of_ended_threads_are_used_again)
{
	struct hak_stats stats;

	for (unsigned i = 0; i < 300; i++) {
		pthread_t thread;

		ck_assert_int_eq(pthread_create(&thread, NULL, allocate_some, NULL), 0);
		pthread_join(thread, NULL);
	}
	hak_alloc_stats(&stats);
	ck_assert_uint_le(stats.gauge[HAK_GAUGE_heaps], 3);
	ck_assert_uint_ge(stats.counter[HAK_COUNTER_heaps_adopted], 290);
	ck_assert_uint_eq(stats.gauge[HAK_GAUGE_threads], 1);
	ck_assert_uint_eq(stats.gauge[HAK_GAUGE_live_bytes], 0);
}
END_TEST

static void *allocate_hundred(void *argument)
{
	void *blocks[100];

	for (unsigned i = 0; i < 100; i++)
		blocks[i] = hak_alloc_malloc(i % 2 ? 64 : 320);
	for (unsigned i = 0; i < 100; i++)
		hak_alloc_free(blocks[i]);
	return argument;
}

static void run_thread(void *(*start)(void *))
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, start, NULL), 0);
	pthread_join(thread, NULL);
}

START_TEST(bins_of_an_ended_thread_serve_the_next)
{
	struct hak_stats first, then;

	hak_alloc_free(hak_alloc_malloc(1)); /* this thread has bins of its own */
	run_thread(allocate_hundred);
	hak_alloc_stats(&first);
	ck_assert_uint_gt(first.gauge[HAK_GAUGE_bins_bytes], 0);
	ck_assert_uint_eq(first.gauge[HAK_GAUGE_live_bytes], 0);
	for (unsigned i = 0; i < 100; i++)
		run_thread(allocate_hundred);
	hak_alloc_stats(&then);
	ck_assert_uint_eq(then.counter[HAK_COUNTER_refill_blocks], first.counter[HAK_COUNTER_refill_blocks]);
	ck_assert_uint_eq(then.counter[HAK_COUNTER_alloc_count] - first.counter[HAK_COUNTER_alloc_count],
			  10000);
	(void)hak_alloc_trim(0);
	hak_alloc_stats(&then);
	ck_assert_uint_eq(then.gauge[HAK_GAUGE_bins_bytes], 0);
}
END_TEST

static pthread_barrier_t all_hold;

static void *allocate_and_wait(void *argument)
{
	pthread_barrier_wait(&all_hold);
	return allocate_hundred(argument);
}

START_TEST(many_threads_that_end_leave_few_bins)
{
	enum { THREADS = 40, KEPT = 8 };
	pthread_t thread[THREADS];
	struct hak_stats stats;

	pthread_barrier_init(&all_hold, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, allocate_and_wait, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	hak_alloc_stats(&stats);
	ck_assert_uint_gt(stats.gauge[HAK_GAUGE_bins_bytes], 0);
	ck_assert_uint_le(stats.gauge[HAK_GAUGE_bins_bytes], KEPT * 256 << 10);
}
END_TEST

static cpu_set_t cpus_allowed(void)
{
	cpu_set_t allowed;

	CPU_ZERO(&allowed);
	(void)sched_getaffinity(0, sizeof(allowed), &allowed); /* none, where that fails */
	return allowed;
}

struct worker {
	pthread_t thread;
	int cpu;
	void *block;
};

static void *allocate_on_cpu(void *argument)
{
	struct worker *worker = argument;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(worker->cpu, &set);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);
	__atomic_store_n(&worker->block, hak_alloc_malloc(48), __ATOMIC_RELEASE);
	pthread_barrier_wait(&all_hold);
	hak_alloc_free(worker->block);
	return NULL;
}

/* The first is the first to allocate, and to end. */
static void run_two_at_once(struct worker *first, struct worker *second)
{
	pthread_barrier_init(&all_hold, NULL, 2);
	first->block = second->block = NULL;
	ck_assert_int_eq(pthread_create(&first->thread, NULL, allocate_on_cpu, first), 0);
	while (!__atomic_load_n(&first->block, __ATOMIC_ACQUIRE))
		sched_yield();
	ck_assert_int_eq(pthread_create(&second->thread, NULL, allocate_on_cpu, second), 0);
	pthread_join(first->thread, NULL);
	pthread_join(second->thread, NULL);
}

/* Else they would go on in each other's cache lines. In either order: the first to come could take any. */
START_TEST(next_thread_goes_on_with_what_ended_on_its_cpu)
{
	struct worker worker[2] = {{.cpu = -1}, {.cpu = -1}};
	cpu_set_t allowed = cpus_allowed();
	void *block[2];

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			worker[worker[0].cpu >= 0].cpu = cpu;
	run_two_at_once(&worker[0], &worker[1]);
	block[0] = worker[0].block;
	block[1] = worker[1].block;
	run_two_at_once(&worker[_i], &worker[1 - _i]);
	ck_assert_ptr_eq(worker[0].block, block[0]);
	ck_assert_ptr_eq(worker[1].block, block[1]);
}
END_TEST

/* As where a thread is interrupted between reading two books, and others go on for a while. */
START_TEST(books_of_different_moments_make_no_gauge_negative)
{
	struct hak_stats stats;

	hak_alloc_free(hak_alloc_malloc(48));
	hak_os_count(HAK_COUNTER_free_bytes, 1 << 30);
	hak_hot_and_out_add(&hak_self->hot, (size_t)1 << 40);
	hak_arenas[0].given_grains += 1 << 20;
	hak_alloc_stats(&stats);
	for (unsigned i = 0; i < HAK_GAUGE_COUNT; i++)
		ck_assert_msg(stats.gauge[i] <= HAK_TELEMETRY_ADDRESS_MAX, "%s",
			      hak_gauge_name((enum hak_gauge)i));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("bins");
	cpu_set_t allowed = cpus_allowed();

	tcase_add_test(tcase, ping_pong_visits_the_slow_path_at_least_every_128_frees);
	tcase_add_test(tcase, blocks_of_a_stranger_come_home);
	tcase_add_test(tcase, a_thread_that_only_frees_keeps_little);
	tcase_add_loop_test(tcase, a_bin_that_overflows_and_runs_empty_deepens, 0, 2);
	tcase_add_test(tcase, bins_of_wide_blocks_keep_more);
	tcase_add_test(tcase, threads_share_what_bins_of_wide_blocks_keep);
	tcase_add_test(tcase, heaps_of_ended_threads_are_used_again);
	tcase_add_test(tcase, bins_of_an_ended_thread_serve_the_next);
	if (CPU_COUNT(&allowed) >= 2) /* of one all is "its CPU" */
		tcase_add_loop_test(tcase, next_thread_goes_on_with_what_ended_on_its_cpu, 0, 2);
	tcase_add_test(tcase, many_threads_that_end_leave_few_bins);
	tcase_add_test(tcase, books_of_different_moments_make_no_gauge_negative);
	return run_suite("bins", tcase);
}
