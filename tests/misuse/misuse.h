/* SPDX-License-Identifier: MIT */
/*
 * A misuse program says on stdout which lines it would accept on stderr, then commits the misuse. run.py
 * checks that it died of SIGABRT after printing exactly one of them. Reaching the end of main is the failure.
 */
#ifndef MISUSE_H
#define MISUSE_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOT_OURS      "not a block of this allocator"
#define DOUBLE_FREE   "double free"
#define MISALIGNED    "misaligned pointer into a block"
#define NOT_THE_START "not the start of a block"
#define IS_FREE       "block is free"

/* Not through stdio: that would allocate, and what lies in a bin matters here. */
static void misuse_expect(const char *function, const void *pointer, const char *fault)
{
	char line[200];
	int length = snprintf(line, sizeof(line), "hakmem: %s(%p): %s\n", function, pointer, fault);

	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		_exit(3);
}

/*
 * Checks that need the block's slab wait until a bin is flushed. Blocks made before the misuse and freed
 * after it bring that about; nothing is allocated in between, so the program never uses what it must not
 * have.
 */
enum { MISUSE_OTHERS = 2000 };
static void *misuse_other[MISUSE_OTHERS];

static inline void misuse_prepare(size_t size_bytes)
{
	for (int i = 0; i < MISUSE_OTHERS; i++)
		misuse_other[i] = malloc(size_bytes);
}

static inline void misuse_settle(void)
{
	for (int i = 0; i < MISUSE_OTHERS; i++)
		free(misuse_other[i]);
}

/* Keeps the compiler from knowing what is done to a pointer. */
static inline void *opaque(void *pointer)
{
	__asm__ volatile("" : "+r"(pointer));
	return pointer;
}

#endif
