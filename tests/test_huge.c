/* SPDX-License-Identifier: MIT */
/* Huge pages: who gets them, who is refused, and that none is split which is mostly in use. */
#include <check.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "huge.h"
#include "kernel_numbers.h"
#include "knobs.h"
#include "lazy.h"
#include "mapping.h"
#include "os.h"
#include "policy.h"
#include "runs.h"
#include "suite.h"
#include "superslab_private.h"

#define MIB ((size_t)1 << 20)

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { FAULTS_TELL = 0 }; /* a sanitizer's shadow takes many more of them */
#else
enum { FAULTS_TELL = 1 };
#endif

/* MADV_COLLAPSE is of Linux 6.1. */
static bool kernel_collapses(void)
{
	static char place[2];

	return hak_os_collapse((void *)((uintptr_t)place & ~(uintptr_t)4095), 0) == 0;
}

/* Whoever started us may not have allowed any, and where pages are larger huge ones are no superslabs. */
static bool has_huge_pages(void)
{
	return prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 0 && !hak_huge_is_refused();
}

static struct hak_slab *touched_run(void)
{
	struct hak_slab *run = acquire_run(HAK_SUPERSLAB_GRAINS, 1);

	memset(run->base, 0x5a, HAK_SUPERSLAB_BYTES);
	return run;
}

/* The "hg" of VmFlags in /proc/self/smaps. */
static bool is_advised_huge(const void *address)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	bool inside = false, huge = false;
	unsigned long start, end;
	char line[4096];

	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (uintptr_t)address && (uintptr_t)address < end;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			huge = strstr(line, " hg") != NULL;
	}
	fclose(smaps);
	return huge;
}

START_TEST(superslabs_that_exist_follow_the_policy_of_huge_pages)
{
	enum { COUNT = 7 };
	struct hak_tally tally = {0};
	struct hak_slab *run[COUNT];

	hak_pagemap_init(3);
	for (unsigned i = 0; i < COUNT; i++) {
		run[i] = touched_run();
		if (i == 2) /* among them something that is none */
			ck_assert_ptr_nonnull(hak_mapping_make(5 * MIB, 1, HAK_USE_BLOCK, &tally));
	}
	ck_assert(!is_advised_huge(run[0]->base) && is_advised_huge(run[COUNT - 1]->base));
	atomic_store(&hak_knobs.thp, HAK_THP_OFF);
	hak_superslab_convert();
	for (unsigned i = 0; i < COUNT; i++)
		ck_assert(!is_advised_huge(run[i]->base));
	atomic_store(&hak_knobs.thp, HAK_THP_ON);
	hak_superslab_convert();
	for (unsigned i = 0; i < COUNT; i++)
		ck_assert(is_advised_huge(run[i]->base));
	atomic_store(&hak_knobs.thp, HAK_THP_AUTO);
	hak_superslab_convert();
	ck_assert(!is_advised_huge(run[0]->base) && is_advised_huge(run[COUNT - 1]->base));
}
END_TEST

START_TEST(superslabs_of_a_process_with_large_mappings_begin_huge)
{
	struct hak_tally tally = {0};
	struct hak_mapping *mapping;

	hak_pagemap_init(3);
	mapping = hak_mapping_make(14 * MIB, 1, HAK_USE_BLOCK, &tally);
	ck_assert(!is_advised_huge(touched_run()->base)); /* none before it, and beside it as much as three */
	ck_assert(is_advised_huge(touched_run()->base));
	hak_mapping_drop(mapping);
	ck_assert(!is_advised_huge(touched_run()->base)); /* two before it */
}
END_TEST

/* Until what was handed out is no news. */
static void let_a_moment_pass(void)
{
	(void)usleep(20000);
}

/* 64 KiB, as a buffer for each connection, and @touched of its 16 grains are. Return: the last. */
static struct hak_slab *buffers(size_t bytes, unsigned touched)
{
	enum { GRAINS = 16 };
	struct hak_slab *run = NULL;

