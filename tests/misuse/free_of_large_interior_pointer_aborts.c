/* SPDX-License-Identifier: MIT */
/* A page boundary inside a large block. */
#include "misuse.h"

int main(void)
{
	char *block = malloc(5 << 20);
	long page_bytes = sysconf(_SC_PAGESIZE);
	char *inside = (char *)(((uintptr_t)block + page_bytes) & -(uintptr_t)page_bytes) + page_bytes;

	misuse_expect("free", inside, NOT_THE_START);
	free(opaque(inside));
	return 0;
}
