/* SPDX-License-Identifier: MIT */
/* malloc_trim returns everything that can be returned: what bins, caches and emptied slabs hold, and the
 * pages of slabs in which little lives. */
#include "api.h"

#include <malloc.h>

enum { BLOCKS = 60000, KEEP_ONE_IN = 500 };

static void *block[BLOCKS];
static size_t size[BLOCKS];

int main(void)
{
	uint32_t random = 7;
	long page_kib = sysconf(_SC_PAGESIZE) >> 10;
	long pinned = page_kib > 4 ? BLOCKS / KEEP_ONE_IN * 2 * page_kib : 0;
	long before, full, after;

	free(malloc(1 << 20));
	before = status_kib("VmRSS");
	for (unsigned i = 0; i < BLOCKS; i++) {
		size[i] = random_next(&random) % 1000 == 0 ? 1000000 + random_next(&random) % 2000000
							   : 16 + random_next(&random) % 3000;
		block[i] = malloc(size[i]);
		expect(block[i] != NULL, "no memory");
		fill(block[i], size[i], i);
	}
	full = status_kib("VmRSS");
	expect(full - before > 150000, "only %ld KiB were used", full - before);
	for (unsigned i = 0; i < BLOCKS; i++)
		if (i % KEEP_ONE_IN || size[i] > 3016)
			free(block[i]);
	expect(malloc_trim(0) == 1, "malloc_trim said that nothing was returned");
	after = status_kib("VmRSS");
	/* 120 blocks live on, each on a page or two; tables of what was 200 MiB may stay. */
	expect(after - before < (full - before) / 20 + pinned, "of %ld KiB %ld stay", full - before,
	       after - before);
	for (unsigned i = 0; i < BLOCKS; i += KEEP_ONE_IN)
		if (size[i] <= 3016)
			expect(filled(block[i], size[i], i), "block %u has lost its contents", i);
	return 0;
}
