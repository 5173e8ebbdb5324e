/* SPDX-License-Identifier: MIT */
/*
 * churn BYTES SECONDS: allocates a block of BYTES, writes a word into each page, frees it, for SECONDS of
 * wall time. What the slow paths keep of it is all that matters here.
 */
#include <stdlib.h>
#include <time.h>

enum { PAGE_BYTES = 4096, BLOCKS_AT_ONCE = 16 };

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	size_t bytes = argc == 3 ? strtoull(argv[1], NULL, 10) : 0;
	double end = argc == 3 ? now() + strtod(argv[2], NULL) : 0;

	if (!bytes)
		return 2;
	while (now() < end) {
		for (int i = 0; i < BLOCKS_AT_ONCE; i++) {
			volatile char *block = malloc(bytes);

			if (!block)
				return 1;
			for (size_t at = 0; at < bytes; at += PAGE_BYTES)
				block[at] = 1;
			free((void *)block);
		}
	}
	return 0;
}
