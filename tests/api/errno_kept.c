/* SPDX-License-Identifier: MIT */
/* free keeps errno, whatever it does inside; a successful allocation does not have to, but must not report.
 */
#include "api.h"

#include <malloc.h>

int main(void)
{
	enum { BLOCKS = 2000 };
	static void *block[BLOCKS];
	static const size_t sizes[] = {1, 64, 1000, 5000, 40000, 200000, 1 << 20, 9 << 20};

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		int count = sizes[s] > 100000 ? 20 : BLOCKS;

		for (int i = 0; i < count; i++) {
			block[i] = malloc(sizes[s]);
			expect(block[i] != NULL, "malloc(%zu) failed", sizes[s]);
			memset(block[i], 1, sizes[s] > 4096 ? 4096 : sizes[s]);
		}
		for (int i = 0; i < count; i++) {
			errno = 4711;
			free(block[i]);
			expect(errno == 4711, "free of %zu bytes set errno to %d", sizes[s], errno);
		}
	}
	errno = 4711;
	free(opaque(NULL));
	malloc_trim(0);
	expect(errno == 4711, "free(NULL) or malloc_trim set errno to %d", errno);
	return 0;
}
