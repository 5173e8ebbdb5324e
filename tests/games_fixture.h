/* SPDX-License-Identifier: MIT */
/*
 * An injected process for the learner inside of it: its work, clocks, books and policy are made here, and
 * each tick costs what the strategy in force says; ghosts count what it says that each would do.
 */
#ifndef HAK_GAMES_FIXTURE_H
#define HAK_GAMES_FIXTURE_H

#include "games.h"
#include "games_private.h"

enum { SAFE = 0, KEEP = 6, HUGE = 8, TICK_NSEC = 100000, TICK_BYTES = 1 << 20, MSEC_A_TICK = 1 };

struct games_process {
	struct hak_thread thread;
	struct hak_process_play play;
	uint64_t cpu_nsec, faults, random;
	uint64_t tick_nsec[HAK_STRATEGY_COUNT];  /* by strategy in force */
	uint64_t tick_bytes[HAK_STRATEGY_COUNT]; /* that it would fault in, of large blocks */
	uint64_t most_held_bytes[HAK_STRATEGY_COUNT];
	unsigned noise_percent;                 /* of a tick, either way */
	unsigned faults_a_tick;
	uint32_t msec;
	uint64_t held_bytes;
	unsigned freezes, thaws;
	uint64_t tallied; /* pairs */
	unsigned samples;
	void (*on_play)(void); /* what another thread does while the policy is read */
	char said[HAK_TELEMETRY_LOG_CHARS];
};
extern struct games_process process;

void games_set_up(void);

/* @ticks of work, counted as by visits. */
void work(unsigned ticks);
void work_until_frozen(unsigned most);

/* Another thread saw that we were behind, finds the lock taken, and goes on. */
void come_late(void);

#endif
