/* SPDX-License-Identifier: MIT */
#include "lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cpu.h"

enum { SPINS = 64 };

HAK_NOINLINE void hak_lock_wait(struct hak_lock *lock)
{
	int saved_errno = errno;

	/* Holders leave within a microsecond unless they were preempted: a short look first. */
	for (int i = 0; i < SPINS; i++) {
		if (atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 && hak_lock_try(lock))
			return;
		hak_cpu_relax();
	}
	/* acquire: pairs with the release in hak_lock_release() */
	while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
		(void)syscall(SYS_futex, &lock->word, FUTEX_WAIT_PRIVATE, 2,
			      NULL); /* EAGAIN, EINTR: look again */
	errno = saved_errno;
}

HAK_NOINLINE void hak_lock_wake(struct hak_lock *lock)
{
	int saved_errno = errno;

	(void)syscall(SYS_futex, &lock->word, FUTEX_WAKE_PRIVATE, 1);
	errno = saved_errno;
}