	for (size_t i = 0; i < bytes; i += (size_t)GRAINS << HAK_GRAIN_SHIFT) {
		run = acquire_run(GRAINS, 1);
		memset(run->base, 0x5a, touched << HAK_GRAIN_SHIFT);
	}
	return run;
}

START_TEST(superslabs_of_runs_that_are_hardly_touched_begin_small)
{
	enum { COUNT = 32 };
	struct hak_slab *run;

	hak_pagemap_init(3);
	run = buffers(20 * MIB, 1);
	ck_assert(!hak_superslab_is_huge(run) && !is_advised_huge(run->base));
	/* When all of it is touched after all the next are huge. */
	for (unsigned i = 0; !hak_superslab_is_huge(run = touched_run()); i++)
		ck_assert_uint_lt(i, COUNT);
	ck_assert(is_advised_huge(run->base));
}
END_TEST

START_TEST(superslabs_that_began_small_may_be_huge_once_touched)
{
	enum { COUNT = 64 };
	struct hak_slab *first, *last;

	hak_pagemap_init(3);
	first = buffers(1, 1);
	last = buffers(20 * MIB, 1); /* the lowest place first, so all lie between them */
	for (unsigned i = 0; !hak_superslab_is_huge(touched_run()); i++)
		ck_assert_uint_lt(i, COUNT);
	ck_assert(!hak_superslab_is_huge(last)); /* more than half is touched, and they are not */
	memset(first->base, 0x5a, (size_t)(last->base - first->base));
	(void)touched_run();
	ck_assert(hak_superslab_is_huge(last) && is_advised_huge(last->base));
}
END_TEST

