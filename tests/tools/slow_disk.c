/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into hakmemd: a disk that takes as long as a test wants. fsync(), fdatasync(), and write() to a
 * journal return when the file that HAK_SLOW_DISK names is not there; while one waits for that, there is
 * another with ".waits" behind its name.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void wait_for_it(void)
{
	const char *path = getenv("HAK_SLOW_DISK");
	char waits[PATH_MAX];

	if (!path || access(path, F_OK) < 0)
		return;
	snprintf(waits, sizeof(waits), "%s.waits", path);
	close(open(waits, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	while (access(path, F_OK) == 0)
		usleep(1000);
	unlink(waits);
}

int fsync(int fd)
{
	wait_for_it();
	return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	wait_for_it();
	return (int)syscall(SYS_fdatasync, fd);
}

static int is_journal(int fd)
{
	const char *kind = ".journal";
	char link[64], path[PATH_MAX];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path));
	return length > (ssize_t)strlen(kind) &&
	       memcmp(path + length - strlen(kind), kind, strlen(kind)) == 0;
}

ssize_t write(int fd, const void *data, size_t bytes)
{
	if (is_journal(fd))
		wait_for_it();
	return syscall(SYS_write, fd, data, bytes);
}
