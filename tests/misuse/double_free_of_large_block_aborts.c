/* SPDX-License-Identifier: MIT */
/* A large block may be gone by then: both answers are true. */
#include "misuse.h"

int main(void)
{
	void *block = malloc(5 << 20);

	free(block);
	misuse_expect("free", block, DOUBLE_FREE);
	misuse_expect("free", block, NOT_OURS);
	free(opaque(block));
	return 0;
}
