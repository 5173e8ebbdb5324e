/* SPDX-License-Identifier: MIT */
/* A local array. */
#include "misuse.h"

int main(void)
{
	char local[64] __attribute__((aligned(64))) = "on the stack";

	misuse_expect("realloc", local, NOT_OURS);
	return realloc(opaque(local), 4000) == NULL;
}
