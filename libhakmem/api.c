/* SPDX-License-Identifier: MIT */
/*
 * The C functions that the rest of the world calls: argument checks that the standards ask for, then alloc.h.
 * Each has a hak_* twin, the same code under a second name, and glibc's has its third: tracers and old
 * interposers that define malloc call __libc_malloc, and leave the free of what it returned to us.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "alloc.h"
#include "hakmem.h"
#include "os.h"

void cfree(void *block);
void free_sized(void *block, size_t bytes);
void free_aligned_sized(void *block, size_t align, size_t bytes);

static bool is_power_of_two(size_t n)
{
	return n && (n & (n - 1)) == 0;
}

HAK_EXPORT void *malloc(size_t bytes)
{
	return hak_alloc_malloc(bytes);
}
HAK_TWIN(malloc) void *hak_malloc(size_t bytes);
HAK_TWIN(malloc) void *__libc_malloc(size_t bytes);

HAK_EXPORT void free(void *block)
{
	hak_alloc_free(block);
}
HAK_TWIN(free) void hak_free(void *block);
HAK_TWIN(free) void __libc_free(void *block);

HAK_EXPORT void cfree(void *block)
{
	hak_alloc_free(block);
}

/* C23: the size is a promise that we need not rely on. */
HAK_EXPORT void free_sized(void *block, size_t bytes)
{
	(void)bytes;
	hak_alloc_free(block);
}
HAK_TWIN(free_sized) void hak_free_sized(void *block, size_t bytes);

HAK_EXPORT void free_aligned_sized(void *block, size_t align, size_t bytes)
{
	(void)align;
	(void)bytes;
	hak_alloc_free(block);
}
HAK_TWIN(free_aligned_sized) void hak_free_aligned_sized(void *block, size_t align, size_t bytes);

HAK_EXPORT void *calloc(size_t count, size_t bytes)
{
	return hak_alloc_calloc(count, bytes);
}
HAK_TWIN(calloc) void *hak_calloc(size_t count, size_t bytes);
HAK_TWIN(calloc) void *__libc_calloc(size_t count, size_t bytes);

/* Never inlined: valgrind replaces realloc(), not reallocarray(), and would free what came from here. */
HAK_EXPORT HAK_NOINLINE void *realloc(void *block, size_t bytes)
{
	if (hak_unlikely(block && bytes == 0)) {
		hak_alloc_free(block);
		return NULL;
	}
	return hak_alloc_realloc(block, bytes);
}
HAK_TWIN(realloc) void *hak_realloc(void *block, size_t bytes);
HAK_TWIN(realloc) void *__libc_realloc(void *block, size_t bytes);

HAK_EXPORT void *reallocarray(void *block, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(block, bytes);
}
HAK_TWIN(reallocarray) void *hak_reallocarray(void *block, size_t count, size_t bytes);

HAK_EXPORT int posix_memalign(void **ret_block, size_t align, size_t bytes)
{
	int saved_errno = errno;
	void *block;

	if (!is_power_of_two(align) || align % sizeof(void *) != 0)
		return EINVAL;
	block = hak_alloc_aligned(align, bytes);
	if (!block)
		return ENOMEM; /* errno says so, too: with glibc it does, and programs print it */
	errno = saved_errno;
	*ret_block = block;
	return 0;
}
HAK_TWIN(posix_memalign) int hak_posix_memalign(void **ret_block, size_t align, size_t bytes);

HAK_EXPORT void *aligned_alloc(size_t align, size_t bytes)
{
	if (!is_power_of_two(align)) {
		errno = EINVAL;
		return NULL;
	}
	return hak_alloc_aligned(align, bytes);
}
HAK_TWIN(aligned_alloc) void *hak_aligned_alloc(size_t align, size_t bytes);

HAK_EXPORT void *memalign(size_t align, size_t bytes)
{
	if (align > SIZE_MAX / 2 + 1) {
		errno = EINVAL;
		return NULL;
	}
	/* glibc's promise for this old function: anything goes, rounded up. */
	while (!is_power_of_two(align))
		align = align ? (align | (align - 1)) + 1 : 1;
	return hak_alloc_aligned(align, bytes);
}
HAK_TWIN(memalign) void *hak_memalign(size_t align, size_t bytes);
HAK_TWIN(memalign) void *__libc_memalign(size_t align, size_t bytes);

HAK_EXPORT void *valloc(size_t bytes)
{
	return hak_alloc_aligned(hak_os_page_bytes(), bytes);
}
HAK_TWIN(valloc) void *hak_valloc(size_t bytes);
HAK_TWIN(valloc) void *__libc_valloc(size_t bytes);

HAK_EXPORT void *pvalloc(size_t bytes)
{
	size_t page_bytes = hak_os_page_bytes(), rounded;

	if (__builtin_add_overflow(bytes, page_bytes - 1, &rounded)) {
		errno = ENOMEM;
		return NULL;
	}
	return hak_alloc_aligned(page_bytes, rounded & ~(page_bytes - 1));
}
HAK_TWIN(pvalloc) void *hak_pvalloc(size_t bytes);
HAK_TWIN(pvalloc) void *__libc_pvalloc(size_t bytes);

HAK_EXPORT size_t malloc_usable_size(void *block)
{
	return hak_alloc_usable("malloc_usable_size", block);
}
HAK_TWIN(malloc_usable_size) size_t hak_malloc_usable_size(void *block);

HAK_EXPORT int malloc_trim(size_t keep_bytes)
{
	return hak_alloc_trim(keep_bytes);
}
HAK_TWIN(malloc_trim) int hak_malloc_trim(size_t keep_bytes);
