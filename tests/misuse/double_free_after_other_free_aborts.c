/* SPDX-License-Identifier: MIT */
/* The block is not the one that was freed last. */
#include "misuse.h"

int main(void)
{
	void *block = malloc(40);
	void *other = malloc(40);

	misuse_prepare(40);
	free(block);
	free(other);
	misuse_expect("free", block, DOUBLE_FREE);
	free(opaque(block));
	misuse_settle();
	return 0;
}
