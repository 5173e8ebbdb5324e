/* SPDX-License-Identifier: MIT */
/* What every file here may use: branch hints, linkage, and the two kinds of assertion. */
#ifndef HAK_BASE_H
#define HAK_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define hak_likely(x)                       __builtin_expect(!!(x), 1)
#define hak_unlikely(x)                     __builtin_expect(!!(x), 0)
#define HAK_NOINLINE                        __attribute__((noinline, cold))
#define HAK_EXPORT                          __attribute__((visibility("default")))
/* A second name for a function; gcc wants the header's attributes on it as well, clang does not know how. */
#if __has_attribute(copy)
#define HAK_TWIN(name) __attribute__((visibility("default"), alias(#name), copy(name)))
#else
#define HAK_TWIN(name) __attribute__((visibility("default"), alias(#name)))
#endif
#define HAK_ALIGNED(n)    __attribute__((aligned(n)))
/* The compiler makes up its mind here where @x is: what is returned is then loaded where it is returned. */
#define hak_settle(x)                       __asm__("" : "+r"(x))

#ifdef HAK_DEBUG
#define HAK_DEBUG_CHECKS 1
#else
#define HAK_DEBUG_CHECKS 0
#endif

/*
 * hak_assert: our own invariants, debug builds only. hak_verify: always on, for cheap ones that guard memory.
 */
_Noreturn void hak_assert_failed(const char *condition, const char *file, int line); /* fatal.c */

#define hak_assert(x) ((!HAK_DEBUG_CHECKS || (x)) ? (void)0 : hak_assert_failed(#x, __FILE__, __LINE__))
#define hak_verify(x) (hak_likely(x) ? (void)0 : hak_assert_failed(#x, __FILE__, __LINE__))

#endif
