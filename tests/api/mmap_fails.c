/* SPDX-License-Identifier: MIT */
/*
 * Where mmap fails, what the allocator keeps is given up and the call tried once more before malloc fails;
 * and when memory can be had again, it is. mmap and its kin are ours here: they fail when they are told to,
 * or beyond a limit of what may be committed, as under vm.overcommit_memory = 2.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "api.h"

#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { MIB = 1 << 20, LARGE = 16, LARGE_BYTES = 6 * MIB, SMALL = 40000, SMALL_BYTES = 2000, SKIPPED = 77 };

static atomic_int failures; /* so many more calls fail */
static atomic_int calls;
static bool moves_half; /* one move of half a large block succeeds, as if it were two mappings; no other */
static atomic_int moves;
static atomic_long committed_bytes;
static long limit_bytes = LONG_MAX;

static bool is_refused(size_t bytes)
{
	calls++;
	if (failures > 0) {
		failures--;
		return true;
	}
	return committed_bytes + (long)bytes > limit_bytes;
}

static void *done(long result, size_t bytes)
{
	if (result == -1)
		return MAP_FAILED;
	committed_bytes += (long)bytes;
	return (void *)result;
}

void *mmap(void *start, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	bool counts = (flags & MAP_PRIVATE) && (protection & PROT_WRITE);

	if (counts && is_refused(bytes)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return done(syscall(SYS_mmap, start, bytes, protection, flags, fd, offset), counts ? bytes : 0);
}

int munmap(void *start, size_t bytes)
{
	committed_bytes -= (long)bytes;
	return (int)syscall(SYS_munmap, start, bytes);
}

void *mremap(void *start, size_t old_bytes, size_t bytes, int flags, ...)
{
	va_list arguments;
	void *target;
	size_t more = flags & MREMAP_DONTUNMAP ? bytes : bytes - old_bytes;

	va_start(arguments, flags);
	target = flags & MREMAP_FIXED ? va_arg(arguments, void *) : NULL;
	va_end(arguments);
	if (moves_half && bytes > LARGE_BYTES / 2) {
		errno = EFAULT;
		return MAP_FAILED;
	}
	if (is_refused(more) || (moves_half && moves)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	/* What it is moved onto, or away from and does not stay, is charged no more. */
	moves++;
	return done(syscall(SYS_mremap, start, old_bytes, bytes, flags, target),
		    flags & MREMAP_FIXED ? 0 : more);
}

static void *large[LARGE], *small[SMALL];

/* Again and again, so that a cache has reason to keep it. */
static void use_large(void)
{
	for (int round = 0; round < 4; round++) {
		for (unsigned i = 0; i < LARGE; i++)
			fill(large[i] = malloc(LARGE_BYTES), LARGE_BYTES, i);
		for (unsigned i = 0; i < LARGE; i++)
			free(large[i]);
	}
}

static void check_that_it_is_tried_again(void)
{
	size_t bytes = (size_t)LARGE * LARGE_BYTES * 2; /* no cache has so much yet */
	void *block, *other;
	int before;

	use_large();
	failures = 1;
	block = malloc(bytes);
	expect(block != NULL, "after one failure: %d", errno);
	free(block);
	bytes *= 2; /* and not so much now */
	use_large();
	block = malloc(100);
	fill(block, 100, 1);
	before = calls;
	failures = INT32_MAX;
	errno = 0;
	expect(malloc(bytes) == NULL && errno == ENOMEM, "errno %d", errno);
	expect(calls > before + 1, "tried %d times", calls - before);
	expect(calloc(2, bytes) == NULL, "calloc succeeded");
	expect(posix_memalign(&other, 64, bytes) == ENOMEM, "posix_memalign did not say ENOMEM");
	expect(realloc(block, bytes) == NULL && filled(block, 100, 1), "realloc lost the block");
	failures = 0;
	block = realloc(block, bytes);
	expect(block != NULL && filled(block, 100, 1), "realloc, when there is memory again: %d", errno);
	free(block);
}

static void check_a_commit_limit(void)
{
	use_large();
	limit_bytes = committed_bytes + 16 * MIB;
	if (committed_bytes < LARGE * LARGE_BYTES) /* nothing is kept */
		limit_bytes = LARGE * LARGE_BYTES + 16 * MIB;
	for (unsigned i = 0; i < SMALL; i++) {
		small[i] = malloc(SMALL_BYTES);
		expect(small[i] != NULL, "small block %u, with %d MiB of large blocks free", i,
		       LARGE * LARGE_BYTES / MIB);
		fill(small[i], SMALL_BYTES, i);
	}
	for (unsigned i = 0; i < SMALL; i++) {
		expect(filled(small[i], SMALL_BYTES, i), "small block %u was overwritten", i);
		free(small[i]);
	}
	for (unsigned i = 0; i < LARGE * 3 / 4; i++) {
		large[i] = malloc(LARGE_BYTES);
		expect(large[i] != NULL, "large block %u, with %d MiB of small blocks free", i,
		       SMALL * SMALL_BYTES / MIB);
	}
	errno = 0;
	expect(malloc((size_t)1 << 32) == NULL && errno == ENOMEM, "4 GiB, errno %d", errno);
}

static void check_half_a_move(void)
{
	for (unsigned i = 0; i < LARGE; i++)
		fill(large[i] = malloc(LARGE_BYTES), LARGE_BYTES, i);
	moves_half = true;
	for (unsigned i = 0; i < LARGE; i++) {
		moves = 0;
		large[i] = realloc(large[i], 2 * LARGE_BYTES);
		expect(large[i] != NULL && filled(large[i], LARGE_BYTES, i), "large block %u", i);
	}
	moves_half = false;
	for (unsigned i = 0; i < LARGE; i++)
		free(large[i]);
}

int main(void)
{
	free(opaque(malloc(64 * MIB)));
	if (calls == 0)
		return SKIPPED; /* an allocator that does not call ours */
	check_that_it_is_tried_again();
	check_half_a_move();
	check_a_commit_limit();
	return 0;
}
