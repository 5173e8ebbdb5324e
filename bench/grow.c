/* SPDX-License-Identifier: MIT */
/*
 * grow: realloc of what grows large. First a vector grows by half its size at a time to 256 MiB, then 64
 * strings grow side by side to 1 MiB each in steps of 4 KiB, each step written as it comes. Imitates reading
 * a file or a socket into memory, and columnar builders. An operation is a realloc; the vector's share of
 * the time is vector_ms, the strings' strings_ms.
 */
#include "workload.h"

#include <stdlib.h>
#include <string.h>

enum { STRINGS = 64, STEP = 4096 };

static uint64_t rounds = 1;
static uint64_t vector_bytes = 256 << 20;
static uint64_t string_bytes = 1 << 20;

static const struct bench_argument arguments[] = {
	{ "rounds", &rounds, "repetitions of the whole" },
	{ "vector", &vector_bytes, "final bytes of the vector" },
	{ "string", &string_bytes, "final bytes of each string" },
	{ 0 },
};

static uint64_t grow_vector(void)
{
	uint64_t reallocs = 0;
	size_t bytes = 64, next;
	char *vector = bench_alloc(bytes);

	memset(vector, 1, bytes);
	for (; bytes < vector_bytes; bytes = next) {
		next = bytes + bytes / 2 < vector_bytes ? bytes + bytes / 2 : vector_bytes;
		vector = realloc(vector, next);
		bench_check(vector, next);
		bench_touch_lines(vector + bytes, next - bytes);
		reallocs++;
	}
	free(vector);
	return reallocs;
}

static uint64_t grow_strings(void)
{
	static char *string[STRINGS];
	uint64_t reallocs = 0;

	for (size_t bytes = STEP; bytes <= string_bytes && !bench_time_up(); bytes += STEP) {
		for (unsigned int i = 0; i < STRINGS; i++) {
			string[i] = realloc(string[i], bytes);
			bench_check(string[i], bytes);
			memset(string[i] + bytes - STEP, 'x', STEP);
			reallocs++;
		}
	}
	for (unsigned int i = 0; i < STRINGS; i++) {
		free(string[i]);
		string[i] = NULL;
	}
	return reallocs;
}

int main(int argc, char **argv)
{
	uint64_t vector_nsec = 0, strings_nsec = 0, done = 0;

	bench_start(argc, argv, "grow", "realloc of large vectors and strings", arguments);
	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t began = bench_now_nsec();

		done += grow_vector();
		vector_nsec += bench_now_nsec() - began;
		began = bench_now_nsec();
		done += grow_strings();
		strings_nsec += bench_now_nsec() - began;
	}
	bench_figure("vector_ms", (double)vector_nsec / 1e6);
	bench_figure("strings_ms", (double)strings_nsec / 1e6);
	return bench_report(done, vector_nsec + strings_nsec, NULL);
}
