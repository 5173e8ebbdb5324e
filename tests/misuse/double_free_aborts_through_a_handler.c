/* SPDX-License-Identifier: MIT */
/* What the program does about SIGABRT allocates and forks, as crash reporters do: nothing is locked then. */
#include <signal.h>
#include <sys/wait.h>

#include "misuse.h"

static void report(int number)
{
	static void *kept[MISUSE_OTHERS];
	pid_t child;

	(void)number;
	alarm(20); /* who waits for ever */
	for (unsigned i = 0; i < MISUSE_OTHERS; i++)
		kept[i] = malloc(i * 20);
	child = fork();
	if (child == 0)
		_exit(kept[1] == NULL);
	waitpid(child, NULL, 0);
}

int main(void)
{
	void *block = malloc(40);

	signal(SIGABRT, report);
	misuse_prepare(40);
	free(block);
	for (int i = 0; i < MISUSE_OTHERS; i += 2) /* it goes home, to a slab that stays */
		free(misuse_other[i]);
	misuse_expect("free", block, DOUBLE_FREE);
	free(opaque(block));
	for (int i = 1; i < MISUSE_OTHERS; i += 4)
		free(misuse_other[i]);
	return 0;
}
