/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into hakmemd: a disk that takes as long as a test wants. fsync() and fdatasync() return when the
 * file that HAK_SLOW_DISK names is not there; while one waits for that, there is another with ".waits" behind
 * its name.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
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
