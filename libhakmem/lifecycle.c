/* SPDX-License-Identifier: MIT */
/*
 * Begin, end and fork of the process. Allocation works before the constructor and after the destructor; they
 * only join the process to the rest of the system.
 *
 * Order of locks for fork: games, process, orphan, threads, heap registry, every heap, BigCache, mappings,
 * superslabs, page map, meta. Handlers registered first are called last before a fork and first after it, so
 * ours leave allocation usable in everybody else's (api_atfork.c).
 *
 * Before them the list of open streams: libc itself locks it, but after ours, and who flushes all of them
 * holds it while it waits for one whose user allocates.
 *
 * Before that the registration of handlers: libc locks their list again when ours have run, and allocates
 * with that lock held where the list grows.
 *
 * A process of one thread takes none. So a signal handler may fork there whatever it interrupted: a visit,
 * which may hold any of them and goes on in both processes, or a fork, which does as well.
 */
#include "lifecycle.h"

#include <gnu/libc-version.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/single_threaded.h>

#include "alloc.h"
#include "games.h"
#include "heap.h"
#include "lock.h"
#include "mapping.h"
#include "meta.h"
#include "os.h"
#include "process.h"
#include "stats.h"
#include "superslab.h"

/* Of glibc, exported and in no header. The lock counts how often its thread has taken it. */
void _IO_list_lock(void);
void _IO_list_unlock(void);
void _IO_list_resetlock(void);

static __thread struct {
	unsigned depth; /* forks that have begun, one inside the other by signal handlers */
	bool locked;    /* by the outermost */
} forks;

static struct hak_lock registration;

/*
 * Before 2.36 libc keeps the list of handlers locked while they run: nobody registers then, and who waits to
 * must not hold what ours wait for.
 */
static bool libc_unlocks_for_handlers(void)
{
	return strverscmp(gnu_get_libc_version(), "2.36") >= 0;
}

bool hak_lifecycle_hold_forks(void)
{
	/* The version comes last: each program passes here as it starts, and libc has it far away. */
	if (__libc_single_threaded || !libc_unlocks_for_handlers())
		return false;
	hak_lock_acquire(&registration);
	return true;
}

void hak_lifecycle_let_fork(void)
{
	hak_lock_release(&registration);
}

static void fork_prepare(void)
{
	if (++forks.depth > 1 || __libc_single_threaded || hak_thread_is_busy())
		return;
	hak_lock_acquire(&registration);
	_IO_list_lock();
	hak_games_fork_prepare();
	hak_process_fork_prepare();
	hak_thread_fork_prepare();
	hak_heap_fork_prepare();
	hak_mapping_fork_prepare();
	hak_superslab_fork_prepare();
	hak_meta_fork_prepare();
	forks.locked = true;
}

static void unlock_in_parent(void)
{
	hak_meta_fork_parent();
	hak_superslab_fork_parent();
	hak_mapping_fork_parent();
	hak_heap_fork_parent();
	hak_thread_fork_parent();
	hak_process_fork_parent();
	hak_games_fork_parent();
	_IO_list_unlock();
	hak_lock_release(&registration);
	forks.locked = false;
}

static void fork_parent(void)
{
	hak_os_count(HAK_COUNTER_forks, 1);
	hak_process_has_forked();
	if (forks.depth == 1 && forks.locked)
		unlock_in_parent();
	forks.depth--;
}

static void reset_in_child(void)
{
	hak_meta_fork_child();
	hak_superslab_fork_child();
	hak_mapping_fork_child();
	hak_heap_fork_child(hak_self->heap);
	hak_thread_fork_child(); /* flushes bins: the last */
	hak_lock_reset(&registration);
	if (forks.locked)
		_IO_list_resetlock(); /* as libc has done where it, too, knew of threads */
	forks.locked = false;
}

static void fork_child(void)
{
	hak_process_has_forked();
	if (forks.depth == 1 && !hak_thread_is_busy())
		reset_in_child();
	hak_stats_fork_child();
	hak_process_fork_child();
	hak_games_fork_child();
	forks.depth--;
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
