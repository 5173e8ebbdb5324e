/* SPDX-License-Identifier: MIT */
/* What late_dlopen loads: a library with thread-local storage and constructors that allocate. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static __thread char local[3000];
static char *kept;

__attribute__((constructor)) static void load(void)
{
	kept = malloc(12345);
	if (kept != NULL)
		memset(kept, 1, 12345);
}

__attribute__((destructor)) static void unload(void)
{
	free(kept);
}

void *plugin_make(size_t size_bytes);
void *plugin_make(size_t size_bytes)
{
	local[size_bytes % sizeof(local)]++;
	return malloc(size_bytes);
}

void plugin_drop(void *block);
void plugin_drop(void *block)
{
	free(block);
}

/* Found by this library's RUNPATH alone; the program has none. */
void *plugin_find_itself(void);
void *plugin_find_itself(void)
{
	void *volatile handle = dlopen("plugin.so", RTLD_NOW);

	return handle;
}
