/* SPDX-License-Identifier: MIT */
/*
 * Detached threads that never allocate, more at a time than libc keeps stacks of: the last that each does,
 * after all destructors, is to free what libc allocated for another's stack. They leave nothing behind.
 */
#include "api.h"

#include <stdatomic.h>

enum { ROUNDS = 60, WARM_UP = 10, THREADS = 40, STACK_BYTES = 8 << 20, ALLOWED_KIB = 3000 };

static atomic_uint round_now, running;

static void *thread_main(void *unused)
{
	unsigned mine = round_now;

	atomic_fetch_add(&running, 1);
	while (round_now == mine)
		usleep(1000);
	atomic_fetch_sub(&running, 1);
	return unused;
}

static void wait_until_running(unsigned threads)
{
	while (running != threads)
		usleep(200);
}

int main(void)
{
	pthread_attr_t attributes;
	long before = 0, after;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	for (int i = 0; i < ROUNDS; i++) {
		if (i == WARM_UP)
			before = status_kib("VmRSS");
		for (int t = 0; t < THREADS; t++) {
			pthread_t thread;

			expect(pthread_create(&thread, &attributes, thread_main, NULL) == 0, "no thread");
		}
		wait_until_running(THREADS);
		round_now++;
		wait_until_running(0);
	}
	after = status_kib("VmRSS");
	expect(after - before < ALLOWED_KIB, "RSS grew from %ld to %ld KiB over %d threads", before, after,
	       THREADS * (ROUNDS - WARM_UP));
	return 0;
}
