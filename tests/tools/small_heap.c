/* SPDX-License-Identifier: MIT */
/* A small program: 100 KiB of live blocks of mixed small sizes, all written, some replaced; prints its peak
 * RSS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { BLOCKS = 800, REPLACED = 4000 };
static char *block[BLOCKS];

/* 16 to 240 bytes, 128 on average. */
static size_t size_of(unsigned i)
{
	return 16 + (i * 37 % 15) * 16;
}

int main(void)
{
	struct rusage usage;

	for (unsigned i = 0; i < BLOCKS + REPLACED; i++) {
		unsigned place = i < BLOCKS ? i : i * 7919 % BLOCKS;

		free(block[place]);
		block[place] = malloc(size_of(i));
		if (block[place] == NULL)
			return 1;
		memset(block[place], 1, size_of(i));
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("%ld\n", usage.ru_maxrss);
	return 0;
}
