/* SPDX-License-Identifier: MIT */
/* The rest of glibc's interface answers, and so do the functions that only newer headers declare. */
#include "api.h"

#include <dlfcn.h>
#include <malloc.h>

static void *find(const char *name)
{
	void *symbol = dlsym(RTLD_DEFAULT, name);

	/* glibc has no free_sized, and cfree only for old programs: ask for them where the preload promises
	 * them. */
	if (symbol == NULL)
		expect(getenv("API_GLIBC_ONLY") != NULL, "no symbol %s", name);
	return symbol;
}

static void check_reports(void)
{
	struct mallinfo2 wide;
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	void *block = malloc(100000);

	expect(out != NULL && block != NULL, "no memory");
	wide = mallinfo2();
	expect(wide.uordblks >= 100000, "mallinfo2: %zu bytes in use", wide.uordblks);
	expect(wide.arena + wide.hblkhd >= wide.uordblks, "mallinfo2: more in use than mapped");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	expect((unsigned)mallinfo().uordblks >= 100000, "mallinfo: %d bytes in use", mallinfo().uordblks);
#pragma GCC diagnostic pop
	expect(malloc_info(0, out) == 0, "malloc_info failed");
	fclose(out);
	expect(strncmp(text, "<malloc", 7) == 0 && strstr(text, "</malloc>") != NULL, "malloc_info: %.60s",
	       text);
	free(text);
	errno = 0;
	expect(malloc_info(1, stdout) != 0, "malloc_info took option 1");
	free(block);
}

static void check_knobs(void)
{
	int trimmed = malloc_trim(0);

	expect(trimmed == 0 || trimmed == 1, "malloc_trim gave %d", trimmed);
	expect(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1, "mallopt(M_MMAP_THRESHOLD) failed");
	expect(mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1, "mallopt(M_TRIM_THRESHOLD) failed");
	expect(mallopt(M_ARENA_MAX, 2) == 1, "mallopt(M_ARENA_MAX) failed");
}

/* malloc_stats writes to stderr, which run.py wants empty: into a pipe it goes. */
static void check_stats(void)
{
	int end[2];
	int saved = dup(STDERR_FILENO);
	char text[4096];
	ssize_t length;

	expect(pipe(end) == 0 && saved >= 0, "no pipe");
	dup2(end[1], STDERR_FILENO);
	malloc_stats();
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(end[1]);
	length = read(end[0], text, sizeof(text));
	expect(length > 0, "malloc_stats wrote nothing");
	close(end[0]);
	close(saved);
}

static void check_newer(void)
{
	void (*cfree)(void *) = (void (*)(void *))find("cfree");
	void (*free_sized)(void *, size_t) = (void (*)(void *, size_t))find("free_sized");
	void (*free_aligned_sized)(void *, size_t, size_t) =
		(void (*)(void *, size_t, size_t))find("free_aligned_sized");

	if (cfree != NULL) {
		cfree(malloc(100));
		cfree(NULL);
	}
	if (free_sized == NULL || free_aligned_sized == NULL)
		return;
	for (size_t size = 1; size < 3000000; size += size / 3 + 1) {
		free_sized(malloc(size), size);
		free_sized(calloc(1, size), size);
		free_sized(realloc(malloc(10), size), size);
		free_aligned_sized(aligned_alloc(256, size), 256, size);
	}
	free_sized(NULL, 100);
	free_aligned_sized(NULL, 64, 100);
}

int main(void)
{
	check_reports();
	check_knobs();
	check_stats();
	check_newer();
	return 0;
}
