/* SPDX-License-Identifier: MIT */
/* What something cost simulated processes that did it all at once, in memory that they share. */
#ifndef HAK_TESTS_SIM_COST_H
#define HAK_TESTS_SIM_COST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { SWARM_MAX = 20000 };

struct cost {
	_Atomic uint64_t usec; /* not 0 once all is told */
	uint64_t cpu_usec;
	bool slept; /* gave its processor up by itself: somebody or something kept it waiting */
};

static inline uint64_t usec_of(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now); /* cannot fail */
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline uint64_t now_usec(void)
{
	return usec_of(CLOCK_MONOTONIC);
}

static inline long sleeps(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage); /* cannot fail */
	return usage.ru_nvcsw;
}

static inline int compare_times(const void *left, const void *right)
{
	uint64_t l = *(const uint64_t *)left, r = *(const uint64_t *)right;

	return l < r ? -1 : l > r;
}

/* Wait until all have registered; say how long it took them. */
static inline void report_swarm(const struct cost *cost, int members)
{
	static uint64_t sorted[SWARM_MAX];
	uint64_t cpu_usec = 0, slept = 0;

	for (int i = 0; i < members; i++) {
		while (!(sorted[i] = atomic_load_explicit(&cost[i].usec, memory_order_acquire)))
			(void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); /* or less */
		cpu_usec = cost[i].cpu_usec > cpu_usec ? cost[i].cpu_usec : cpu_usec;
		slept += cost[i].slept;
	}
	qsort(sorted, (size_t)members, sizeof(*sorted), compare_times);
	printf("ready\n");
	if (members)
		printf("%llu %llu %llu %llu %llu\n", (unsigned long long)sorted[members / 2],
		       (unsigned long long)sorted[members - 1 - members / 100],
		       (unsigned long long)sorted[members - 1], (unsigned long long)cpu_usec,
		       (unsigned long long)slept);
	fflush(stdout);
}

#endif
