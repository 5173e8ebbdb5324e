/* SPDX-License-Identifier: MIT */
/* Under RLIMIT_AS, or with an argument under overcommit=2: memory up to near the limit can be had, then
 * ENOMEM, and after frees everything works again. */
#include "api.h"

#include <sys/resource.h>

enum { LIMIT_MIB = 200, MAX_BLOCKS = 1 << 20 };
static void *block[MAX_BLOCKS];

/* How many blocks of a size there are to have; all are freed. */
static size_t exhaust(size_t size)
{
	size_t count = 0;

	errno = 0;
	while (count < MAX_BLOCKS && (block[count] = malloc(size)) != NULL) {
		*(size_t *)block[count] = count;
		count++;
	}
	expect(count < MAX_BLOCKS, "no end of blocks of %zu bytes", size);
	expect(errno == ENOMEM, "malloc set errno to %d", errno);
	/* The other calls fail as cleanly, and a block that exists stays what it is. */
	errno = 0;
	expect(realloc(block[0], (size_t)LIMIT_MIB << 20) == NULL && errno == ENOMEM, "realloc: %d", errno);
	for (size_t i = 0; i < count; i++) {
		expect(*(size_t *)block[i] == i, "block %zu of %zu bytes was overwritten", i, size);
		free(block[i]);
	}
	return count;
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {512, 3000, 20000, 100000, 700000, 5 << 20, 1 << 20, 40000, 600};
	struct rlimit limit = {(rlim_t)LIMIT_MIB << 20, (rlim_t)LIMIT_MIB << 20};

	(void)argv;
	if (argc > 1)
		limit_commitment((size_t)LIMIT_MIB << 20);
	else
		expect(setrlimit(RLIMIT_AS, &limit) == 0, "no limit");
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		size_t mib = exhaust(sizes[s]) * sizes[s] >> 20;

		/* Blocks of about a third of a superslab waste another third: address space, no memory. */
		expect(mib >= LIMIT_MIB * 55 / 100, "%zu of %d MiB only, in blocks of %zu bytes", mib,
		       LIMIT_MIB, sizes[s]);
	}
	return 0;
}
