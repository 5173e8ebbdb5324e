/* SPDX-License-Identifier: MIT */
/*
 * __register_atfork, which pthread_atfork() of every library calls: whoever registers, our handlers were
 * there before. So our locks are taken after all other prepare handlers have run and given back before other
 * handlers do: those may allocate. To register in our constructor is too late, for those of the libraries
 * that a program links run before a preloaded one's.
 */
#include <dlfcn.h>
#include <errno.h>

#include "base.h"
#include "lifecycle.h"

typedef void handler(void);
typedef int register_function(handler *, handler *, handler *, void *);

int __register_atfork(handler *prepare, handler *parent, handler *child, void *library);

HAK_EXPORT int __register_atfork(handler *prepare, handler *parent, handler *child, void *library)
{
	register_function *next = (register_function *)dlsym(RTLD_NEXT, "__register_atfork");
	bool held;
	int result;

	hak_lifecycle_watch_forks(); /* comes here itself, the first time */
	if (!next)
		return ENOMEM;
	held = hak_lifecycle_hold_forks();
	result = next(prepare, parent, child, library);
	if (held)
		hak_lifecycle_let_fork();
	return result;
}
