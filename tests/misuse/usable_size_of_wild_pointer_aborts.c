/* SPDX-License-Identifier: MIT */
/* A size that nobody knows must not be invented. */
#include "misuse.h"

#include <malloc.h>

int main(void)
{
	char local[64] __attribute__((aligned(64))) = "on the stack";

	misuse_expect("malloc_usable_size", local, NOT_OURS);
	return malloc_usable_size(opaque(local)) == 0;
}