START_TEST(child_knows_nothing_of_what_its_parent_touched)
{
	struct hak_slab *run;
	pid_t child;
	int status;

	hak_pagemap_init(3);
	run = buffers(16 * MIB, 1);
	(void)buffers(4 * MIB, 1);
	hak_superslab_fork_prepare();
	child = fork();
	if (child == 0) {
		hak_superslab_fork_child();
		(void)touched_run();
		_exit(hak_superslab_is_huge(run) ? 1 : 0);
	}
	hak_superslab_fork_parent();
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(superslabs_of_runs_of_which_a_third_is_touched_begin_small)
{
	hak_pagemap_init(3);
	ck_assert(!hak_superslab_is_huge(buffers(20 * MIB, 5)));
}
END_TEST

START_TEST(superslabs_of_runs_that_are_mostly_touched_are_huge)
{
	hak_pagemap_init(3);
	ck_assert(hak_superslab_is_huge(buffers(20 * MIB, 12)));
}
END_TEST

START_TEST(superslabs_of_runs_that_may_be_touched_yet_are_huge)
{
	struct hak_slab *run;

	hak_pagemap_init(3);
	run = buffers(20 * MIB, 0);
	ck_assert(hak_superslab_is_huge(run) && is_advised_huge(run->base));
}
END_TEST

START_TEST(superslabs_of_runs_that_stay_untouched_begin_small)
{
	hak_pagemap_init(3);
	for (unsigned i = 0; i < 3; i++) {
		(void)buffers(10 * MIB, 0);
		let_a_moment_pass();
	}
	ck_assert(!hak_superslab_is_huge(buffers(6 * MIB, 0)));
}
END_TEST

START_TEST(child_of_a_process_that_touches_all_has_huge_superslabs_at_once)
{
	enum { COUNT = 7 };
	pid_t child;
	int status;

	hak_pagemap_init(3);
	for (unsigned i = 0; i < COUNT; i++)
		(void)touched_run();
	hak_superslab_fork_prepare();
	child = fork();
	if (child == 0) {
		hak_superslab_fork_child();
		_exit(hak_superslab_is_huge(touched_run()) ? 0 : 1);
	}
	hak_superslab_fork_parent();
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(large_blocks_that_are_hardly_touched_have_small_pages)
{
	enum { COUNT = 40 };
	struct hak_mapping *mapping[COUNT];
	struct hak_tally tally = {0};

	hak_pagemap_init(3);
	for (unsigned i = 0; i < COUNT; i++) {
		mapping[i] = hak_mapping_make(3 * MIB, 1, HAK_USE_BLOCK, &tally);
		ck_assert(is_advised_huge(mapping[i]->base)); /* all of them may be touched yet */
	}
	hak_mapping_free(mapping[0], &tally);
	hak_mapping_trim(0, HAK_COUNTER_bigcache_evicted_asked, &tally);
	ck_assert(!is_advised_huge(hak_mapping_make(3 * MIB, 1, HAK_USE_BLOCK, &tally)->base));
}
END_TEST

START_TEST(large_blocks_that_are_touched_stay_huge)
{
	enum { ROUNDS = 40 };
	struct hak_tally tally = {0};

	hak_pagemap_init(3);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct hak_mapping *mapping = hak_mapping_make(3 * MIB, 1, HAK_USE_BLOCK, &tally);

		ck_assert(is_advised_huge(mapping->base));
		memset(mapping->block, 1, 3 * MIB);
		hak_mapping_free(mapping, &tally);
		if (i % 2)
			hak_mapping_trim(0, HAK_COUNTER_bigcache_evicted_asked, &tally);
	}
}
END_TEST

/* From here on MADV_COLLAPSE, for which the kernel waits on every busy CPU, is the end of this process. */
static void forbid_collapse(void)
{
	enum { ADVICE = offsetof(struct seccomp_data, args[2]) };
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_madvise, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ADVICE + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_COLLAPSE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(rules) / sizeof(rules[0]), .filter = rules};

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* Resident memory in huge pages around an address. */
static size_t huge_kib(const void *address)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	unsigned long start, end, kib, found = 0;
	bool inside = false;
	char line[4096];

	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (uintptr_t)address && (uintptr_t)address < end;
		else if (inside && sscanf(line, "AnonHugePages: %lu kB", &kib) == 1)
			found = kib;
	}
	fclose(smaps);
	return found;
}

/* A superslab full of runs of @grains, touched. Return: the first. */
static struct hak_slab *filled_superslab(unsigned grains)
{
	struct hak_slab *first = NULL;

	for (unsigned used = 0; used < HAK_SUPERSLAB_GRAINS; used += grains) {
		struct hak_slab *run = acquire_run(grains, 1);

		memset(run->base, 0x5a, (size_t)grains << HAK_GRAIN_SHIFT);
		first = first ? first : run;
	}
	return first;
}

START_TEST(superslabs_that_slabs_have_filled_are_advised_and_not_collapsed)
{
	enum { SLAB = 16, LARGE = 64 };
	struct hak_slab *of_slabs, *of_blocks;

	forbid_collapse();
	hak_pagemap_init(3);
	of_slabs = filled_superslab(SLAB);
	ck_assert(!is_advised_huge(of_slabs->base));
	of_blocks = filled_superslab(LARGE);
	ck_assert(!is_advised_huge(of_slabs->base));
	(void)touched_run();
	ck_assert(is_advised_huge(of_slabs->base));
	for (size_t i = 0; i < (size_t)SLAB << HAK_GRAIN_SHIFT; i += 512)
		ck_assert_int_eq(of_slabs->base[i], 0x5a);
	(void)touched_run();
	ck_assert(!is_advised_huge(of_blocks->base)); /* nobody knows how much of them was touched */
}
END_TEST

