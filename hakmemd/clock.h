/* SPDX-License-Identifier: MIT */
/* The kernel's clocks in microseconds. The event loop's own now stands still while a callback runs. */
#ifndef HAK_CLOCK_H
#define HAK_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Who has a lot to do goes on for so long, then others have their turn: a timer that is always due starves
 * sd-bus, which waits for its turn by one, too. */
enum { HAK_SLICE_USEC = 4000, HAK_REST_USEC = 1000 };

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
