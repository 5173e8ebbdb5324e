/* SPDX-License-Identifier: MIT */
/*
 * libhakmem: the hak_* twins of the C library's allocation functions, for programs that link it and want to
 * name it. Preloaded (LD_PRELOAD=libhakmem.so) or linked, the library also defines malloc and its family,
 * C++'s operators new and delete, and glibc's extensions, under their own names.
 *
 * Sizes and alignments are in bytes. Every function may be called by any thread, wherever malloc may. Errors
 * are those of ISO C and POSIX: NULL with errno ENOMEM where memory is short, a size is above PTRDIFF_MAX or
 * a product overflows; errno is otherwise left alone. Blocks are aligned to 16 bytes, and a size of 0 gives a
 * block of its own. A pointer that is not a live block of this library ends the process: one line on stderr,
 * then SIGABRT.
 */
#ifndef HAKMEM_H
#define HAKMEM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAKMEM_VERSION_MAJOR 0
#define HAKMEM_VERSION_MINOR 1
#define HAKMEM_VERSION_PATCH 0

/* ISO C. free and realloc take what any function here or the C library's names returned, and NULL. */
void *hak_malloc(size_t bytes);
void *hak_calloc(size_t count, size_t bytes);
void *hak_realloc(void *block, size_t bytes);        /* bytes == 0 frees and returns NULL, as glibc does */
void hak_free(void *block);                          /* preserves errno */
void *hak_aligned_alloc(size_t align, size_t bytes); /* EINVAL unless align is a power of two */
void hak_free_sized(void *block, size_t bytes);
void hak_free_aligned_sized(void *block, size_t align, size_t bytes);

/* POSIX: 0, EINVAL or ENOMEM; errno and *ret_block are left alone on failure. */
int hak_posix_memalign(void **ret_block, size_t align, size_t bytes);

/* BSD and glibc. memalign rounds align up to a power of two; the pages of valloc are the machine's. */
void *hak_reallocarray(void *block, size_t count, size_t bytes);
void *hak_memalign(size_t align, size_t bytes);
void *hak_valloc(size_t bytes);
void *hak_pvalloc(size_t bytes);
size_t hak_malloc_usable_size(void *block); /* all of it may be written; NULL gives 0 */
int hak_malloc_trim(size_t keep_bytes);     /* 1 where memory was given back to the OS, else 0 */
void hak_malloc_stats(void);                /* a summary on stderr */

#ifdef __cplusplus
}
#endif

#endif