START_TEST(huge_pages_that_are_disabled_for_the_process_are_noticed)
{
	enum { COUNT = 8 };
	struct hak_slab *run[COUNT];

	ck_assert_int_eq(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0);
	hak_pagemap_init(3);
	for (unsigned i = 0; i < COUNT; i++)
		run[i] = touched_run();
	ck_assert(hak_huge_is_refused());
	ck_assert(!hak_superslab_is_huge(run[COUNT - 1]) && !is_advised_huge(run[COUNT - 1]->base));
}
END_TEST

START_TEST(huge_pages_that_are_allowed_are_not_found_disabled)
{
	enum { FIRST_HUGE = 4, COUNT = 8 };
	struct hak_slab *run[COUNT];

	hak_pagemap_init(3);
	for (unsigned i = 0; i < COUNT; i++) {
		run[i] = touched_run();
		/* Where memory is short there may be none: then it is found out by trying. */
		if (FAULTS_TELL && i == FIRST_HUGE && huge_kib(run[i]->base) >= HAK_SUPERSLAB_BYTES >> 10)
			forbid_collapse();
	}
	ck_assert(!hak_huge_is_refused());
	ck_assert(hak_superslab_is_huge(run[COUNT - 1]));
}
END_TEST

START_TEST(system_that_says_never_is_obeyed_and_when_it_says_otherwise_again)
{
	static struct hak_control_header control;
	enum { COUNT = 7 };
	struct hak_slab *run[COUNT];

	hak_pagemap_init(3);
	for (unsigned i = 0; i < COUNT; i++)
		run[i] = touched_run();
	ck_assert(is_advised_huge(run[COUNT - 1]->base));
	atomic_store(&control.system_thp, HAK_SYSTEM_THP_NEVER);
	ck_assert(hak_huge_follow_system(&control) && !hak_huge_follow_system(&control));
	hak_superslab_convert();
	ck_assert(!is_advised_huge(run[COUNT - 1]->base));
	atomic_store(&control.system_thp, HAK_SYSTEM_THP_SOME);
	ck_assert(hak_huge_follow_system(&control));
	hak_superslab_convert();
	ck_assert(is_advised_huge(run[COUNT - 1]->base));
}
END_TEST

START_TEST(huge_pages_that_are_mostly_live_are_split_only_when_cold)
{
	enum { COUNT = 16, HALVES = 2, HALF = HAK_SUPERSLAB_GRAINS / HALVES, QUARTER = HALF / 2 };
	struct hak_slab *run[COUNT][HALVES];
	size_t dirty_bytes;

	hak_pagemap_init(3);
	hak_lazy_set(&hak_lazy.allowed, true); /* nothing is kept unearned */
	atomic_store(&hak_knobs.thp, HAK_THP_ON);
	for (unsigned i = 0; i < COUNT; i++)
		for (unsigned j = 0; j < HALVES; j++) {
			run[i][j] = acquire_run(HALF, 1);
			memset(run[i][j]->base, 1, (size_t)HALF << HAK_GRAIN_SHIFT);
		}
	for (unsigned i = 0; i < COUNT; i++)
		hak_superslab_shorten(run[i][1], QUARTER);
	dirty_bytes = hak_superslab_stats().dirty_bytes;
	ck_assert_uint_ge(dirty_bytes, COUNT * MIB / 2);
	(void)hak_superslab_purge(HAK_KEEP_ALLOWED);
	ck_assert_uint_eq(hak_superslab_stats().dirty_bytes, dirty_bytes);
	hak_superslab_set_purge_due(false);
	hak_arena_note_freed(&hak_arenas[0]);
	ck_assert(!hak_superslab_is_purge_due());
	for (unsigned i = 0; i < COUNT; i++) {
		struct hak_superslab *superslab = hak_pagemap_owner(run[i][0]->base);

		ck_assert(is_advised_huge(run[i][0]->base));
		superslab->freed_msec -= 5000;
	}
	(void)hak_superslab_purge(HAK_KEEP_ALLOWED);
	ck_assert_uint_le(hak_superslab_stats().dirty_bytes, 4 * MIB);
	ck_assert(!is_advised_huge(run[COUNT - 1][0]->base)); /* or khugepaged would fill it up */
	for (unsigned i = 0; i < COUNT; i++)
		ck_assert_int_eq(run[i][0]->base[0], 1);
}
END_TEST

