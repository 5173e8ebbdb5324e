/* SPDX-License-Identifier: MIT */
/* Every size from 1 to 70000 is aligned for any type; every alignment up to 64 MiB is kept, also by usable
 * size. */
#include "api.h"

#include <malloc.h>

static void check_sizes(void)
{
	for (size_t size = 1; size <= 70000; size++) {
		char *block = malloc(size);

		/* An object smaller than 16 bytes needs no more than the largest power of two in it. */
		size_t need = size >= 16 ? 16 : size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1;
		expect(block != NULL, "malloc(%zu) failed", size);
		expect((uintptr_t)block % need == 0, "malloc(%zu) gave %p", size, (void *)block);
		expect(malloc_usable_size(block) >= size, "usable size %zu of malloc(%zu)",
		       malloc_usable_size(block), size);
		block[0] = 1;
		block[size - 1] = 1;
		free(block);
	}
}

static void check_alignments(void)
{
	static const size_t sizes[] = {1, 17, 100, 4096, 5000, 70000, 300000, 3 << 20};
	enum { SIZES = sizeof(sizes) / sizeof(sizes[0]), EACH = 3 };

	for (size_t alignment = 8; alignment <= (size_t)64 << 20; alignment *= 2) {
		void *block[SIZES][EACH];

		for (int s = 0; s < SIZES; s++) {
			for (int i = 0; i < EACH; i++) {
				void *p = NULL;

				if (i == 0)
					p = memalign(alignment, sizes[s]);
				else if (i == 1)
					p = aligned_alloc(alignment, sizes[s]);
				else
					expect(posix_memalign(&p, alignment, sizes[s]) == 0, "alignment %zu",
					       alignment);
				expect(p != NULL, "alignment %zu, size %zu: %d", alignment, sizes[s], errno);
				expect((uintptr_t)p % alignment == 0, "%p for alignment %zu", p, alignment);
				expect(malloc_usable_size(p) >= sizes[s], "usable size");
				fill(p, sizes[s], (unsigned)(s * EACH + i));
				block[s][i] = p;
			}
		}
		for (int s = 0; s < SIZES; s++) {
			for (int i = 0; i < EACH; i++) {
				expect(filled(block[s][i], sizes[s], (unsigned)(s * EACH + i)),
				       "blocks of alignment %zu overlap", alignment);
				/* One of three goes through realloc, which must take any block. */
				if (i == 2)
					block[s][i] = realloc(block[s][i], sizes[s] * 2);
				expect(filled(block[s][i], sizes[s], (unsigned)(s * EACH + i)), "realloc");
				free(block[s][i]);
			}
		}
	}
}

int main(void)
{
	void *page;

	check_sizes();
	check_alignments();
	page = valloc(100);
	expect(page != NULL && (uintptr_t)page % (uintptr_t)sysconf(_SC_PAGESIZE) == 0, "valloc gave %p",
	       page);
	free(page);
	page = pvalloc(100);
	expect(page != NULL && (uintptr_t)page % (uintptr_t)sysconf(_SC_PAGESIZE) == 0, "pvalloc gave %p",
	       page);
	expect(malloc_usable_size(page) >= (size_t)sysconf(_SC_PAGESIZE), "pvalloc did not round up");
	free(page);
	return 0;
}
