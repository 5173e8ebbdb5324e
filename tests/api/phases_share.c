/* SPDX-License-Identifier: MIT */
/* A phase of large blocks, then one of small ones: what the first freed is not kept beside the second. */
#include "api.h"

enum { LARGE = 16, LARGE_BYTES = 5 << 19, SMALL = 40000, SMALL_BYTES = 1000, BESIDE_KIB = 16 << 10 };

int main(void)
{
	static char *large[LARGE], *small[SMALL];
	long first, both, began = status_kib("VmHWM");

	for (int i = 0; i < LARGE; i++) {
		large[i] = malloc(LARGE_BYTES);
		expect(large[i] != NULL, "malloc failed");
		fill(large[i], LARGE_BYTES, (unsigned)i);
	}
	for (int i = 0; i < LARGE; i++)
		free(large[i]);
	first = status_kib("VmHWM") - began;
	for (int i = 0; i < SMALL; i++) {
		small[i] = malloc(SMALL_BYTES);
		expect(small[i] != NULL, "malloc failed");
		fill(small[i], SMALL_BYTES, (unsigned)i);
	}
	both = status_kib("VmHWM") - began;
	expect(both < first + BESIDE_KIB, "%ld KiB after the large blocks, %ld after the small ones", first,
	       both);
	for (int i = 0; i < SMALL; i++) {
		expect(filled(small[i], SMALL_BYTES, (unsigned)i), "block %d was overwritten", i);
		free(small[i]);
	}
	return 0;
}
