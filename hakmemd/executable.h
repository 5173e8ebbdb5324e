/* SPDX-License-Identifier: MIT */
/*
 * Which program a process runs: the path of its executable, and its build-id, which tells one build from the
 * next. For those that the caller may look at (PTRACE_MODE_READ). One thread.
 */
#ifndef HAK_EXECUTABLE_H
#define HAK_EXECUTABLE_H

#include <stdint.h>
#include <sys/types.h>

enum { HAK_BUILD_ID_BYTES = 20, HAK_EXE_CHARS = 511 };

struct hak_executable {
	char path[HAK_EXE_CHARS + 1];         /* as the kernel tells it; "" where it does not */
	uint8_t build_id[HAK_BUILD_ID_BYTES]; /* of a longer one the beginning; zeros: none, or not to be had
					       */
};

/**
 * hak_executable_read() - what @pid runs
 * The build-id is read only from file systems on block devices and from the one of "/": others, FUSE above
 * all, are served by somebody who could let us wait.
 */
void hak_executable_read(pid_t pid, struct hak_executable *ret_executable);

/* The GNU build-id of an ELF file of 64 bits. Return: 0; -ENOENT; -ENOEXEC. @fd is read with pread. */
int hak_build_id_read(int fd, uint8_t ret_build_id[HAK_BUILD_ID_BYTES]);

#endif
