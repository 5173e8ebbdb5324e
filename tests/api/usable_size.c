/* SPDX-License-Identifier: MIT */
/* All of the usable size may be written: neighbours keep what they hold, and a second look gives the same. */
#include "api.h"

#include <malloc.h>

int main(void)
{
	enum { BLOCKS = 48 };
	void *block[BLOCKS];
	size_t usable[BLOCKS];

	for (size_t size = 1; size < (size_t)12 << 20; size = size + size / 4 + 1) {
		int count = size > 500000 ? 4 : BLOCKS;

		for (int i = 0; i < count; i++) {
			block[i] = malloc(size);
			expect(block[i] != NULL, "malloc(%zu) failed", size);
			usable[i] = malloc_usable_size(block[i]);
			expect(usable[i] >= size, "usable %zu of %zu", usable[i], size);
			fill(block[i], usable[i], (unsigned)i);
		}
		for (int i = 0; i < count; i++) {
			expect(malloc_usable_size(block[i]) == usable[i], "the usable size of %zu moved",
			       size);
			expect(filled(block[i], usable[i], (unsigned)i), "blocks of %zu bytes overlap", size);
			free(block[i]);
		}
	}
	return 0;
}
