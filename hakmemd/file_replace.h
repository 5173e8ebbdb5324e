/* SPDX-License-Identifier: MIT */
/* Small files: read whole, appended to, or replaced so that readers and crashes see the old or the new. */
#ifndef HAK_FILE_REPLACE_H
#define HAK_FILE_REPLACE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HAK_FILE_READ_BYTES_MAX = 64 << 20 };

/**
 * hak_file_replace() - write a temporary file beside @name, fsync it, rename it over @name, fsync the
 * directory
 * @directory_fd: open directory
 * Return: 0, or why not; the old file stands then.
 */
int hak_file_replace(int directory_fd, const char *name, const void *data, size_t length);

/**
 * hak_file_append() - write behind the first @offset bytes of @name; what was there is cut off
 * @offset: 0 makes the file where it is not there
 * @sync:   make all of the file durable
 * Where syncing failed the kernel may call that durable the next time which is lost: write another file then.
 * Return: 0; -ESTALE: it is shorter than @offset; or why not: what is behind @offset is not known then.
 */
int hak_file_append(int directory_fd, const char *name, uint64_t offset, const void *data, size_t length,
		    bool sync);

/**
 * hak_file_read() - the whole of a regular file, zero-terminated
 * @ret_text: set on success only; the caller frees
 * Return: 0; -ENOENT; -EFBIG; -EINVAL where it is not a regular file; or why not.
 */
int hak_file_read(int directory_fd, const char *name, char **ret_text, size_t *ret_length);
/* The same, wherever the descriptor stands. */
int hak_file_read_fd(int fd, char **ret_text, size_t *ret_length);
/* All of it, from where the descriptor stands. Return: 0, or why not: then some of it may be there. */
int hak_file_write(int fd, const char *data, size_t length);

/* To be read from its beginning, whatever else is done with @directory_fd. The caller closes; NULL: it cannot
 * be. */
DIR *hak_directory_list(int directory_fd);
/* Made, as are its parents, where it is not there. @force_mode: even where it is. Return: the descriptor, or
 * why not. */
int hak_directory_open(const char *path, unsigned mode, bool force_mode);

#endif
