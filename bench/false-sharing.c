/* SPDX-License-Identifier: MIT */
/*
 * false-sharing: does the allocator place blocks of different threads in one cache line? Active (passive=0):
 * each thread allocates a small block, writes to it many times, frees it, and takes the next. Passive
 * (passive=1): the main thread allocates neighbours and hands one to each thread; each frees its own and
 * goes on as above, so an allocator that reuses it gives two threads halves of one line. With alone=1 a
 * single thread does the same work: the ideal. An operation is a block with its writes.
 */
#include "workload.h"

#include <stdlib.h>

static uint64_t operations = 1000000;
static uint64_t threads = 2;
static uint64_t writes = 400;
static uint64_t bytes = 8;
static uint64_t passive;
static uint64_t alone;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "blocks of each thread" },
	{ "threads", &threads, "threads" },
	{ "writes", &writes, "writes to each block" },
	{ "bytes", &bytes, "bytes of a block" },
	{ "passive", &passive, "1: start from neighbours made by the main thread" },
	{ "alone", &alone, "1: one thread only" },
	{ 0 },
};

struct hammer {
	void *inherited;
	char padding[BENCH_LINE_BYTES - sizeof(void *)];
};

static void *hammer(void *argument)
{
	struct hammer *self = argument;

	free(self->inherited);
	for (uint64_t i = 0; i < operations; i++) {
		volatile char *block = bench_alloc(bytes);

		for (uint64_t j = 0; j < writes; j++)
			block[j % bytes]++;
		free((void *)block);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct hammer self[BENCH_THREADS_MAX];
	uint64_t elapsed;

	bench_start(argc, argv, "false-sharing", "threads that write to small blocks", arguments);
	if (alone)
		threads = 1;
	if (!bytes)
		bytes = 1;
	for (size_t i = 0; passive && i < threads && i < BENCH_THREADS_MAX; i++) {
		self[i].inherited = bench_alloc(bytes);
		*(volatile char *)self[i].inherited = 1;
	}
	elapsed = bench_run_threads((unsigned int)threads, hammer, self, sizeof(self[0]));
	return bench_report(operations, elapsed, NULL);
}
