/* SPDX-License-Identifier: MIT */
/*
 * Is memory short: on the machine (PSI, Documentation/accounting/psi.rst), or for one cgroup (memory.max,
 * memory.high of cgroup v2 and of those above it)? What the kernel does not tell counts as enough memory.
 */
#ifndef HAK_PRESSURE_H
#define HAK_PRESSURE_H

#include <stdbool.h>
#include <sys/types.h>

enum {
	HAK_PRESSURE_SOME_PERCENT = 10,   /* of the last 10 s some task waited for memory */
	HAK_PRESSURE_CGROUP_PERCENT = 90, /* of its limit is in use */
};

/* @path: /proc/pressure/memory. */
bool hak_pressure_is_high(const char *path);

/**
 * hak_pressure_cgroup_is_near() - is a cgroup, or one above it, near its limit?
 * @root:   where cgroup v2 is mounted: /sys/fs/cgroup
 * @cgroup: as /proc/PID/cgroup has it after "0::": begins with a slash
 */
bool hak_pressure_cgroup_is_near(const char *root, const char *cgroup);

/*
 * The cgroup of a process, for the above. Return: false where there is none (cgroup v1, or the process is
 * gone).
 */
bool hak_pressure_cgroup_of(pid_t pid, char *ret_path, size_t room);

#endif
