/* SPDX-License-Identifier: MIT */
/* See pressure.h. */
#include "pressure.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_CHARS 4096

/* The first line of a small file. Return: false where there is none. */
static bool read_line(const char *path, char *ret_line, int room)
{
	FILE *file = fopen(path, "re");
	bool got;

	if (!file)
		return false;
	got = fgets(ret_line, room, file) != NULL;
	fclose(file);
	return got;
}

bool hak_pressure_is_high(const char *path, uint64_t percent)
{
	unsigned some;
	char line[256];

	return percent && read_line(path, line, sizeof(line)) && sscanf(line, "some avg10=%u.", &some) == 1 &&
	       some >= percent;
}

/* "max", and what cannot be read, is no limit. */
static uint64_t read_bytes(const char *directory, const char *name, uint64_t otherwise)
{
	char path[PATH_CHARS], line[64], *end;
	uint64_t bytes;

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path) ||
	    !read_line(path, line, sizeof(line)))
		return otherwise;
	bytes = strtoull(line, &end, 10);
	return end == line ? otherwise : bytes;
}

static bool is_near(const char *directory, uint64_t percent)
{
	uint64_t most = read_bytes(directory, "memory.max", UINT64_MAX);
	uint64_t high = read_bytes(directory, "memory.high", UINT64_MAX);

	if (high < most)
		most = high;
	return most != UINT64_MAX && read_bytes(directory, "memory.current", 0) >= most / 100 * percent;
}

bool hak_pressure_cgroup_is_near(const char *root, const char *cgroup, uint64_t percent)
{
	char directory[PATH_CHARS], *slash;

	if (!percent || strstr(cgroup, "/../") ||
	    snprintf(directory, sizeof(directory), "%s%s", root, cgroup) >= (int)sizeof(directory))
		return false;
	while (strlen(directory) > strlen(root)) {
		if (is_near(directory, percent))
			return true;
		slash = strrchr(directory, '/');
		*slash = '\0';
	}
	return false; /* the root has no limits */
}
