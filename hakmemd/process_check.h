/* SPDX-License-Identifier: MIT */
/*
 * What /proc and a pidfd say about a process that a telemetry file names. The file was written by a stranger,
 * so its pid is a claim; it is believed while the pidfd lives and the process has the very file mapped.
 *
 * All functions: one thread, no state beyond the caller's; they open and close what they read.
 */
#ifndef HAK_PROCESS_CHECK_H
#define HAK_PROCESS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "context.h"

enum { HAK_COMM_CHARS = 15, HAK_EXE_CHARS = 511 };

enum hak_process_verdict {
	HAK_PROCESS_VERIFIED,   /* lives and maps the file */
	HAK_PROCESS_UNVERIFIED, /* lives and may be it; this daemon may not look at its memory map */
	HAK_PROCESS_FOREIGN,    /* lives and is another one: does not map the file, or is of another user */
	HAK_PROCESS_ABSENT,     /* no such process */
};

struct hak_file_id {
	uint32_t device_major; /* as /proc/PID/maps prints it; see hak_process_maps_device() */
	uint32_t device_minor;
	uint64_t inode;
};

/**
 * hak_process_check() - is @pid the process that made, or inherited, telemetry file @file?
 * @owner:     of the file; the process may have it as its real or effective uid, or any uid where the owner
 * is root (a uid may only drop from root)
 * @ret_pidfd: for VERIFIED and UNVERIFIED only; the caller closes. -1 with UNVERIFIED where no descriptor was
 * to be had: ask hak_process_state() then, which may speak of the pid's next owner
 *
 * The pidfd is opened first and asked last, so all that was read in between was of one process.
 * Cost: about 100 us where the process has some hundred mappings.
 */
enum hak_process_verdict hak_process_check(pid_t pid, const struct hak_file_id *file, uid_t owner,
					   int *ret_pidfd);

/* A process that calls itself @inner in a pid namespace below ours. */
struct hak_nested {
	pid_t inner;
	pid_t outer;
};

/**
 * hak_process_list_nested() - processes of inner pid namespaces, in containers mostly
 * Reads all of /proc, about 15 us a process: not for every client.
 * Return: how many were stored, at most @room.
 */
size_t hak_process_list_nested(struct hak_nested *ret_nested, size_t room);

/**
 * hak_process_maps_device() - how /proc/PID/maps prints the device of a file system
 * @address: start of a mapping of our own of a file there
 * On btrfs and overlayfs it differs from st_dev. Return: 0, -ENOENT.
 */
int hak_process_maps_device(const void *address, uint32_t *ret_major, uint32_t *ret_minor);

/* Has the process behind @pidfd ended? false for -1. */
bool hak_process_ended(int pidfd);

/* "" where the kernel does not tell. */
void hak_process_comm(pid_t pid, char ret_comm[HAK_COMM_CHARS + 1]);
void hak_process_exe(pid_t pid, char ret_exe[HAK_EXE_CHARS + 1]);
void hak_process_place(pid_t pid, struct hak_context_place *ret_place);

/* What the kernel counts as resident; 0 where it does not tell. */
uint64_t hak_process_resident_bytes(pid_t pid);

/* User and system time that it used, in clock ticks; 0 where the kernel does not tell. */
uint64_t hak_process_cpu_ticks(pid_t pid);

/* The state letter of /proc/PID/stat; '?' where there is none. */
char hak_process_state(pid_t pid);

#endif
