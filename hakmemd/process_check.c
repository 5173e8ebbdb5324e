/* SPDX-License-Identifier: MIT */
/* See process_check.h. */
#include "process_check.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A memory map longer than this is nobody's honest one; what lies behind is not looked at. */
enum { MAPS_BYTES_MAX = 16 << 20, STATUS_BYTES = 8192 };

struct status {
	uid_t uid;
	uid_t euid;
	pid_t innermost_pid;
	unsigned namespaces; /* pid namespaces that know it, ours included */
};

FILE *hak_process_file(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

static size_t read_proc(pid_t pid, const char *name, char *ret_text, size_t room)
{
	char path[64];
	ssize_t got;
	int fd;

	ret_text[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	got = read(fd, ret_text, room - 1);
	close(fd);
	ret_text[got > 0 ? got : 0] = '\0';
	return got > 0 ? (size_t)got : 0;
}

/* "55d0-55d1 r--p 00000000 fe:00 1234 /path": the device and the inode. */
static bool parse_maps_line(const char *line, struct hak_file_id *ret_id, unsigned long *ret_start)
{
	char *end;

	*ret_start = strtoul(line, &end, 16);
	for (int fields = 0; fields < 3; fields++) {
		end = strchr(end, ' ');
		if (!end)
			return false;
		end++;
	}
	ret_id->device_major = (uint32_t)strtoul(end, &end, 16);
	if (*end != ':')
		return false;
	ret_id->device_minor = (uint32_t)strtoul(end + 1, &end, 16);
	ret_id->inode = strtoull(end, &end, 10);
	return true;
}

/* Return: 1 mapped, 0 not, -errno where the map cannot be read. */
static int maps_file(pid_t pid, const struct hak_file_id *file)
{
	FILE *maps = hak_process_file(pid, "maps");
	size_t room = 0, seen = 0;
	char *line = NULL;
	ssize_t length;
	int found = 0;

	if (!maps)
		return -errno;
	errno = 0;
	while (!found && seen < MAPS_BYTES_MAX && (length = getline(&line, &room, maps)) > 0) {
		struct hak_file_id id;
		unsigned long start;

		seen += (size_t)length;
		found = parse_maps_line(line, &id, &start) && id.inode == file->inode &&
			id.device_major == file->device_major && id.device_minor == file->device_minor;
	}
	if (!found && errno)
		found = -errno;
	free(line);
	fclose(maps);
	return found;
}

static int read_status(pid_t pid, struct status *ret_status)
{
	char text[STATUS_BYTES];
	const char *uid, *namespaces;

	if (!read_proc(pid, "status", text, sizeof(text)))
		return -ESRCH;
	uid = strstr(text, "\nUid:\t");
	namespaces = strstr(text, "\nNSpid:");
	if (!uid || sscanf(uid, "\nUid: %u %u", &ret_status->uid, &ret_status->euid) != 2)
		return -EIO;
	ret_status->namespaces = 0;
	ret_status->innermost_pid = pid;
	if (!namespaces)
		return 0; /* a kernel without pid namespaces */
	for (const char *at = namespaces + 7; *at == '\t';) {
		char *end;

		ret_status->innermost_pid = (pid_t)strtol(at + 1, &end, 10);
		ret_status->namespaces++;
		at = end;
	}
	return 0;
}

static bool may_own(const struct status *status, uid_t owner)
{
	return owner == 0 || status->uid == owner || status->euid == owner;
}

int hak_process_look(pid_t pid, struct hak_process_life *ret_life)
{
	struct hak_process_life life = {.state = '?'};
	unsigned long long minor, major, user, system, born;
	const char *comm, *after_comm;
	char text[512];
	size_t length;

	if (!read_proc(pid, "stat", text, sizeof(text)))
		return -ESRCH;
	comm = strchr(text, '(');
	after_comm = strrchr(text, ')'); /* the name may hold anything, brackets included */
	if (!comm || !after_comm ||
	    sscanf(after_comm,
		   ") %c %*d %*d %*d %*d %*d %*u %llu %*u %llu %*u %llu %llu %*d %*d %*d %*d %u %*d %llu",
		   &life.state, &minor, &major, &user, &system, &life.threads, &born) != 7)
		return -ESRCH;
	length = (size_t)(after_comm - comm - 1);
	memcpy(life.comm, comm + 1, length < HAK_COMM_CHARS ? length : HAK_COMM_CHARS);
	life.cpu_ticks = user + system;
	life.faults = minor + major;
	life.born = born + 1; /* pid 1 was born at 0 */
	*ret_life = life;
	return 0;
}

bool hak_process_lives(pid_t pid, uint64_t born)
{
	struct hak_process_life life;

	return hak_process_look(pid, &life) == 0 && life.born == born && !hak_process_is_dead(&life);
}

static bool has_ended(int pidfd)
{
	struct pollfd wait = {.fd = pidfd, .events = POLLIN}; /* poll() passes over negative ones */

	return poll(&wait, 1, 0) > 0;
}

/* @pidfd: -1 where no descriptor was to be had; being born at the same time twice has to do then. */
static enum hak_process_verdict judge(pid_t pid, int pidfd, const struct hak_file_id *file, uid_t owner,
				      struct hak_process_life *ret_life)
{
	struct hak_process_life life, again;
	struct status status;
	int mapped;

	if (hak_process_look(pid, &life) < 0 || hak_process_is_dead(&life) || read_status(pid, &status) < 0)
		return HAK_PROCESS_ABSENT;
	mapped = maps_file(pid, file);
	if (hak_process_look(pid, &again) < 0 || again.born != life.born || has_ended(pidfd))
		return HAK_PROCESS_ABSENT;
	*ret_life = again;
	if (!may_own(&status, owner))
		return HAK_PROCESS_FOREIGN;
	if (again.state == 'Z') /* its main thread is gone, and the map can only be seen through that */
		return HAK_PROCESS_UNVERIFIED;
	if (mapped == 0)
		return HAK_PROCESS_FOREIGN;
	return mapped > 0 ? HAK_PROCESS_VERIFIED : HAK_PROCESS_UNVERIFIED;
}

enum hak_process_verdict hak_process_check_fd(pid_t pid, const struct hak_file_id *file, uid_t owner,
					      struct hak_process_life *ret_life, int *ret_pidfd)
{
	int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	enum hak_process_verdict verdict;

	if (pid <= 0 || (pidfd < 0 && (errno == ESRCH || errno == EINVAL)))
		return HAK_PROCESS_ABSENT;
	verdict = judge(pid, pidfd, file, owner, ret_life);
	if (verdict == HAK_PROCESS_VERIFIED)
		*ret_pidfd = pidfd;
	else if (pidfd >= 0)
		close(pidfd);
	return verdict;
}

enum hak_process_verdict hak_process_check(pid_t pid, const struct hak_file_id *file, uid_t owner,
					   struct hak_process_life *ret_life)
{
	int pidfd = -1;
	enum hak_process_verdict verdict = hak_process_check_fd(pid, file, owner, ret_life, &pidfd);

	if (pidfd >= 0)
		close(pidfd);
	return verdict;
}

size_t hak_process_list_nested(struct hak_nested *ret_nested, size_t room)
{
	struct dirent *entry;
	size_t count = 0;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		return 0;
	while (count < room && (entry = readdir(proc))) {
		pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)atoi(entry->d_name) : 0;
		struct status status;

		if (pid > 0 && read_status(pid, &status) == 0 && status.namespaces > 1)
			ret_nested[count++] = (struct hak_nested){.inner = status.innermost_pid,
								  .outer = pid};
	}
	closedir(proc);
	return count;
}

int hak_process_maps_device(const void *address, uint32_t *ret_major, uint32_t *ret_minor)
{
	FILE *maps = hak_process_file(getpid(), "maps");
	size_t room = 0;
	char *line = NULL;
	int r = -ENOENT;

	if (!maps)
		return -errno;
	while (r < 0 && getline(&line, &room, maps) > 0) {
		struct hak_file_id id;
		unsigned long start;

		if (!parse_maps_line(line, &id, &start) || start != (unsigned long)(uintptr_t)address)
			continue;
		*ret_major = id.device_major;
		*ret_minor = id.device_minor;
		r = 0;
	}
	free(line);
	fclose(maps);
	return r;
}

char *hak_process_cgroup(pid_t pid, char *text, size_t room)
{
	char *path;

	(void)read_proc(pid, "cgroup", text, room); /* "" is what no cgroup looks like */
	path = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!path) /* cgroup v1 only: systemd's own hierarchy */
		path = strstr(text, ":name=systemd:");
	path = path ? strchr(path, '/') : NULL;
	if (path)
		path[strcspn(path, "\n")] = '\0';
	return path;
}

void hak_process_place(pid_t pid, struct hak_context_place *ret_place)
{
	char text[STATUS_BYTES], *path = hak_process_cgroup(pid, text, sizeof(text));

	hak_context_place_of_cgroup(path ? path : "", ret_place);
}

uint64_t hak_process_resident_bytes(pid_t pid)
{
	unsigned long long all, resident;
	char text[128];

	if (pid <= 0 || !read_proc(pid, "statm", text, sizeof(text)) ||
	    sscanf(text, "%llu %llu", &all, &resident) != 2)
		return 0;
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
