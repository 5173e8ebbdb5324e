/* SPDX-License-Identifier: MIT */
/* Aligned, so only the exact start tells. */
#include "misuse.h"

int main(void)
{
	char *block = malloc(160);

	misuse_prepare(160);
	misuse_expect("free", block + 32, NOT_THE_START);
	free(opaque(block + 32));
	misuse_settle();
	return 0;
}
