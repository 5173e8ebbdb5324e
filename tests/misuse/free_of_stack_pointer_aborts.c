/* SPDX-License-Identifier: MIT */
/* A local array. */
#include "misuse.h"

int main(void)
{
	char local[64] __attribute__((aligned(64))) = "on the stack";

	misuse_expect("free", local, NOT_OURS);
	free(opaque(local));
	return local[0];
}
