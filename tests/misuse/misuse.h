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

#define NOT_OURS    "not a block of this allocator"
#define DOUBLE_FREE "double free"
#define MISALIGNED  "misaligned pointer"

/* Not through stdio: that would allocate, and what lies in a bin matters here. */
static void misuse_expect(const char *function, const void *pointer, const char *fault)
{
	char line[200];
	int length = snprintf(line, sizeof(line), "hakmem: %s(%p): %s\n", function, pointer, fault);

	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		_exit(3);
}

static inline void misuse_expect_inside(const char *function, const void *pointer, const void *start)
{
	char fault[100];

	snprintf(fault, sizeof(fault), "inside a block, which starts at %p", start);
	misuse_expect(function, pointer, fault);
}

/* Keeps the compiler from knowing what is done to a pointer. */
static inline void *opaque(void *pointer)
{
	__asm__ volatile("" : "+r"(pointer));
	return pointer;
}

#endif
