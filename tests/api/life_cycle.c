/* SPDX-License-Identifier: MIT */
/* Allocations before main, in constructors, atexit handlers, destructors, and in threads that outlive main.
 */
#include "api.h"

enum { BLOCKS = 200 };
static char *early[BLOCKS];
static char *late[BLOCKS];

static void fill_all(char **block, unsigned seed)
{
	for (unsigned i = 0; i < BLOCKS; i++) {
		block[i] = malloc(i * 37 + 1);
		expect(block[i] != NULL, "malloc failed");
		fill(block[i], i * 37 + 1, i + seed);
	}
}

static void free_all(char **block, unsigned seed)
{
	for (unsigned i = 0; i < BLOCKS; i++) {
		expect(filled(block[i], i * 37 + 1, i + seed), "block %u was overwritten", i);
		free(block[i]);
	}
}

static void before_all(void)
{
	free(malloc(10));
	fill_all(early, 1);
}

/* Runs before any constructor of a library, the preloaded one's among them. */
__attribute__((section(".preinit_array"), used)) static void (*preinit)(void) = before_all;

__attribute__((constructor(101))) static void first_constructor(void)
{
	free_all(early, 1);
	fill_all(early, 2);
}

__attribute__((destructor(101))) static void last_destructor(void)
{
	char *block[BLOCKS];

	free_all(late, 3);
	fill_all(block, 4);
	free_all(block, 4);
}

static void at_exit(void)
{
	free_all(late, 5);
	fill_all(late, 3);
}

static void *outlives_main(void *unused)
{
	for (;;) {
		char *block = calloc(1, 3000);

		expect(block != NULL && zeroed(block, 3000), "calloc failed at exit");
		free(block);
	}
	return unused;
}

int main(void)
{
	pthread_t thread;

	free_all(early, 2);
	fill_all(late, 5);
	atexit(at_exit);
	for (int i = 0; i < 3; i++)
		expect(pthread_create(&thread, NULL, outlives_main, NULL) == 0, "no thread");
	usleep(20000);
	return 0;
}
