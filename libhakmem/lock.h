/* SPDX-License-Identifier: MIT */
/*
 * A lock of four bytes on a private futex: free 0, held 1, held and waited for 2. (U. Drepper, "Futexes are
 * tricky", third mutex.) Not recursive. Held across fork by the prepare handler, made anew in the child.
 */
#ifndef HAK_LOCK_H
#define HAK_LOCK_H

#include <stdatomic.h>

#include "base.h"

struct hak_lock {
	_Atomic uint32_t word;
};

void hak_lock_wait(struct hak_lock *lock);
void hak_lock_wake(struct hak_lock *lock);

static inline bool hak_lock_try(struct hak_lock *lock)
{
	uint32_t expected = 0;

	/* acquire: pairs with the release in hak_lock_release() */
	return atomic_compare_exchange_strong_explicit(&lock->word, &expected, 1, memory_order_acquire,
						       memory_order_relaxed);
}

static inline void hak_lock_acquire(struct hak_lock *lock)
{
	if (hak_unlikely(!hak_lock_try(lock)))
		hak_lock_wait(lock);
}

static inline void hak_lock_release(struct hak_lock *lock)
{
	/* release: pairs with the acquires in hak_lock_try() and hak_lock_wait() */
	if (hak_unlikely(atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2))
		hak_lock_wake(lock);
}

/* In a forked child, by its only thread: whoever held the lock does not exist here. */
static inline void hak_lock_reset(struct hak_lock *lock)
{
	atomic_store_explicit(&lock->word, 0, memory_order_relaxed);
}

#endif
