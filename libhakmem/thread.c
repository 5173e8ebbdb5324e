/* SPDX-License-Identifier: MIT */
#include "thread.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>

#include "bins.h"
#include "meta.h"
#include "os.h"

/*
 * Ended threads leave bins that hold little for the next thread, which then need not fill its own. Those that
 * nobody comes for are emptied when memory is short, on request, and by malloc_trim().
 */
enum { KEPT_THREADS = 8, KEPT_BYTES = 256 << 10 };

/* So many threads have bins of the usual depth; more get bins of half of it at each doubling. */
enum { DEEP_THREADS = 16, SHALLOWEST = 4 };

/*
 * The last that a detached thread does, after all destructors, is to free what libc has allocated for stacks
 * that it unmaps, once for each. Bins that it got for that nobody would ever take back. So the first frees of
 * a thread that has not allocated go to the orphan.
 */
enum { LAST_FREES = 64 };

enum thread_state { THREAD_FRESH, THREAD_ATTACHED, THREAD_ENDED };

void *hak_empty_bin[2];
const struct hak_thread hak_thread_none = {
	.top = {[0 ... HAK_CLASS_COUNT - 1] = &hak_empty_bin[1]},
};
__thread struct hak_thread *hak_self __attribute__((tls_model("initial-exec"))) =
	(struct hak_thread *)&hak_thread_none; /* never written to */
static __thread struct {
	enum thread_state state;
	unsigned first_frees;
	bool is_orphan; /* in a visit */
} own __attribute__((tls_model("initial-exec")));

/* The orphan serves whoever cannot have bins: threads that run destructors after ours. */
static struct hak_thread orphan;
static struct hak_lock orphan_lock;

static struct {
	struct hak_thread thread;
	void *slots[HAK_BIN_SLOTS];
} first;

static struct {
	struct hak_lock lock;
	_Atomic(struct hak_thread *) all;
	unsigned taken; /* those that a thread owns */
	unsigned kept;  /* ended, with bins that are not empty */
	bool initialised;
	bool first_used;
	pthread_key_t key; /* its destructor tells us that a thread ends */
	bool have_key;
} threads;

_Atomic unsigned hak_threads_made;

static void end_of_thread(void *pointer);

/* The kernel's 16 random bytes; what we derive from them (an address) does not reveal them. */
static uint64_t random_seed(void)
{
	const char *random = (const char *)getauxval(AT_RANDOM);
	uint64_t words[2] = {0};

	if (random)
		memcpy(words, random, sizeof(words));
	return words[0] >> 17 ^ words[1] << 3;
}

/* Before anything else: caller holds the lock. */
static void initialise(void)
{
	hak_pagemap_init(random_seed());
	threads.have_key = pthread_key_create(&threads.key, end_of_thread) == 0;
	threads.initialised = true;
}

static void publish_thread(struct hak_thread *thread)
{
	thread->next = atomic_load_explicit(&threads.all, memory_order_relaxed);
	atomic_fetch_add_explicit(&hak_threads_made, 1, memory_order_relaxed); /* a gauge */
	/* release: pairs with the acquire in hak_thread_all() */
	atomic_store_explicit(&threads.all, thread, memory_order_release);
}

static struct hak_thread *make_thread(void)
{
	__typeof__(first) *made = threads.first_used ? hak_meta_alloc(sizeof(*made)) : &first;

	if (!made)
		return NULL;
	threads.first_used = true;
	made->thread.slots = made->slots;
	publish_thread(&made->thread);
	return &made->thread;
}

/*
 * Caller holds the lock. Rather one with blocks in its bins, and of those one whose last owner ended on this
 * CPU: there they are cached. If two threads exchanged what their predecessors left, each would go on with
 * blocks that lie in the other's cache lines.
 */
static struct hak_thread *find_unused(void)
{
	enum { RANK_MOST = 3 };
	struct hak_thread *thread = atomic_load_explicit(&threads.all, memory_order_relaxed), *best = NULL;
	int cpu = hak_os_cpu(), best_rank = -1;

