/* SPDX-License-Identifier: MIT */
/* A static array. */
#include "misuse.h"

static char object[4096] __attribute__((aligned(4096)));

int main(void)
{
	misuse_expect("free", object, NOT_OURS);
	free(opaque(object));
	return object[0];
}
