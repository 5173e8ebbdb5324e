/* SPDX-License-Identifier: MIT */
/* Aligned, so only the exact start tells. */
#include "misuse.h"

int main(void)
{
	char *block = malloc(160);

	misuse_expect_inside("realloc", block + 32, block);
	return realloc(opaque(block + 32), 4000) == NULL;
}
