/* SPDX-License-Identifier: MIT */
/* A directory of a test's own, and files in it. */
#ifndef HAK_TESTS_SCRATCH_H
#define HAK_TESTS_SCRATCH_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { SCRATCH_CHARS = 64 };

static inline void scratch_make(char ret_path[SCRATCH_CHARS])
{
	snprintf(ret_path, SCRATCH_CHARS, "/tmp/hakmem-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(ret_path));
}

/* With all that is in it. */
static inline void scratch_remove(const char *path)
{
	char command[SCRATCH_CHARS + 16];

	snprintf(command, sizeof(command), "rm -rf %s", path);
	ck_assert_int_eq(system(command), 0);
}

/* @directory: the scratch directory or one in it. */
static inline void scratch_write(const char *directory, const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

#endif
