/* SPDX-License-Identifier: MIT */
/*
 * C++'s operators new and delete, by their Itanium ABI names (size_t is m: LP64). What fails is handed to the
 * next definition in the process, the C++ library's: it calls the new-handler and throws, which C cannot.
 */
#include <dlfcn.h>

#include "alloc.h"
#include "fatal.h"

typedef void *new_function(size_t);
typedef void *new_nothrow_function(size_t, const void *);
typedef void *new_aligned_function(size_t, size_t);
typedef void *new_aligned_nothrow_function(size_t, size_t, const void *);

static void *next_definition(const char *symbol)
{
	void *next = dlsym(RTLD_NEXT, symbol);

	if (!next)
		hak_fatal("operator new", NULL, "out of memory, and no C++ library to throw bad_alloc");
	return next;
}

#define DEFINE_NEW(symbol)                                                                            \
	HAK_EXPORT void *symbol(size_t bytes);                                                        \
	HAK_EXPORT void *symbol(size_t bytes)                                                         \
	{                                                                                             \
		void *block = hak_alloc_malloc(bytes);                                                \
		return hak_likely(block) ? block : ((new_function *)next_definition(#symbol))(bytes); \
	}

#define DEFINE_NEW_NOTHROW(symbol)                                                                         \
	HAK_EXPORT void *symbol(size_t bytes, const void *tag);                                            \
	HAK_EXPORT void *symbol(size_t bytes, const void *tag)                                             \
	{                                                                                                  \
		void *block = hak_alloc_malloc(bytes);                                                     \
		return hak_likely(block) ? block                                                           \
					 : ((new_nothrow_function *)next_definition(#symbol))(bytes, tag); \
	}

#define DEFINE_NEW_ALIGNED(symbol)                                                                           \
	HAK_EXPORT void *symbol(size_t bytes, size_t align);                                                 \
	HAK_EXPORT void *symbol(size_t bytes, size_t align)                                                  \
	{                                                                                                    \
		void *block = hak_alloc_aligned(align, bytes);                                               \
		return hak_likely(block) ? block                                                             \
					 : ((new_aligned_function *)next_definition(#symbol))(bytes, align); \
	}

#define DEFINE_NEW_ALIGNED_NOTHROW(symbol)                                                             \
	HAK_EXPORT void *symbol(size_t bytes, size_t align, const void *tag);                          \
	HAK_EXPORT void *symbol(size_t bytes, size_t align, const void *tag)                           \
	{                                                                                              \
		void *block = hak_alloc_aligned(align, bytes);                                         \
		return hak_likely(block) ? block                                                       \
					 : ((new_aligned_nothrow_function *)next_definition(#symbol))( \
						   bytes, align, tag);                                 \
	}

/* Sizes, alignments and tags are ignored: the page map knows better. */
#define DEFINE_DELETE(symbol)                \
	HAK_EXPORT void symbol(void *block); \
	HAK_EXPORT void symbol(void *block)  \
	{                                    \
		hak_alloc_free(block);       \
	}

DEFINE_NEW(_Znwm)
DEFINE_NEW(_Znam)
DEFINE_NEW_NOTHROW(_ZnwmRKSt9nothrow_t)
DEFINE_NEW_NOTHROW(_ZnamRKSt9nothrow_t)
DEFINE_NEW_ALIGNED(_ZnwmSt11align_val_t)
DEFINE_NEW_ALIGNED(_ZnamSt11align_val_t)
DEFINE_NEW_ALIGNED_NOTHROW(_ZnwmSt11align_val_tRKSt9nothrow_t)
DEFINE_NEW_ALIGNED_NOTHROW(_ZnamSt11align_val_tRKSt9nothrow_t)

DEFINE_DELETE(_ZdlPv)
DEFINE_DELETE(_ZdaPv)
DEFINE_DELETE(_ZdlPvm)
DEFINE_DELETE(_ZdaPvm)
DEFINE_DELETE(_ZdlPvRKSt9nothrow_t)
DEFINE_DELETE(_ZdaPvRKSt9nothrow_t)
DEFINE_DELETE(_ZdlPvSt11align_val_t)
DEFINE_DELETE(_ZdaPvSt11align_val_t)
DEFINE_DELETE(_ZdlPvmSt11align_val_t)
DEFINE_DELETE(_ZdaPvmSt11align_val_t)
DEFINE_DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t)
DEFINE_DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t)
