/* SPDX-License-Identifier: MIT */
/*
 * Every store that the writers make into shared memory, and the word-wise copies of what changes under a
 * reader.
 *
 * Release stores and acquire loads for payload words, not relaxed ones between fences: it is the same code on
 * x86-64, a few ldar/stlr on aarch64, and ThreadSanitizer understands it. What it buys: a reader that saw one
 * word of a later change also sees the sequence that came before that change [S1].
 */
#ifndef HAK_SHM_STORE_H
#define HAK_SHM_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "store_step.h"

/* Structures are copied as words; the compiler must not assume that a word is no part of them. */
typedef uint64_t __attribute__((may_alias)) hak_shared_word;
typedef uint32_t __attribute__((may_alias)) hak_shared_half;

/* Release: nothing that the writer did before can be seen later than this store, by readers or by a crash. */
static inline void hak_store_u64(volatile void *to, uint64_t value)
{
	hak_store_step();
	__atomic_store_n((volatile hak_shared_word *)to, value, __ATOMIC_RELEASE);
}

static inline void hak_store_u32(volatile void *to, uint32_t value)
{
	hak_store_step();
	__atomic_store_n((volatile hak_shared_half *)to, value, __ATOMIC_RELEASE);
}

static inline uint64_t hak_load_u64(const volatile void *from)
{
	return __atomic_load_n((const volatile hak_shared_word *)from, __ATOMIC_ACQUIRE);
}

/* @bytes: a multiple of 8. @from is private. */
static inline void hak_store_words(void *to, const void *from, size_t bytes)
{
	hak_shared_word *t = to;
	const hak_shared_word *f = from;

	for (size_t i = 0; i < bytes / sizeof(*t); i++)
		hak_store_u64(&t[i], f[i]);
}

/* @bytes: a multiple of 8. @to is private. */
static inline void hak_load_words(void *to, const void *from, size_t bytes)
{
	hak_shared_word *t = to;
	const hak_shared_word *f = from;

	for (size_t i = 0; i < bytes / sizeof(*t); i++)
		t[i] = hak_load_u64(&f[i]);
}

#endif
