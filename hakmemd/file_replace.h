/* SPDX-License-Identifier: MIT */
/* Whole small files, read at once or replaced so that a reader and a crash see the old one or the new one. */
#ifndef HAK_FILE_REPLACE_H
#define HAK_FILE_REPLACE_H

#include <stddef.h>

enum { HAK_FILE_READ_BYTES_MAX = 64 << 20 };

/**
 * hak_file_replace() - write a temporary file beside @name, fsync it, rename it over @name, fsync the
 * directory
 * @directory_fd: open directory
 * Return: 0, or why not; the old file stands then.
 */
int hak_file_replace(int directory_fd, const char *name, const void *data, size_t length);

/**
 * hak_file_read() - the whole of a regular file, zero-terminated
 * @ret_text: set on success only; the caller frees
 * Return: 0; -ENOENT; -EFBIG; -EINVAL where it is not a regular file; or why not.
 */
int hak_file_read(int directory_fd, const char *name, char **ret_text, size_t *ret_length);

/* Make @path and its parents. Return: 0 (also where it is there), or why not. */
int hak_directory_make(const char *path, unsigned mode);

#endif
