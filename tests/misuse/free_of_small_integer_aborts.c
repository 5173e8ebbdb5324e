/* SPDX-License-Identifier: MIT */
/* A number that lost its way. */
#include "misuse.h"

int main(void)
{
	void *number = (void *)UINT64_C(0x40);

	misuse_expect("free", number, NOT_OURS);
	free(opaque(number));
	return 0;
}
