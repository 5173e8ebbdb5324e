/* SPDX-License-Identifier: MIT */
/* Zero sizes give a block each, that is unique and can be freed; realloc to zero frees. */
#include "api.h"

#include <malloc.h>

int main(void)
{
	void *first = malloc(opaque_size(0));
	void *second = malloc(opaque_size(0));
	void *cleared = calloc(opaque_size(0), 8);
	void *cleared_too = calloc(8, opaque_size(0));
	void *aligned = memalign(64, opaque_size(0));
	void *posix = NULL;

	expect(first != NULL && second != NULL, "malloc(0) gave NULL");
	expect(first != second, "malloc(0) gave %p twice", first);
	expect(cleared != NULL && cleared_too != NULL, "calloc of nothing gave NULL");
	expect(aligned != NULL && (uintptr_t)aligned % 64 == 0, "memalign(64, 0) gave %p", aligned);
	expect(posix_memalign(&posix, 64, opaque_size(0)) == 0, "posix_memalign of 0 bytes failed");
	free(posix);
	free(aligned);
	free(cleared_too);
	free(cleared);
	free(second);
	free(first);
	free(opaque(NULL));

	/* As glibc: realloc(p, 0) frees and gives NULL; realloc(NULL, 0) is malloc(0). */
	first = malloc(100);
	errno = 0;
	expect(realloc(opaque(first), opaque_size(0)) == NULL, "realloc(p, 0) is not NULL");
	expect(errno == 0, "realloc(p, 0) set errno to %d", errno);
	first = realloc(opaque(NULL), opaque_size(0));
	expect(first != NULL, "realloc(NULL, 0) gave NULL");
	free(first);
	first = realloc(opaque(NULL), 100);
	expect(first != NULL, "realloc(NULL, 100) gave NULL");
	fill(first, 100, 1);
	free(first);
	expect(malloc_usable_size(opaque(NULL)) == 0, "malloc_usable_size(NULL) is not 0");
	return 0;
}