	for (; thread && best_rank < RANK_MOST; thread = thread->next) {
		int rank;

		if (atomic_load_explicit(&thread->active, memory_order_relaxed) || thread == &orphan)
			continue;
		rank = 2 * thread->kept + (thread->last_cpu == cpu); /* at most RANK_MOST */
		if (rank > best_rank) {
			best = thread;
			best_rank = rank;
		}
	}
	return best;
}

/* A thousand threads that rest must not each hold what a few that work may. */
static uint8_t shallower_by(unsigned taken)
{
	uint8_t shift = 0;

	while (shift < SHALLOWEST && taken > (unsigned)DEEP_THREADS << shift)
		shift++;
	return shift;
}

/* Caller holds the lock. Return: are there blocks in its bins? */
static bool take_over(struct hak_thread *thread)
{
	bool kept = thread->kept;

	atomic_store_explicit(&thread->active, true, memory_order_relaxed);
	threads.taken++;
	if (!kept)
		thread->shallower = shallower_by(threads.taken);
	thread->kept = false;
	threads.kept -= kept;
	return kept;
}

static struct hak_thread *attach(void)
{
	struct hak_thread *thread;
	bool kept = false;

	hak_lock_acquire(&threads.lock);
	if (!threads.initialised)
		initialise();
	thread = find_unused();
	if (!thread)
		thread = make_thread();
	if (thread)
		kept = take_over(thread);
	hak_lock_release(&threads.lock);
	if (!thread)
		return NULL;
	thread->heap = hak_heap_attach(thread->heap, &thread->tally);
	if (!kept)
		hak_bins_init(thread, true);
	thread->policy_epoch = 0; /* of no policy: the first visit obeys the one in force */
	hak_self = thread;
	own.state = THREAD_ATTACHED;
	/* May allocate: hak_self is set. Where it fails the bins are lost when the thread ends. */
	if (threads.have_key)
		(void)pthread_setspecific(threads.key, thread);
	return thread;
}

/* As hak_thread_set_busy(): a signal handler may ask. */
static void set_orphan(bool is_orphan)
{
	atomic_signal_fence(memory_order_seq_cst);
	own.is_orphan = is_orphan;
	atomic_signal_fence(memory_order_seq_cst);
}

static struct hak_thread *enter_orphan(void)
{
	set_orphan(true);
	hak_lock_acquire(&orphan_lock);
	if (!orphan.heap) {
		orphan.heap = hak_heap_attach(NULL, &orphan.tally);
		hak_bins_init(&orphan, false);
		hak_lock_acquire(&threads.lock);
		publish_thread(&orphan);
		hak_lock_release(&threads.lock);
	}
	return &orphan;
}

static bool may_attach(bool frees)
{
	if (own.state != THREAD_FRESH)
		return false;
	/* Where there is no thread yet nothing is initialised, nor anything to be freed. */
	return !frees || hak_thread_count() == 0 || own.first_frees++ >= LAST_FREES;
}

struct hak_thread *hak_thread_enter(bool frees)
{
	struct hak_thread *thread = hak_self;

	if (hak_unlikely(thread == &hak_thread_none)) {
		thread = may_attach(frees) ? attach() : NULL;
		if (!thread)
			thread = enter_orphan();
		hak_tally_add(&thread->tally, HAK_COUNTER_early_no_thread, 1);
	}
	hak_thread_set_busy(thread, true);
	return thread;
}

void hak_thread_leave(struct hak_thread *thread)
{
	hak_thread_set_busy(thread, false);
	if (hak_unlikely(thread == &orphan)) {
		hak_lock_release(&orphan_lock);
		set_orphan(false);
	}
}

bool hak_thread_is_busy(void)
{
	/* relaxed: our own */
	return own.is_orphan || atomic_load_explicit(&hak_self->busy, memory_order_relaxed);
}

