/* SPDX-License-Identifier: MIT */
/*
 * shift: a program that changes what it does half-way. First it makes and drops trees' worth of small blocks;
 * after `half` seconds it fills and drops large buffers. The report has when the change was, as a clock that
 * whoever watches can read: shift_at_ns of CLOCK_MONOTONIC. With times= it goes back and forth. With busy= it
 * rests between rounds, as a server does that has not enough to do.
 */
#include <stdlib.h>
#include <time.h>

#include "workload.h"

enum { SMALL_BLOCKS = 4096, LARGE_BLOCKS = 16 };

static uint64_t half = 3, times = 2, busy = 100;

static const struct bench_argument arguments[] = {
	{ "half", &half, "seconds of each half" },
	{ "times", &times, "halves, by turns small and large" },
	{ "busy", &busy, "per cent of the time that it works" },
	{ 0 },
};

static void small_round(struct bench_rng *rng)
{
	static void *block[SMALL_BLOCKS];

	for (unsigned i = 0; i < SMALL_BLOCKS; i++) {
		size_t bytes = bench_rng_size(rng, 16, 512);

		block[i] = bench_alloc(bytes);
		bench_touch_lines(block[i], bytes);
	}
	for (unsigned i = 0; i < SMALL_BLOCKS; i++)
		free(block[i]);
}

static void large_round(struct bench_rng *rng)
{
	static void *block[LARGE_BLOCKS];

	for (unsigned i = 0; i < LARGE_BLOCKS; i++) {
		size_t bytes = bench_rng_size(rng, 1 << 20, 8 << 20);

		block[i] = bench_alloc(bytes);
		bench_touch_pages(block[i], bytes);
	}
	for (unsigned i = 0; i < LARGE_BLOCKS; i++)
		free(block[i]);
}

static void rest_after(uint64_t worked_nsec)
{
	uint64_t nsec = busy && busy < 100 ? worked_nsec * (100 - busy) / busy : 0;
	struct timespec pause = { .tv_sec = (time_t)(nsec / 1000000000),
				  .tv_nsec = (long)(nsec % 1000000000) };

	if (nsec)
		(void)nanosleep(&pause, NULL); /* a shorter rest is as good */
}

int main(int argc, char **argv)
{
	struct bench_rng rng = bench_rng_seeded(1);
	uint64_t began, shift = 0, rounds = 0;

	bench_start(argc, argv, "shift", "small blocks, then large ones", arguments);
	began = bench_now_nsec();
	for (uint64_t number = 0; number < times; number++) {
		uint64_t end = began + (number + 1) * half * 1000000000;

		if (number == 1)
			shift = bench_now_nsec();
		for (uint64_t now; (now = bench_now_nsec()) < end; rounds++) {
			if (number % 2 == 0)
				small_round(&rng);
			else
				large_round(&rng);
			rest_after(bench_now_nsec() - now);
		}
	}
	bench_figure("shift_at_ns", (double)shift);
	return bench_report(rounds, bench_now_nsec() - began, NULL);
}
