/* SPDX-License-Identifier: MIT */
/* HAK_TWIN(malloc) void *hak_malloc(size_t): the same function under a second, exported name. */
#ifndef HAK_TWIN_H
#define HAK_TWIN_H

/* gcc wants to be told that the twin has all attributes of the original; clang takes them without asking. */
#if __has_attribute(copy)
#define HAK_TWIN(name) __attribute__((visibility("default"), alias(#name), copy(name)))
#else
#define HAK_TWIN(name) __attribute__((visibility("default"), alias(#name)))
#endif

#endif
