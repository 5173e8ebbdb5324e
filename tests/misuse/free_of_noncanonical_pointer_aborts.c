/* SPDX-License-Identifier: MIT */
/* An address that no process can have: looking there would fault. */
#include "misuse.h"

int main(void)
{
	void *nowhere = (void *)UINT64_C(0xdead000000000010);

	misuse_expect("free", nowhere, NOT_OURS);
	free(opaque(nowhere));
	return 0;
}
