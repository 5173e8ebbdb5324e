/* SPDX-License-Identifier: MIT */
/* See preloads.h. */
#include "preloads.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELETED " (deleted)\n"

static int compare_pids(const void *left, const void *right)
{
	uint64_t one = *(const uint64_t *)left, other = *(const uint64_t *)right;

	return one < other ? -1 : one > other;
}

void hak_pids_sort(struct hak_pids *pids)
{
	qsort(pids->pid, pids->count, sizeof(*pids->pid), compare_pids);
}

bool hak_pids_have(const struct hak_pids *pids, uint64_t pid)
{
	return bsearch(&pid, pids->pid, pids->count, sizeof(pid), compare_pids);
}

enum hak_preload hak_preload_of(uint64_t pid, char *ret_library, size_t room)
{
	enum hak_preload preload = HAK_PRELOAD_NONE;
	char path[64], line[4352];
	const char *library;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return errno == ENOENT ? HAK_PRELOAD_GONE : HAK_PRELOAD_HIDDEN;
	errno = 0;
	while (preload == HAK_PRELOAD_NONE && fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "/libhakmem.so"))
			continue;
		preload = strstr(line, DELETED) ? HAK_PRELOAD_STALE : HAK_PRELOAD_CURRENT;
		library = strchr(line, '/');
		if (ret_library)
			snprintf(ret_library, room, "%.*s", (int)strcspn(library, " \n"), library);
	}
	if (preload == HAK_PRELOAD_NONE && ferror(maps))
		preload = errno == ESRCH ? HAK_PRELOAD_GONE : HAK_PRELOAD_HIDDEN;
	fclose(maps);
	return preload;
}

size_t hak_preloads_each(bool (*found)(void *data, uint64_t pid, enum hak_preload preload), void *data)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	size_t hidden = 0;
	bool going = true;

	while (processes && going && (entry = readdir(processes))) {
		uint64_t pid = strtoull(entry->d_name, NULL, 10);
		enum hak_preload preload = pid ? hak_preload_of(pid, NULL, 0) : HAK_PRELOAD_GONE;

		hidden += preload == HAK_PRELOAD_HIDDEN;
		if (preload == HAK_PRELOAD_CURRENT || preload == HAK_PRELOAD_STALE)
			going = found(data, pid, preload);
	}
	if (processes)
		closedir(processes);
	return hidden;
}
