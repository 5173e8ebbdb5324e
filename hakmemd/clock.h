/* SPDX-License-Identifier: MIT */
/* The kernel's clocks in microseconds. The event loop's own now stands still while a callback runs. */
#ifndef HAK_CLOCK_H
#define HAK_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t hak_clock_read(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now); /* cannot fail for a clock that there is */
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline uint64_t hak_clock_usec(void)
{
	return hak_clock_read(CLOCK_MONOTONIC);
}

static inline uint64_t hak_clock_realtime_usec(void)
{
	return hak_clock_read(CLOCK_REALTIME);
}

#endif
