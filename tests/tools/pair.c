/* SPDX-License-Identifier: MIT */
/* pair COUNT: malloc and free of 64 bytes, COUNT times. Two counts under callgrind give the price of one
 * pair. */
#include <stdlib.h>

int main(int argc, char **argv)
{
	long count = argc == 2 ? atol(argv[1]) : 1000;

	for (long i = 0; i < count; i++) {
		void *block = malloc(64);

		__asm__ volatile("" : "+r"(block) : : "memory");
		free(block);
	}
	return 0;
}
