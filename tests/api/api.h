/* SPDX-License-Identifier: MIT */
/*
 * An API program exits 0 and prints nothing, or says on stderr what is wrong and exits 1. The programs hold
 * for any correct malloc of Linux: they say nothing of hakmem, which is preloaded into them.
 */
#ifndef API_H
#define API_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Not stdio: it may allocate, and some programs check while that is impossible. */
#define expect(condition, ...)                                                                           \
	do {                                                                                             \
		if (!(condition)) {                                                                      \
			char text_[300];                                                                 \
			int used_ = snprintf(text_, 100, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
			if (used_ > 99)                                                                  \
				used_ = 99;                                                              \
			used_ += snprintf(text_ + used_, 190, __VA_ARGS__);                              \
			if (used_ > 290)                                                                 \
				used_ = 290;                                                             \
			text_[used_++] = '\n';                                                           \
			if (write(STDERR_FILENO, text_, (size_t)used_) != used_)                         \
				_exit(3);                                                                \
			_exit(1);                                                                        \
		}                                                                                        \
	} while (0)

/* Keeps the compiler from knowing a value. */
static inline size_t opaque_size(size_t value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

static inline void *opaque(void *pointer)
{
	__asm__ volatile("" : "+r"(pointer) : : "memory");
	return pointer;
}

static inline void fill(void *block, size_t size_bytes, unsigned seed)
{
	memset(block, (int)(seed * 31 + 7) & 0xff, size_bytes);
}

static inline bool filled(const void *block, size_t size_bytes, unsigned seed)
{
	const unsigned char *byte = block;
	unsigned char want = (seed * 31 + 7) & 0xff;

	for (size_t i = 0; i < size_bytes; i++) {
		if (byte[i] != want)
			return false;
	}
	return true;
}

static inline bool zeroed(const void *block, size_t size_bytes)
{
	const unsigned char *byte = block;

	return size_bytes == 0 || (byte[0] == 0 && memcmp(byte, byte + 1, size_bytes - 1) == 0);
}

/* A number of a file like /proc/meminfo, in KiB; -1: it is not there. */
static inline long file_kib(const char *path, const char *field)
{
	char line[200];
	long value = -1;
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return -1;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':')
			value = strtol(line + strlen(field) + 1, NULL, 10);
	}
	fclose(file);
	return value;
}

/* Such as VmRSS. */
static inline long status_kib(const char *field)
{
	return file_kib("/proc/self/status", field);
}

static inline void write_setting(const char *path, long value)
{
	FILE *file = fopen(path, "we");

	expect(file != NULL && fprintf(file, "%ld", value) > 0 && fclose(file) == 0, "%s", path);
}

/*
 * The whole system may promise @bytes more than it has, and nothing beyond. For virtual machines (tests/vm),
 * where nobody else wants memory.
 */
static inline void limit_commitment(size_t bytes)
{
	long kib = file_kib("/proc/meminfo", "Committed_AS") - file_kib("/proc/meminfo", "SwapTotal");

	write_setting("/proc/sys/vm/overcommit_kbytes", kib + (long)(bytes >> 10));
	write_setting("/proc/sys/vm/overcommit_memory", 2);
}

static inline uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

#endif
