/* SPDX-License-Identifier: MIT */
/* Which processes of this machine have libhakmem in their memory map, as far as we may look. */
#ifndef HAK_CTL_PRELOADS_H
#define HAK_CTL_PRELOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hak_preload {
	HAK_PRELOAD_NONE,
	HAK_PRELOAD_CURRENT,
	HAK_PRELOAD_STALE,  /* the file that it mapped was replaced: an upgrade came since */
	HAK_PRELOAD_HIDDEN, /* not ours to look at */
	HAK_PRELOAD_GONE,
};

/* Pids, sorted, to look them up. */
struct hak_pids {
	uint64_t *pid;
	size_t count;
};
void hak_pids_sort(struct hak_pids *pids);
bool hak_pids_have(const struct hak_pids *pids, uint64_t pid);

/* @ret_library: which file; may be NULL. */
enum hak_preload hak_preload_of(uint64_t pid, char *ret_library, size_t room);

/**
 * hak_preloads_each() - call @found for each process that has it; @found returns false to stop
 * Return: how many processes could not be looked at.
 */
size_t hak_preloads_each(bool (*found)(void *data, uint64_t pid, enum hak_preload preload), void *data);

#endif
