/* SPDX-License-Identifier: MIT */
/* See file_replace.h. */
#include "file_replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int hak_file_write(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, data, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		data += written;
		length -= (size_t)written;
	}
	return 0;
}

int hak_file_replace(int directory_fd, const char *name, const void *data, size_t length)
{
	char temporary[NAME_MAX + 1];
	int fd, r;

	snprintf(temporary, sizeof(temporary), "%.200s.new", name);
	fd = openat(directory_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = hak_file_write(fd, data, length);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(directory_fd, temporary, directory_fd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(directory_fd, temporary,
			       0); /* a full disk wants the room back; nothing reads it */
		return r;
	}
	/* The new file stands from here on, so no failure: at worst a dying machine comes back with the old
	 * one. */
	(void)fsync(directory_fd);
	return 0;
}

int hak_file_append(int directory_fd, const char *name, uint64_t offset, const void *data, size_t length,
		    bool sync)
{
	int flags = O_WRONLY | O_NOFOLLOW | O_CLOEXEC | (offset ? 0 : O_CREAT);
	int fd = openat(directory_fd, name, flags, 0600), r;
	off_t end;

	if (fd < 0)
		return -errno;
	end = lseek(fd, 0, SEEK_END);
	r = end < (off_t)offset ? -ESTALE : 0;
	if (r == 0 && end > (off_t)offset && ftruncate(fd, (off_t)offset) < 0)
		r = -errno;
	if (r == 0 && lseek(fd, (off_t)offset, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		r = hak_file_write(fd, data, length);
	if (r == 0 && sync && fdatasync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int read_all(int fd, char *text, size_t length)
{
	size_t have = 0;

	while (have < length) {
		ssize_t got = pread(fd, text + have, length - have, (off_t)have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -EIO; /* it shrank while we read it */
		have += (size_t)got;
	}
	return 0;
}

int hak_file_read_fd(int fd, char **ret_text, size_t *ret_length)
{
	struct stat status;
	char *text;
	int r;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if (status.st_size > HAK_FILE_READ_BYTES_MAX)
		return -EFBIG;
	text = malloc((size_t)status.st_size + 1);
	r = text ? read_all(fd, text, (size_t)status.st_size) : -ENOMEM;
	if (r < 0) {
		free(text);
		return r;
	}
	text[status.st_size] = '\0';
	*ret_text = text;
	*ret_length = (size_t)status.st_size;
	return 0;
}

int hak_file_read(int directory_fd, const char *name, char **ret_text, size_t *ret_length)
{
	int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = hak_file_read_fd(fd, ret_text, ret_length);
	close(fd);
	return r;
}

DIR *hak_directory_list(int directory_fd)
{
	int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !directory)
		close(fd);
	return directory;
}

/* @path and its parents. */
static int make_directory(const char *path, unsigned mode)
{
	char part[PATH_MAX];
	size_t length = strlen(path);

	if (length == 0 || length >= sizeof(part))
		return length ? -ENAMETOOLONG : -EINVAL;
	memcpy(part, path, length + 1);
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	if (mkdir(part, mode) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

int hak_directory_open(const char *path, unsigned mode, bool force_mode)
{
	int fd, r;

	r = make_directory(path, mode);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (force_mode && fchmod(fd, mode) < 0) { /* the umask took bits away, or an older one was here */
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}
