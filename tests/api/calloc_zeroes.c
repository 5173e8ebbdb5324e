/* SPDX-License-Identifier: MIT */
/* calloc gives zeroes, on memory that was full of something else before, up to the usable size's request. */
#include "api.h"

int main(void)
{
	enum { BLOCKS = 64 };
	void *block[BLOCKS];

	for (size_t size = 1; size < (size_t)10 << 20; size = size + size / 2 + 1) {
		int count = size > (1 << 20) ? 3 : BLOCKS;

		for (int round = 0; round < 2; round++) {
			for (int i = 0; i < count; i++) {
				block[i] = malloc(size);
				expect(block[i] != NULL, "malloc(%zu) failed", size);
				memset(block[i], 0xa5, size);
			}
			for (int i = 0; i < count; i++)
				free(block[i]);
			for (int i = 0; i < count; i++) {
				block[i] = i % 2 ? calloc(1, size) : calloc(size, 1);
				expect(block[i] != NULL, "calloc(%zu) failed", size);
				expect(zeroed(block[i], size), "calloc of %zu bytes is not zero", size);
				memset(block[i], 0x5a, size);
			}
			for (int i = 0; i < count; i++)
				free(block[i]);
		}
	}
	return 0;
}
