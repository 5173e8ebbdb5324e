/* SPDX-License-Identifier: MIT */
/* No block starts at an odd address. */
#include "misuse.h"

int main(void)
{
	char *block = malloc(40);

	misuse_expect("free", block + 3, MISALIGNED);
	free(opaque(block + 3));
	return 0;
}
