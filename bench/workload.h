/* SPDX-License-Identifier: MIT */
/*
 * What the workloads share: fixed-seed randomness, time, latencies, arguments and the report line.
 *
 * A workload's own books (tables of pointers, histograms) are static or come from bench_map(), never from
 * malloc: what is measured is the blocks alone. Nothing here allocates.
 *
 * The report is one line on standard output, "bench" and then name=value words; bench/run reads it:
 *   bench scenario=vm operations=150000 ns_per_op=6612.1 p50_ns=6300 p99_ns=9800 peak_rss_kib=4012
 *   rss_kib=1980 allocator=libc.so.6
 * `allocator` names the object that malloc was really bound to, so that a dropped preload is seen in each
 * run.
 */
#ifndef HAK_BENCH_WORKLOAD_H
#define HAK_BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_PAGE_BYTES = 4096, BENCH_LINE_BYTES = 64 };

/*
 * ---- randomness: xorshift64*, the same numbers in every run
 * ------------------------------------------------
 */

struct bench_rng {
	uint64_t state; /* never zero */
};

static inline struct bench_rng bench_rng_seeded(uint64_t seed)
{
	return (struct bench_rng){ (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) };
}

static inline uint64_t bench_rng_next(struct bench_rng *rng)
{
	uint64_t x = rng->state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	rng->state = x;
	return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* 0 .. bound - 1, without a division. */
static inline uint32_t bench_rng_below(struct bench_rng *rng, uint32_t bound)
{
	return (uint32_t)(((bench_rng_next(rng) >> 32) * bound) >> 32);
}

/* low .. high, both included. */
static inline size_t bench_rng_between(struct bench_rng *rng, size_t low, size_t high)
{
	return low + bench_rng_below(rng, (uint32_t)(high - low + 1));
}

/*
 * Log-uniform: each doubling between low and high is equally likely, as block sizes of real programs nearly
 * are.
 */
size_t bench_rng_size(struct bench_rng *rng, size_t low, size_t high);

/*
 * ---- time
 * ----------------------------------------------------------------------------------------------------
 */

uint64_t bench_now_nsec(void);

/*
 * True once `seconds` (an argument that every workload takes, default 5) have passed since bench_start(): an
 * allocator a thousand times slower than another ends early and reports what it did. Costs a clock read.
 */
bool bench_time_up(void);

/* Latencies: a log-linear histogram, 32 steps per doubling (3 %), up to 2^40 ns. */
enum { BENCH_LATENCY_STEPS = 32, BENCH_LATENCY_DOUBLINGS = 40 };

struct bench_latencies {
	uint64_t count;
	uint64_t bucket[BENCH_LATENCY_DOUBLINGS * BENCH_LATENCY_STEPS];
};

void bench_latency_add(struct bench_latencies *latencies, uint64_t nsec);
/* The value below which `permille` of the entries lie; 0 where there are none. */
uint64_t bench_latency_permille(const struct bench_latencies *latencies, unsigned int permille);

/*
 * ---- memory
 * ----------------------------------------------------------------------------------------------------
 */

/*
 * Zeroed, resident memory of the workload's own, mapped apart from the allocator and left out of all figures
 * of resident memory; never given back. Ends the program where there is none.
 */
void *bench_map(size_t bytes);

/* malloc and friends that end the program with a message instead of returning NULL. */
void *bench_alloc(size_t bytes);
void bench_check(const void *block, size_t bytes);

/* Resident memory of this process now without bench_map()'s, in KiB. */
uint64_t bench_rss_kib(void);

/* Write a word into each page, as a program does that uses a large buffer sparsely. */
static inline void bench_touch_pages(void *block, size_t bytes)
{
	volatile char *at = block;

	for (size_t i = 0; i < bytes; i += BENCH_PAGE_BYTES)
		at[i] = (char)i;
	at[bytes - 1] = 1;
}

/* Write into each cache line, as a program does that fills a small or middle-sized object. */
static inline void bench_touch_lines(void *block, size_t bytes)
{
	volatile char *at = block;

	for (size_t i = 0; i < bytes; i += BENCH_LINE_BYTES)
		at[i] = (char)i;
	at[bytes - 1] = 1;
}

/* Read what was written: a program looks at an object before it lets it go. */
static inline void bench_read(const void *block)
{
	(void)*(const volatile char *)block;
}

/*
 * ---- arguments and report
 * ---------------------------------------------------------------------------------------
 */

struct bench_argument {
	const char *name;  /* NULL ends the table */
	uint64_t *value;   /* holds the default before, what the user said after */
	const char *help;
};

/**
 * bench_start() - read NAME=VALUE words, start the clock of bench_time_up()
 * @scenario:  the name in the report; the argument `name=TEXT` replaces it
 * Values are decimal and may end in K, M or G (powers of 1024). A wrong word ends the program with status 2
 * and a message that lists the right ones. --help prints the table and ends with status 0.
 */
void bench_start(int argc, char **argv, const char *scenario, const char *summary,
		 const struct bench_argument *arguments);

/* A further figure for the report line; `name` must outlive the report. At most 8. */
void bench_figure(const char *name, double value);

/**
 * bench_report() - the one line
 * @latencies: NULL where the workload has none
 * Return: the program's exit status.
 */
int bench_report(uint64_t operations, uint64_t elapsed_nsec, const struct bench_latencies *latencies);

/*
 * ---- threads
 * ----------------------------------------------------------------------------------------------------
 */

enum { BENCH_THREADS_MAX = 256 };

/**
 * bench_run_threads() - run `count` threads that start together
 * @body:  called with argument + i * stride in thread i
 * Return: wall time from the moment all were ready to the end of the last, in ns.
 */
uint64_t bench_run_threads(unsigned int count, void *(*body)(void *), void *arguments, size_t stride);

#endif