void hak_thread_set_bins(struct hak_thread *thread, bool bins_on, uint32_t epoch)
{
	thread->policy_epoch = epoch;
	if (thread == &orphan)
		return;
	hak_hot_flush(&thread->hot, &thread->tally); /* the policy may advise mappings otherwise */
	if (thread->bins_on == bins_on)
		return;
	hak_bins_flush(thread);
	hak_bins_init(thread, bins_on);
}

struct hak_thread *hak_thread_all(void)
{
	/* acquire: pairs with the release in publish_thread() */
	return atomic_load_explicit(&threads.all, memory_order_acquire);
}

/* Caller holds the lock. relaxed: who reuses it takes the lock, too */
static void disown(struct hak_thread *thread)
{
	atomic_store_explicit(&thread->active, false, memory_order_relaxed);
	atomic_store_explicit(&thread->busy, false, memory_order_relaxed);
	threads.taken--;
}

static void let_go(struct hak_thread *thread)
{
	hak_lock_acquire(&threads.lock);
	disown(thread);
	hak_lock_release(&threads.lock);
}

/* Let go of it with what its bins hold. Return: false: that is too much. */
static bool hand_on(struct hak_thread *thread)
{
	bool kept;

	hak_lock_acquire(&threads.lock);
	kept = threads.kept < KEPT_THREADS &&
	       atomic_load_explicit(&thread->held_bytes, memory_order_relaxed) <= KEPT_BYTES;
	if (kept) {
		thread->kept = true;
		threads.kept++;
		disown(thread);
	}
	hak_lock_release(&threads.lock);
	return kept;
}

static void end_of_thread(void *pointer)
{
	struct hak_thread *thread = pointer;
	int saved_errno = errno;

	/* Other destructors may still allocate: they get the orphan. */
	hak_self = (struct hak_thread *)&hak_thread_none;
	own.state = THREAD_ENDED;
	/* As in a visit: a child that is forked in the middle of it must leave these bins alone. */
	hak_thread_set_busy(thread, true);
	/* Where a purge is due, the next visit of any thread does it. */
	hak_bins_settle(thread);
	hak_hot_flush(&thread->hot, &thread->tally);
	hak_heap_detach(thread->heap);
	thread->last_cpu = hak_os_cpu();
	if (!hand_on(thread)) {
		hak_bins_flush(thread);
		let_go(thread);
	}
	errno = saved_errno;
}

static struct hak_thread *take_kept(void)
{
	struct hak_thread *thread;

	hak_lock_acquire(&threads.lock);
	thread = threads.kept ? find_unused() : NULL;
	if (thread && take_over(thread))
		hak_thread_set_busy(thread, true);
	hak_lock_release(&threads.lock);
	return thread;
}

void hak_thread_flush_kept(void)
{
	struct hak_thread *thread;

	while ((thread = take_kept())) {
		hak_bins_flush(thread);
		let_go(thread);
	}
}

/* ---- fork -------------------------------------------------------------------------------------------- */

void hak_thread_fork_prepare(void)
{
	hak_lock_acquire(&orphan_lock);
	hak_lock_acquire(&threads.lock);
}

void hak_thread_fork_parent(void)
{
	hak_lock_release(&threads.lock);
	hak_lock_release(&orphan_lock);
}

void hak_thread_fork_child(void)
{
	struct hak_thread *thread = hak_thread_all();

	hak_lock_reset(&threads.lock);
	hak_lock_reset(&orphan_lock);
	for (; thread; thread = thread->next) {
		if (thread == hak_self || thread == &orphan ||
		    !atomic_load_explicit(&thread->active, memory_order_relaxed))
			continue;
		/*
		 * Its owner does not exist here. Between visits a bin is whole: free stores the block before
		 * it moves `top`, malloc moves `top` last. What was interrupted inside a visit is left alone.
		 */
		if (atomic_load_explicit(&thread->busy, memory_order_relaxed))
			continue;
		hak_bins_flush(thread);
		disown(thread);
	}
}
