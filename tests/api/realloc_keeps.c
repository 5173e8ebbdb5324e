/* SPDX-License-Identifier: MIT */
/* realloc keeps what fits: growing and shrinking step by step, and at random between small and large. */
#include "api.h"

static void grow_and_shrink(void)
{
	unsigned char *block = NULL;
	size_t old = 0;

	for (size_t size = 1; size < (size_t)40 << 20; size = size + size / 5 + 1) {
		block = realloc(block, size);
		expect(block != NULL, "realloc to %zu failed", size);
		expect(filled(block, old, 3), "growing from %zu to %zu lost data", old, size);
		fill(block, size, 3);
		old = size;
	}
	while (old > 1) {
		size_t size = old - old / 4 - 1;

		size = size ? size : 1;
		block = realloc(block, size);
		expect(block != NULL, "realloc to %zu failed", size);
		expect(filled(block, size, 3), "shrinking from %zu to %zu lost data", old, size);
		old = size;
	}
	free(block);
}

static void at_random(void)
{
	enum { BLOCKS = 40, STEPS = 6000 };
	static void *block[BLOCKS];
	static size_t size[BLOCKS];
	uint32_t state = 12345;

	for (int step = 0; step < STEPS; step++) {
		unsigned i = random_next(&state) % BLOCKS;
		size_t want = random_next(&state) % (1u << (random_next(&state) % 22)) + 1;
		void *moved =
			random_next(&state) % 2 ? realloc(block[i], want) : reallocarray(block[i], want, 1);

		expect(moved != NULL, "realloc to %zu failed", want);
		expect(filled(moved, want < size[i] ? want : size[i], i), "realloc from %zu to %zu", size[i],
		       want);
		block[i] = moved;
		size[i] = want;
		fill(moved, want, i);
	}
	for (int i = 0; i < BLOCKS; i++)
		free(block[i]);
}

int main(void)
{
	grow_and_shrink();
	at_random();
	return 0;
}
