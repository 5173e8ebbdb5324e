/* SPDX-License-Identifier: MIT */
/*
 * Begin, end and fork of the process. Allocation works before the constructor and after the destructor; they
 * only join the process to the rest of the system.
 *
 * Order of locks for fork: games, process, orphan, threads, heap registry, every heap, BigCache, mappings,
 * superslabs, page map, meta. Handlers registered first are called last before a fork and first after it, so
 * ours leave allocation usable in everybody else's (api_atfork.c).
 *
 * A signal handler that interrupted a visit may fork as well, where the process has one thread: that may hold
 * any of the locks, so none is taken, and the visit goes on in both processes.
 */
#include "lifecycle.h"

#include <pthread.h>
#include <stdatomic.h>

#include "alloc.h"
#include "games.h"
#include "heap.h"
#include "mapping.h"
#include "meta.h"
#include "os.h"
#include "process.h"
#include "stats.h"
#include "superslab.h"

static void fork_prepare(void)
{
	if (hak_thread_is_busy())
		return;
	hak_games_fork_prepare();
	hak_process_fork_prepare();
	hak_thread_fork_prepare();
	hak_heap_fork_prepare();
	hak_mapping_fork_prepare();
	hak_superslab_fork_prepare();
	hak_meta_fork_prepare();
}

static void fork_parent(void)
{
	hak_os_count(HAK_COUNTER_forks, 1);
	hak_process_has_forked();
	if (hak_thread_is_busy())
		return;
	hak_meta_fork_parent();
	hak_superslab_fork_parent();
	hak_mapping_fork_parent();
	hak_heap_fork_parent();
	hak_thread_fork_parent();
	hak_process_fork_parent();
	hak_games_fork_parent();
}

static void fork_child(void)
{
	hak_process_has_forked();
	if (!hak_thread_is_busy()) {
		hak_meta_fork_child();
		hak_superslab_fork_child();
		hak_mapping_fork_child();
		hak_heap_fork_child(hak_self->heap);
		hak_thread_fork_child(); /* flushes bins: the last */
	}
	hak_stats_fork_child();
	hak_process_fork_child();
	hak_games_fork_child();
}

void hak_lifecycle_watch_forks(void)
{
	static atomic_flag watched = ATOMIC_FLAG_INIT;

	/* relaxed: the first handlers are registered before there are threads */
	if (atomic_flag_test_and_set_explicit(&watched, memory_order_relaxed))
		return;
	/* Fails for lack of memory only; forks of threaded programs are then as safe as without handlers. */
	(void)pthread_atfork(fork_prepare, fork_parent, fork_child);
}

__attribute__((constructor(101))) static void begin(void)
{
	hak_lifecycle_watch_forks();
	hak_process_init();
	hak_stats_begin();
}

__attribute__((destructor(101))) static void end(void)
{
	struct hak_telemetry_slot *slot = atomic_load_explicit(&hak_process.slot, memory_order_acquire);
	struct hak_stats stats;

	if (!slot)
		return;
	hak_alloc_stats(&stats); /* settles our own bins */
	hak_stats_publish();
	/* release: the final numbers come before the word that they are final */
	atomic_store_explicit(&slot->state, HAK_SLOT_EXITED, memory_order_release);
}
