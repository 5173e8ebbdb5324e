/* SPDX-License-Identifier: MIT */
/*
 * Machines whose processes have 39 bits of addresses, as arm64 and riscv64 may: the kernel refuses all above
 * with ENOMEM. mmap is ours here and does so, too; it places what may lie anywhere below.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "api.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { BLOCKS = 3000, SKIPPED = 77 };
#define END_ADDRESS (UINT64_C(1) << 39)

static atomic_uintptr_t top = END_ADDRESS - (UINT64_C(1) << 32);
static atomic_int calls;

static void *map_at(uintptr_t start, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	long result = syscall(SYS_mmap, start, bytes, protection, flags, fd, offset);

	return result == -1 ? MAP_FAILED : (void *)result;
}

void *mmap(void *start, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	size_t rounded = (bytes + 0xffff) & ~(size_t)0xffff;

	calls++;
	if (bytes > END_ADDRESS || (uintptr_t)start > END_ADDRESS - bytes) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	if (start != NULL)
		return map_at((uintptr_t)start, bytes, protection, flags, fd, offset);
	return map_at(atomic_fetch_sub(&top, rounded) - rounded, bytes, protection,
		      flags | MAP_FIXED_NOREPLACE, fd, offset);
}

int main(void)
{
	static char *block[BLOCKS];
	static size_t size[BLOCKS];
	uint32_t state = 3;

	free(opaque(malloc((size_t)64 << 20)));
	if (calls == 0)
		return SKIPPED; /* an allocator that does not call ours */
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < BLOCKS; i++) {
			expect(block[i] == NULL || filled(block[i], size[i], i), "block %u was overwritten",
			       i);
			free(block[i]);
			size[i] = random_next(&state) % (i % 100 ? 3000 : 3000000);
			block[i] = malloc(size[i]);
			expect(block[i] != NULL, "malloc(%zu): %d", size[i], errno);
			fill(block[i], size[i], i);
		}
	}
	expect((uintptr_t)block[0] < END_ADDRESS, "a block at %p", (void *)block[0]);
	return 0;
}
