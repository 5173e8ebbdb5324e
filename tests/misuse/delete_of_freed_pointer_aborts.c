/* SPDX-License-Identifier: MIT */
/* The C++ operators are checked as free is; the function names itself. */
#include "misuse.h"

#include <dlfcn.h>

int main(void)
{
	/* operator delete(void *), by its linker name: no C++ needed. */
	void (*delete_it)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "_ZdlPv");
	void *block = malloc(40);

	if (delete_it == NULL)
		return 3;
	delete_it(block);
	misuse_expect("operator delete", block, DOUBLE_FREE);
	misuse_expect("free", block, DOUBLE_FREE);
	delete_it(opaque(block));
	return 0;
}
