/* SPDX-License-Identifier: MIT */
/*
 * burst: bursts and pauses. A burst allocates some tens of MiB of mixed blocks, works on them and frees all;
 * then the program sleeps. ns_per_op is the work alone, an operation being a block; mean_rss_kib is the
 * integral of resident memory over the whole time divided by that time: what the host paid. Imitates a
 * server with idle times.
 */
#include "workload.h"

#include <stdlib.h>
#include <time.h>

enum { BLOCKS_MAX = 1 << 18, SAMPLES = 5 };

static uint64_t bursts = 12;
static uint64_t bytes_of_burst = 48 << 20;
static uint64_t pause_msec = 100;
static struct bench_latencies latencies;

static const struct bench_argument arguments[] = {
	{ "bursts", &bursts, "bursts" },
	{ "bytes", &bytes_of_burst, "bytes allocated in a burst" },
	{ "pause", &pause_msec, "ms of sleep after each" },
	{ 0 },
};

static void **block;
static double kib_nsec; /* the integral */
static uint64_t sampled_nsec;

/* Resident memory counts from the last sample to this one. */
static void sample(void)
{
	uint64_t now = bench_now_nsec();

	kib_nsec += (double)bench_rss_kib() * (double)(now - sampled_nsec);
	sampled_nsec = now;
}

static uint64_t run_burst(struct bench_rng *rng)
{
	uint64_t total = 0;
	size_t count = 0;

	while (total < bytes_of_burst && count < BLOCKS_MAX) {
		size_t bytes = bench_rng_size(rng, 32, 256 << 10);

		if (bench_rng_below(rng, 16))
			bytes = bench_rng_size(rng, 32, 1023);
		block[count] = bench_alloc(bytes);
		bench_touch_lines(block[count++], bytes);
		total += bytes;
	}
	sample();
	for (size_t left = count; left; left--) {
		size_t i = bench_rng_below(rng, (uint32_t)left);

		free(block[i]);
		block[i] = block[left - 1];
	}
	return count;
}

int main(int argc, char **argv)
{
	struct timespec pause;
	struct bench_rng rng = bench_rng_seeded(17);
	uint64_t began, work_nsec = 0, done = 0;

	bench_start(argc, argv, "burst", "bursts of allocation and idle times", arguments);
	pause.tv_sec = (time_t)(pause_msec / SAMPLES / 1000);
	pause.tv_nsec = (long)(pause_msec * 1000000 / SAMPLES % 1000000000);
	block = bench_map(BLOCKS_MAX * sizeof(*block));
	began = sampled_nsec = bench_now_nsec();
	for (uint64_t i = 0; i < bursts; i++) {
		uint64_t before = bench_now_nsec(), count = run_burst(&rng);
		uint64_t nsec = bench_now_nsec() - before;

		work_nsec += nsec;
		done += count;
		bench_latency_add(&latencies, nsec / (count ? count : 1));
		for (unsigned int part = 0; part < SAMPLES; part++) {
			sample();
			(void)nanosleep(&pause, NULL); /* a signal only shortens the pause */
		}
	}
	sample();
	bench_figure("mean_rss_kib", kib_nsec / (double)(sampled_nsec - began));
	return bench_report(done, work_nsec, &latencies);
}
