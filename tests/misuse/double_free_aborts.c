/* SPDX-License-Identifier: MIT */
/* The block is still in the thread's bin, or just went back to its slab. */
#include "misuse.h"

int main(void)
{
	void *block = malloc(40);

	free(block);
	misuse_expect("free", block, DOUBLE_FREE);
	free(opaque(block));
	return 0;
}
