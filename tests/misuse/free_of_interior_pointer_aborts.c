/* SPDX-License-Identifier: MIT */
/* Aligned, so only the exact start tells. */
#include "misuse.h"

int main(void)
{
	char *block = malloc(160);

	misuse_expect_inside("free", block + 32, block);
	free(opaque(block + 32));
	return 0;
}
