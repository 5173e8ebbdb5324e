/* SPDX-License-Identifier: MIT */
/* What cannot be had is refused with the error that ISO C, POSIX or glibc names, and nothing is touched. */
#include "api.h"

#include <malloc.h>

static void expect_enomem(const char *call, void *result)
{
	expect(result == NULL, "%s gave %p", call, result);
	expect(errno == ENOMEM, "%s set errno to %d", call, errno);
	errno = 0;
}

static void expect_einval(const char *call, void *result)
{
	expect(result == NULL, "%s gave %p", call, result);
	expect(errno == EINVAL, "%s set errno to %d", call, errno);
	errno = 0;
}

static void check_too_large(void)
{
	static const size_t sizes[] = {(size_t)PTRDIFF_MAX + 1, SIZE_MAX, SIZE_MAX - 15, SIZE_MAX - 4096,
				       SIZE_MAX / 2 + 2};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = opaque_size(sizes[i]);

		errno = 0;
		expect_enomem("malloc", malloc(size));
		expect_enomem("calloc(1, n)", calloc(1, size));
		expect_enomem("calloc(n, 1)", calloc(size, 1));
		expect_enomem("realloc(NULL, n)", realloc(NULL, size));
		expect_enomem("memalign", memalign(64, size));
		expect_enomem("aligned_alloc", aligned_alloc(64, size));
		expect_enomem("valloc", valloc(size));
		expect_enomem("pvalloc", pvalloc(size));
		expect_enomem("reallocarray(n, 1)", reallocarray(NULL, size, 1));
	}
	expect_enomem("malloc(PTRDIFF_MAX)", malloc(opaque_size(PTRDIFF_MAX)));
	expect_enomem("memalign, near PTRDIFF_MAX", memalign(1 << 20, opaque_size(PTRDIFF_MAX - 4096)));
}

static void check_overflow(void)
{
	size_t half = opaque_size(SIZE_MAX / 2 + 1);

	expect_enomem("calloc(half, 2)", calloc(half, 2));
	expect_enomem("calloc(2, half)", calloc(2, half));
	expect_enomem("calloc(root, root)", calloc(opaque_size((size_t)1 << 32), (size_t)1 << 32));
	expect_enomem("calloc that wraps to 16", calloc(opaque_size(((size_t)1 << 60) + 1), 16));
	expect_enomem("reallocarray(half, 2)", reallocarray(NULL, half, 2));
	expect_enomem("reallocarray that wraps to 16",
		      reallocarray(NULL, opaque_size(((size_t)1 << 60) + 1), 16));
}

/* Of every kind of block, and to sizes of which few low bits are set. */
static void check_realloc_survives(void)
{
	static const size_t old[] = {100, 20000, 40000, 900000, 3000000};
	static const size_t new[] = {PTRDIFF_MAX, PTRDIFF_MAX - 4096, (size_t)1 << 62, (size_t)1 << 50,
				     ((size_t)1 << 50) + 40000, ((size_t)3 << 50) + 1000000};

	for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
		char *block = malloc(old[i]);

		fill(block, old[i], 6);
		for (size_t j = 0; j < sizeof(new) / sizeof(new[0]); j++) {
			errno = 0;
			expect_enomem("realloc(p, too large)", realloc(opaque(block), opaque_size(new[j])));
			expect(filled(block, old[i], 6), "a failed realloc changed %zu bytes", old[i]);
		}
		free(block);
	}
}

static void check_block_survives(void)
{
	char *block = malloc(100);

	fill(block, 100, 5);
	expect_enomem("realloc(p, too large)", realloc(opaque(block), opaque_size((size_t)PTRDIFF_MAX + 1)));
	expect_enomem("reallocarray(p, overflow)",
		      reallocarray(opaque(block), opaque_size(SIZE_MAX / 2 + 1), 2));
	expect(filled(block, 100, 5), "a failed realloc changed the block");
	free(block);
}

static void check_alignment_errors(void)
{
	static const size_t wrong[] = {0, 1, 2, 4, 3, 12, 24, 48, 100, 4095, (size_t)-1, (size_t)-8};
	void *mark = &mark;
	void *block;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		block = mark;
		errno = 7;
		expect(posix_memalign(&block, opaque_size(wrong[i]), 100) == EINVAL,
		       "alignment %zu was accepted", wrong[i]);
		expect(block == mark, "a failed posix_memalign changed the pointer");
		expect(errno == 7, "posix_memalign set errno to %d", errno);
	}
	block = mark;
	expect(posix_memalign(&block, 64, opaque_size((size_t)PTRDIFF_MAX + 1)) == ENOMEM, "not ENOMEM");
	expect(errno == ENOMEM, "as perror() would have it: errno is %d", errno);
	expect(block == mark, "a failed posix_memalign changed the pointer");
	errno = 0;
	expect_einval("memalign(more than half of everything)", memalign(opaque_size(SIZE_MAX / 2 + 2), 1));

	/* glibc 2.36's memalign and aligned_alloc round a wrong alignment up; what they give can be freed. */
	block = memalign(opaque_size(48), 100);
	expect(block == NULL || (uintptr_t)block % 16 == 0, "memalign(48, 100) gave %p", block);
	free(block);
	errno = 0;
	expect(posix_memalign(&block, sizeof(void *), 100) == 0, "the smallest alignment was refused");
	free(block);
}

int main(void)
{
	check_too_large();
	check_overflow();
	check_block_survives();
	check_realloc_survives();
	check_alignment_errors();
	return 0;
}
