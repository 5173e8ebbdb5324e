/* SPDX-License-Identifier: MIT */
/*
 * Is memory short: on the machine (PSI, Documentation/accounting/psi.rst), or for one cgroup (memory.max,
 * memory.high of cgroup v2 and of those above it)? What the kernel does not tell counts as enough memory.
 */
#ifndef HAK_PRESSURE_H
#define HAK_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

/* @path: /proc/pressure/memory, or cpu. @percent: of the last 10 s some task waited for it; 0: never high. */
bool hak_pressure_is_high(const char *path, uint64_t percent);

/**
 * hak_pressure_cgroup_is_near() - is a cgroup, or one above it, near its limit?
 * @root:   where cgroup v2 is mounted: /sys/fs/cgroup
 * @cgroup: as /proc/PID/cgroup has it after "0::": begins with a slash
 * @percent: of its limit is in use; 0: never near
 */
bool hak_pressure_cgroup_is_near(const char *root, const char *cgroup, uint64_t percent);

#endif
