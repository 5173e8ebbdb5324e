/* SPDX-License-Identifier: MIT */
/* Aligned, so only the exact start tells. */
#include "misuse.h"

int main(void)
{
	char *block = malloc(160);

	misuse_expect("realloc", block + 32, NOT_THE_START);
	return realloc(opaque(block + 32), 4000) == NULL;
}
