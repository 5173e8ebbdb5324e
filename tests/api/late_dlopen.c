/* SPDX-License-Identifier: MIT */
/*
 * dlopen and dlclose while threads run and allocate; blocks cross the border both ways, of what was loaded
 * with RTLD_DEEPBIND, too. Who calls dlopen is looked at as ever.
 */
#include "api.h"

#include <dlfcn.h>
#include <libgen.h>

static char path[4096];

static void *thread_main(void *unused)
{
	for (int i = 0; i < 100; i++) {
		void *handle = dlopen(path, RTLD_NOW | (i % 2 ? RTLD_DEEPBIND : RTLD_LOCAL));
		void *(*find_itself)(void), *again;
		void *(*make)(size_t);
		void (*drop)(void *);

		expect(handle != NULL, "dlopen: %s", dlerror());
		make = (void *(*)(size_t))dlsym(handle, "plugin_make");
		drop = (void (*)(void *))dlsym(handle, "plugin_drop");
		find_itself = (void *(*)(void))dlsym(handle, "plugin_find_itself");
		expect(make && drop && find_itself, "the plugin lacks a function");
		again = find_itself();
		expect(again == handle, "the caller's RUNPATH was not followed: %s", dlerror());
		dlclose(again);
		for (size_t size = 1; size < 200000; size = size * 3) {
			free(make(size));
			drop(malloc(size));
		}
		expect(dlopen("/nonexistent.so", RTLD_NOW) == NULL && dlerror() != NULL, "opened nothing");
		dlclose(handle);
	}
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread[3];

	(void)argc;
	snprintf(path, sizeof(path), "%s/plugin.so", dirname(argv[0]));
	for (int i = 0; i < 3; i++)
		expect(pthread_create(&thread[i], NULL, thread_main, NULL) == 0, "no thread");
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
