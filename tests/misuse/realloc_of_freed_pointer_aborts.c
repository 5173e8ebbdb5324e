/* SPDX-License-Identifier: MIT */
/* The block went back already. */
#include "misuse.h"

int main(void)
{
	void *block = malloc(40);

	free(block);
	misuse_expect("free", block, DOUBLE_FREE);
	misuse_expect("realloc", block, IS_FREE);
	return realloc(opaque(block), 4000) == NULL;
}
