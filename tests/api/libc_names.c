/* SPDX-License-Identifier: MIT */
/* glibc's second names of its functions belong to the same allocator: each frees what the others return. */
#include "api.h"

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *block, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void *__libc_valloc(size_t bytes);
void *__libc_pvalloc(size_t bytes);
void __libc_free(void *block);

static void check(size_t bytes)
{
	char *block = opaque(__libc_malloc(bytes));

	fill(block, bytes, 1);
	block = opaque(realloc(block, 2 * bytes));
	expect(filled(block, bytes, 1), "%zu", bytes);
	block = opaque(__libc_realloc(block, bytes));
	expect(filled(block, bytes, 1), "%zu", bytes);
	free(block);
	block = opaque(__libc_calloc(2, bytes));
	expect(zeroed(block, 2 * bytes), "%zu", bytes);
	free(block);
	block = opaque(__libc_memalign(256, bytes));
	expect((uintptr_t)block % 256 == 0, "%p", (void *)block);
	free(block);
	free(opaque(__libc_valloc(bytes)));
	free(opaque(__libc_pvalloc(bytes)));
	__libc_free(opaque(malloc(bytes)));
}

int main(void)
{
	check(1);
	check(100);
	check(5000);
	check(200000);
	check(5000000);
	return 0;
}
