/* SPDX-License-Identifier: MIT */
/* Where the system has no more memory (RLIMIT_AS, or with an argument overcommit=2), what was freed serves
 * before malloc fails: large blocks that a cache keeps make room for small ones, and small ones for large. */
#include "api.h"

#include <sys/resource.h>

enum { MIB = 1 << 20, LARGE = 16, LARGE_BYTES = 6 * MIB, SMALL = 40000, SMALL_BYTES = 2000 };

static void *large[LARGE], *small[SMALL];

/* Twice, so that a cache has reason to keep it. */
static void use_large(void)
{
	for (int round = 0; round < 4; round++) {
		for (unsigned i = 0; i < LARGE; i++)
			fill(large[i] = malloc(LARGE_BYTES), LARGE_BYTES, i);
		for (unsigned i = 0; i < LARGE; i++)
			free(large[i]);
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	size_t used, room = 16 * MIB;

	(void)argv;
	use_large();
	used = (size_t)status_kib("VmSize") << 10;
	if (used < (size_t)LARGE * LARGE_BYTES) /* nothing is kept */
		room += (size_t)LARGE * LARGE_BYTES - used;
	limit.rlim_cur = limit.rlim_max = used + room;
	if (argc > 1)
		limit_commitment(room);
	else
		expect(setrlimit(RLIMIT_AS, &limit) == 0, "no limit");
	for (unsigned i = 0; i < SMALL; i++) {
		small[i] = malloc(SMALL_BYTES);
		expect(small[i] != NULL, "small block %u: %d, with %d MiB of large blocks free", i, errno,
		       LARGE * LARGE_BYTES / MIB);
		fill(small[i], SMALL_BYTES, i);
	}
	for (unsigned i = 0; i < SMALL; i++) {
		expect(filled(small[i], SMALL_BYTES, i), "small block %u was overwritten", i);
		free(small[i]);
	}
	for (unsigned i = 0; i < LARGE * 3 / 4; i++) {
		large[i] = malloc(LARGE_BYTES);
		expect(large[i] != NULL, "large block %u: %d, with %d MiB of small blocks free", i, errno,
		       SMALL * SMALL_BYTES / MIB);
	}
	/* And what is really too much fails cleanly. */
	errno = 0;
	expect(malloc((size_t)1 << 32) == NULL && errno == ENOMEM, "4 GiB, errno %d", errno);
	return 0;
}
