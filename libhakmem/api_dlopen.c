/* SPDX-License-Identifier: MIT */
/*
 * dlopen without RTLD_DEEPBIND. What is loaded with that flag looks for malloc and free in its own
 * dependencies first, finds libc's, and frees there what others got here: PHP, which loads its extensions so,
 * crashed with a persistent PDO connection under every preloaded allocator. Without the flag symbols are
 * found in the order in which all other libraries find them; other C libraries do not know it at all.
 */
#include <dlfcn.h>
#include <stdatomic.h>

#include "base.h"

typedef void *dlopen_function(const char *, int);

static _Atomic(dlopen_function *) next;

static HAK_NOINLINE dlopen_function *find_next(void)
{
	dlopen_function *found = (dlopen_function *)dlsym(RTLD_NEXT, "dlopen");

	/* relaxed: whoever comes first, they all find the same function, which was there before */
	atomic_store_explicit(&next, found, memory_order_relaxed);
	return found;
}

/*
 * The last call is a jump: glibc takes who called, whose RUNPATH counts and whose $ORIGIN, from the return
 * address that dlopen finds. tests/api/late_dlopen.c notices where a compiler does otherwise.
 */
HAK_EXPORT void *dlopen(const char *path, int mode)
{
	dlopen_function *function = atomic_load_explicit(&next, memory_order_relaxed);

	if (hak_unlikely(!function))
		function = find_next();
	return function(path, mode & ~RTLD_DEEPBIND);
}
