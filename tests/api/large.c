/* SPDX-License-Identifier: MIT */
/* Large blocks: 1 GiB, whose pages are touched at both ends; memory that was freed goes back when asked. */
#include "api.h"

#include <malloc.h>

static void huge(void)
{
	size_t size = (size_t)1 << 30;

	for (int round = 0; round < 6; round++) {
		char *block = round % 2 ? malloc(size) : calloc(1, size);

		expect(block != NULL, "1 GiB failed: %d", errno);
		expect(round % 2 || (block[0] == 0 && block[size / 2] == 0 && block[size - 1] == 0),
		       "not zero");
		block[0] = 1;
		block[size / 2] = 1;
		block[size - 1] = 1;
		block = realloc(block, size + (64 << 20));
		expect(block != NULL && block[0] == 1 && block[size / 2] == 1 && block[size - 1] == 1,
		       "realloc");
		free(block);
	}
}

static void gives_back(void)
{
	enum { BLOCKS = 32, SIZE = 4 << 20 };
	static char *block[BLOCKS];
	long before = status_kib("VmRSS");
	long full;
	long after;

	for (int i = 0; i < BLOCKS; i++) {
		block[i] = malloc(SIZE);
		expect(block[i] != NULL, "malloc failed");
		memset(block[i], 1, SIZE);
	}
	full = status_kib("VmRSS");
	for (int i = 0; i < BLOCKS; i++)
		free(block[i]);
	malloc_trim(0);
	after = status_kib("VmRSS");
	expect(full - before >= BLOCKS * (SIZE / 1024) * 9 / 10, "RSS grew by %ld KiB only", full - before);
	/* What MADV_FREE marked counts until the kernel takes it: a base may stay, most must not. */
	expect(after - before < (full - before) / 4, "RSS was %ld KiB, full %ld, after malloc_trim %ld",
	       before, full, after);
}

static void many_sizes(void)
{
	enum { BLOCKS = 24, STEPS = 4000 };
	static void *block[BLOCKS];
	static size_t size[BLOCKS];
	uint32_t state = 99;

	for (int step = 0; step < STEPS; step++) {
		unsigned i = random_next(&state) % BLOCKS;

		if (block[i] != NULL) {
			expect(filled(block[i], 64, i) && filled((char *)block[i] + size[i] - 64, 64, i),
			       "a large block of %zu bytes was overwritten", size[i]);
			free(block[i]);
		}
		size[i] = random_next(&state) % (8 << 20) + 30000;
		block[i] = malloc(size[i]);
		expect(block[i] != NULL, "malloc(%zu) failed", size[i]);
		fill(block[i], 64, i);
		fill((char *)block[i] + size[i] - 64, 64, i);
	}
	for (int i = 0; i < BLOCKS; i++)
		free(block[i]);
}

int main(void)
{
	gives_back();
	huge();
	many_sizes();
	return 0;
}
