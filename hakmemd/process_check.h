/* SPDX-License-Identifier: MIT */
/*
 * What /proc and a pidfd say about a process that a telemetry file names. The file was written by a stranger,
 * so its pid is a claim; it is believed while that process, told by pid and time of birth, lives and has the
 * very file mapped.
 *
 * All functions: one thread, no state beyond the caller's; they open and close what they read.
 */
#ifndef HAK_PROCESS_CHECK_H
#define HAK_PROCESS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "context.h"
#include "executable.h"

enum { HAK_COMM_CHARS = 15 };

enum hak_process_verdict {
	HAK_PROCESS_VERIFIED,   /* lives and maps the file */
	HAK_PROCESS_UNVERIFIED, /* lives and may be it; this daemon may not look at its memory map */
	HAK_PROCESS_FOREIGN,    /* lives and is another one: does not map the file, or is of another user */
	HAK_PROCESS_ABSENT,     /* no such process */
};

/* The directory of telemetry files. */
struct hak_client_home {
	int clients_fd;
	dev_t device;                    /* st_dev of files there */
	uint32_t maps_major, maps_minor; /* how /proc/PID/maps prints that; see hak_process_maps_device() */
};

struct hak_file_id {
	uint32_t device_major; /* as /proc/PID/maps prints it */
	uint32_t device_minor;
	uint64_t inode;
};

/* What /proc/PID/stat says. A pid and its time of birth together name one process for ever. */
struct hak_process_life {
	uint64_t born; /* clock ticks after the machine's start; never 0 */
	uint64_t cpu_ticks;
	uint64_t faults; /* page faults, of its threads that ended as well */
	uint32_t threads;
	char state; /* R, S, D, T, t, Z, X, ... */
	char comm[HAK_COMM_CHARS + 1];
};

/* /proc/PID/NAME, to be read; NULL: errno says why not. */
FILE *hak_process_file(pid_t pid, const char *name);

/* Return: 0; -ESRCH. About 10 us. */
int hak_process_look(pid_t pid, struct hak_process_life *ret_life);

/* Has it ended, but for being waited for? A main thread may be gone while others go on. */
static inline bool hak_process_is_dead(const struct hak_process_life *life)
{
	return (life->state == 'Z' || life->state == 'X') && life->threads <= 1;
}

/* Does the process that was born then still run? */
bool hak_process_lives(pid_t pid, uint64_t born);

/**
 * hak_process_check() - is @pid the process that made, or inherited, telemetry file @file?
 * @owner:    of the file; the process may have it as its real or effective uid, or any uid where the owner
 * is root (a uid may only drop from root)
 * @ret_life: for VERIFIED and UNVERIFIED only
 *
 * A pidfd is opened first and asked last, so all that was read in between was of one process.
 * Cost: about 100 us where the process has some hundred mappings. No descriptor stays open.
 */
enum hak_process_verdict hak_process_check(pid_t pid, const struct hak_file_id *file, uid_t owner,
					   struct hak_process_life *ret_life);

/* The same; @ret_pidfd: for VERIFIED only; the caller closes. */
enum hak_process_verdict hak_process_check_fd(pid_t pid, const struct hak_file_id *file, uid_t owner,
					      struct hak_process_life *ret_life, int *ret_pidfd);

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

/* The path of its cgroup, which begins with a slash, in @text; NULL where the kernel does not tell. */
char *hak_process_cgroup(pid_t pid, char *text, size_t room);
/* "" where the kernel does not tell. */
void hak_process_place(pid_t pid, struct hak_context_place *ret_place);

/* What the kernel counts as resident; 0 where it does not tell. */
uint64_t hak_process_resident_bytes(pid_t pid);

#endif
