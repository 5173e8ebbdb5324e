/* SPDX-License-Identifier: MIT */
/* While a forked child lives, parent and child each give back what they free, and neither loses what it
 * keeps: pages that are shared go from one without leaving the other. */
#include "api.h"

#include <malloc.h>
#include <signal.h>
#include <sys/wait.h>

enum { BLOCKS = 20000, BYTES = 4000, LARGE = 24, LARGE_BYTES = 2000000 };

static void *block[BLOCKS], *large[LARGE];

static long free_all(void)
{
	long full = status_kib("VmRSS");

	for (unsigned i = 0; i < BLOCKS; i++)
		free(block[i]);
	for (unsigned i = 0; i < LARGE; i++)
		free(large[i]);
	malloc_trim(0);
	return full - status_kib("VmRSS");
}

static void check_contents(const char *whose)
{
	for (unsigned i = 0; i < BLOCKS; i++)
		expect(filled(block[i], BYTES, i), "the %s's block %u has lost its contents", whose, i);
	for (unsigned i = 0; i < LARGE; i++)
		expect(filled(large[i], LARGE_BYTES, i), "the %s's large block %u as well", whose, i);
}

int main(void)
{
	int to_child[2], to_parent[2], status;
	long returned;
	char byte = 0;
	pid_t child;

	for (unsigned i = 0; i < BLOCKS; i++)
		fill(block[i] = malloc(BYTES), BYTES, i);
	for (unsigned i = 0; i < LARGE; i++)
		fill(large[i] = malloc(LARGE_BYTES), LARGE_BYTES, i);
	expect(pipe(to_child) == 0 && pipe(to_parent) == 0, "no pipes");
	child = fork();
	if (child == 0) {
		expect(read(to_child[0], &byte, 1) == 1, "the parent is gone");
		check_contents("child"); /* after the parent has returned its pages */
		returned = free_all();
		expect(returned > 100000, "the child returned %ld KiB", returned);
		_exit(0);
	}
	returned = free_all();
	expect(returned > 100000, "the parent returned %ld KiB while its child lives", returned);
	expect(write(to_child[1], &byte, 1) == 1, "the child is gone");
	expect(waitpid(child, &status, 0) == child && status == 0, "the child ended with %d", status);
	return 0;
}
