/* SPDX-License-Identifier: MIT */
/* See crashes.h. */
#include "crashes.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WITHIN_SECONDS = 3600 };

static void crash_file(const char *unit, char *ret_path, size_t room)
{
	snprintf(ret_path, room, HAK_CRASHES_DIR "/%s", unit);
}

void hak_crashes_forget(const char *unit)
{
	char path[512];

	crash_file(unit, path, sizeof(path));
	(void)unlink(path); /* mostly there is none */
}

int hak_crashes_count(const char *unit)
{
	long long now = (long long)time(NULL), when;
	char path[512];
	int count = 0;
	FILE *file;

	crash_file(unit, path, sizeof(path));
	if (mkdir(HAK_CRASHES_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	file = fopen(path, "a+e");
	if (!file)
		return -errno;
	rewind(file);
	while (fscanf(file, "%lld", &when) == 1)
		count += when <= now && now - when < WITHIN_SECONDS;
	fseek(file, 0, SEEK_END); /* a stream turns from reading to writing */
	fprintf(file, "%lld\n", now);
	return fclose(file) == EOF ? -errno : count + 1;
}