START_TEST(ends_of_large_blocks_are_huge_up_to_a_sixth_of_all_that_is_mapped)
{
	enum { COUNT = 10 };
	struct hak_mapping *mapping[COUNT];
	struct hak_tally tally = {0};
	size_t ends = 0, live_ends = 0;

	hak_pagemap_init(3);
	for (unsigned i = 0; i < COUNT; i++) {
		mapping[i] = hak_mapping_make(3 * MIB, 1, HAK_USE_BLOCK, &tally);
		memset(mapping[i]->block, 1, 3 * MIB);
		ck_assert_uint_eq(mapping[i]->mapped_bytes, 4 * MIB);
		ends += mapping[i]->huge_bytes == 4 * MIB;
		ck_assert(is_advised_huge(mapping[i]->base));
		ck_assert(is_advised_huge(mapping[i]->base + 3 * MIB) ==
			  (mapping[i]->huge_bytes == 4 * MIB));
		ck_assert_uint_eq(ends, (i + 1) * 4 / 6); /* MiB wasted, of so many mapped */
	}
	/* What is freed wastes nothing any more. */
	for (unsigned i = 0; i < COUNT; i++)
		hak_mapping_drop(mapping[i]);
	for (unsigned i = 0; i < 3; i++) {
		mapping[i] = hak_mapping_make(3 * MIB, 1, HAK_USE_BLOCK, &tally);
		live_ends += mapping[i]->huge_bytes == 4 * MIB;
	}
	ck_assert_uint_eq(live_ends, 2);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("huge");

	tcase_set_timeout(tcase, 600);
	if (kernel_collapses())
		tcase_add_test(tcase, huge_pages_that_are_disabled_for_the_process_are_noticed);
	if (!hak_huge_is_refused())
		tcase_add_test(tcase, ends_of_large_blocks_are_huge_up_to_a_sixth_of_all_that_is_mapped);
	if (has_huge_pages()) {
		tcase_add_test(tcase, superslabs_that_exist_follow_the_policy_of_huge_pages);
		tcase_add_test(tcase, superslabs_of_a_process_with_large_mappings_begin_huge);
		if (FAULTS_TELL) {
			tcase_add_test(tcase, superslabs_of_runs_that_are_hardly_touched_begin_small);
			tcase_add_test(tcase, superslabs_of_runs_of_which_a_third_is_touched_begin_small);
			tcase_add_test(tcase, superslabs_that_began_small_may_be_huge_once_touched);
			tcase_add_test(tcase, child_knows_nothing_of_what_its_parent_touched);
			tcase_add_test(tcase, superslabs_of_runs_that_are_mostly_touched_are_huge);
			tcase_add_test(tcase, superslabs_of_runs_that_may_be_touched_yet_are_huge);
			tcase_add_test(tcase, superslabs_of_runs_that_stay_untouched_begin_small);
			tcase_add_test(tcase, large_blocks_that_are_hardly_touched_have_small_pages);
		}
		tcase_add_test(tcase, child_of_a_process_that_touches_all_has_huge_superslabs_at_once);
		tcase_add_test(tcase, large_blocks_that_are_touched_stay_huge);
		tcase_add_test(tcase, superslabs_that_slabs_have_filled_are_advised_and_not_collapsed);
		tcase_add_test(tcase, huge_pages_that_are_allowed_are_not_found_disabled);
		tcase_add_test(tcase, system_that_says_never_is_obeyed_and_when_it_says_otherwise_again);
		tcase_add_test(tcase, huge_pages_that_are_mostly_live_are_split_only_when_cold);
	}
	return run_suite("huge", tcase);
}
