/* SPDX-License-Identifier: MIT */
/* Freed by a stranger first, then by its owner. */
#include "misuse.h"

static void *free_it(void *block)
{
	free(block);
	return NULL;
}

int main(void)
{
	void *block = malloc(40);
	pthread_t thread;

	misuse_prepare(40);
	if (pthread_create(&thread, NULL, free_it, block) != 0 || pthread_join(thread, NULL) != 0)
		return 3;
	misuse_expect("free", block, DOUBLE_FREE);
	free(opaque(block));
	misuse_settle();
	return 0;
}
