/* SPDX-License-Identifier: MIT */
/*
 * Reading the control segment: what every process does, so no allocation, no stdio, errno kept, no loop that
 * a writer could hold up. Line 1 is checked again before each search: the segment is another process's
 * memory, and a damaged count must not become a wild read in somebody's program.
 */
#include "control_table.h"

#include "crc32c.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ENTRY_TRIES = 4, LINE_BYTES = 64 };

static_assert(offsetof(struct hak_control_header, costs) - offsetof(struct hak_control_header, total_bytes) ==
		      LINE_BYTES,
	      "line 1");

/* Line 1 as bytes, with the field that holds its own CRC cleared. */
static void line1_load(const struct hak_control_header *header, uint8_t ret_line[LINE_BYTES],
		       uint32_t *ret_crc)
{
	const size_t line = offsetof(struct hak_control_header, total_bytes);
	const size_t crc = offsetof(struct hak_control_header, geometry_crc) - line;

	hak_load_words(ret_line, (const uint8_t *)header + line, LINE_BYTES);
	memcpy(ret_crc, ret_line + crc, sizeof(*ret_crc));
	memset(ret_line + crc, 0, sizeof(*ret_crc));
}

uint32_t hak_control_geometry_crc(const struct hak_control_header *header)
{
	_Alignas(8) uint8_t line[LINE_BYTES];
	uint32_t stored;

	line1_load(header, line, &stored);
	return hak_crc32c(line, sizeof(line));
}

/* A table lies between the header page and the end, aligned to its entries. */
static bool table_fits(uint32_t offset_bytes, uint32_t count, uint64_t total_bytes)
{
	if (count < HAK_TABLE_ENTRIES_MIN || count > HAK_TABLE_ENTRIES_MAX || (count & (count - 1)) != 0)
		return false;
	if (offset_bytes < sizeof(struct hak_control_header) || offset_bytes % HAK_ENTRY_BYTES != 0)
		return false;
	return offset_bytes + (uint64_t)count * HAK_ENTRY_BYTES <= total_bytes;
}

static bool tables_overlap(const struct hak_control_geometry *g)
{
	const unsigned low = g->offset_bytes[0] <= g->offset_bytes[1] ? 0 : 1;

	return g->offset_bytes[low] + (uint64_t)g->count[low] * HAK_ENTRY_BYTES > g->offset_bytes[1 - low];
}

static uint32_t line1_u32(const uint8_t line[LINE_BYTES], size_t header_offset)
{
	uint32_t value;

	memcpy(&value, line + header_offset - offsetof(struct hak_control_header, total_bytes),
	       sizeof(value));
	return value;
}

int hak_control_geometry_load(const struct hak_control_header *header,
			      struct hak_control_geometry *ret_geometry)
{
	struct hak_control_geometry g;
	_Alignas(8) uint8_t line[LINE_BYTES];
	uint32_t stored;

	line1_load(header, line, &stored);
	if (hak_crc32c(line, sizeof(line)) != stored)
		return -EPROTO;
	memcpy(&g.total_bytes, line, sizeof(g.total_bytes));
	g.offset_bytes[HAK_TABLE_CONTEXTS] =
		line1_u32(line, offsetof(struct hak_control_header, contexts_offset_bytes));
	g.count[HAK_TABLE_CONTEXTS] = line1_u32(line, offsetof(struct hak_control_header, contexts_count));
	g.offset_bytes[HAK_TABLE_PROCESSES] =
		line1_u32(line, offsetof(struct hak_control_header, processes_offset_bytes));
	g.count[HAK_TABLE_PROCESSES] = line1_u32(line, offsetof(struct hak_control_header, processes_count));
	if (g.total_bytes > HAK_CONTROL_BYTES_MAX)
		return -EPROTO;
	for (unsigned i = 0; i < HAK_TABLE_COUNT; i++)
		if (!table_fits(g.offset_bytes[i], g.count[i], g.total_bytes))
			return -EPROTO;
	if (tables_overlap(&g))
		return -EPROTO;
	*ret_geometry = g;
	return 0;
}

int hak_control_check(const struct hak_control_header *header, uint64_t file_bytes)
{
	struct hak_control_geometry geometry;
	int r;

	/* acquire: pairs with the release of magic, the last store of hak_control_writer_init() */
	if (hak_load_u64(&header->magic) != HAK_CONTROL_MAGIC)
		return -EPROTO;
	if (header->header_bytes != sizeof(*header))
		return -EPROTO;
	if (atomic_load_explicit(&header->state, memory_order_relaxed) >= HAK_SEGMENT_STATE_COUNT)
		return -EPROTO;
	r = hak_control_geometry_load(header, &geometry);
	if (r < 0)
		return r;
	return geometry.total_bytes == file_bytes ? 0 : -EPROTO;
}

int hak_control_path(const char *runtime_dir, char *ret_path, size_t size)
{
	static const char tail[] = "/" HAK_CONTROL_FILE;
	size_t length = strlen(runtime_dir);

	if (length + sizeof(tail) > size)
		return -ENAMETOOLONG;
	memcpy(ret_path, runtime_dir, length);
	memcpy(ret_path + length, tail, sizeof(tail));
	return 0;
}

int hak_control_check_file(const struct stat *st, const char *runtime_dir)
{
	struct stat dir;

	if (!S_ISREG(st->st_mode) || (st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return -EPERM;
	/* the effective uid that the program was started with: no system call */
	if (st->st_uid == 0 || st->st_uid == getauxval(AT_EUID))
		return 0;
	if (stat(runtime_dir, &dir) < 0)
		return -errno;
	return st->st_uid == dir.st_uid ? 0 : -EPERM;
}

/* Everything after the open. */
static int map_fd(int fd, const char *runtime_dir, const struct hak_control_header **ret_header)
{
	struct stat st;
	void *map;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	r = hak_control_check_file(&st, runtime_dir);
	if (r < 0)
		return r;
	if (st.st_size < (off_t)sizeof(struct hak_control_header) ||
	    (uint64_t)st.st_size > HAK_CONTROL_BYTES_MAX)
		return -EPROTO;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	r = hak_control_check(map, (uint64_t)st.st_size);
	if (r < 0) {
		(void)munmap(map, (size_t)st.st_size); /* cannot fail: the range is ours */
		return r;
	}
	*ret_header = map;
	return 0;
}

int hak_control_map(const char *runtime_dir, const struct hak_control_header **ret_header)
{
	int saved_errno = errno;
	char path[PATH_MAX];
	int fd, r;

	r = hak_control_path(runtime_dir, path, sizeof(path));
	if (r < 0)
		return r;
	/* O_NONBLOCK: a FIFO in the segment's place must not stop the program */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		r = -errno;
	} else {
		r = map_fd(fd, runtime_dir, ret_header);
		(void)close(fd); /* read-only: nothing can be lost */
	}
	errno = saved_errno;
	return r;
}

void hak_control_unmap(const struct hak_control_header *header)
{
	int saved_errno = errno;
	struct hak_control_geometry geometry;

	/* a damaged line 1 hides the length; a leaked mapping is better than unmapping a neighbour */
	if (hak_control_geometry_load(header, &geometry) == 0)
		(void)munmap((void *)header, geometry.total_bytes);
	errno = saved_errno;
}

struct hak_control_table hak_control_table_of(const struct hak_control_header *header,
					      const struct hak_control_geometry *geometry,
					      enum hak_control_table_id id)
{
	return (struct hak_control_table){
		.entries = (struct hak_control_entry *)((uintptr_t)header + geometry->offset_bytes[id]),
		.buckets = geometry->count[id] / HAK_BUCKET_ENTRIES,
	};
}

int hak_control_entry_snapshot(const struct hak_control_entry *entry, struct hak_entry_payload *ret_payload)
{
	/* acquire: pairs with the release of the flip in entry_flip() [S1] */
	uint64_t sequence = hak_load_u64(&entry->sequence);

	hak_load_words(ret_payload, &entry->copy[sequence & 1], sizeof(*ret_payload));
	/* each word was loaded with acquire, so one of a later change brings its earlier flip along [S1] */
	return hak_load_u64(&entry->sequence) == sequence ? 0 : -EAGAIN;
}

bool hak_control_payload_whole(const struct hak_entry_payload *payload)
{
	return hak_crc32c(payload, offsetof(struct hak_entry_payload, crc)) == payload->crc;
}

/* Return: 0 with the payload; -ENOENT, not this entry; -EAGAIN, it changed at each try or is damaged. */
static int entry_match(const struct hak_control_entry *entry, const struct hak_key *key,
		       struct hak_entry_payload *ret_payload)
{
	for (unsigned i = 0; i < ENTRY_TRIES; i++) {
		if (hak_control_entry_snapshot(entry, ret_payload) < 0)
			continue;
		if (!hak_key_equal(&ret_payload->key, key))
			return -ENOENT;
		if (hak_control_payload_whole(ret_payload))
			return 0;
	}
	return -EAGAIN;
}

static int table_find(const struct hak_control_header *header, enum hak_control_table_id id,
		      const struct hak_key *key, void *ret_payload)
{
	struct hak_control_geometry geometry;
	struct hak_control_entry *bucket[2];
	struct hak_control_table table;
	struct hak_entry_payload payload;
	int result = -ENOENT;

	if (hak_key_is_zero(key))
		return -ENOENT;
	if (hak_control_geometry_load(header, &geometry) < 0)
		return -EAGAIN;
	table = hak_control_table_of(header, &geometry, id);
	hak_control_buckets(&table, key, bucket);
	for (unsigned i = 0; i < 2 * HAK_BUCKET_ENTRIES; i++) {
		int r = entry_match(bucket[i / HAK_BUCKET_ENTRIES] + i % HAK_BUCKET_ENTRIES, key, &payload);

		if (r == 0) {
			memcpy(ret_payload, &payload, sizeof(payload));
			return 0;
		}
		if (r == -EAGAIN)
			result = -EAGAIN;
	}
	return result;
}

static int table_read(const struct hak_control_header *header, enum hak_control_table_id id, uint32_t index,
		      void *ret_payload)
{
	struct hak_control_geometry geometry;
	struct hak_entry_payload payload;
	struct hak_control_table table;

	if (hak_control_geometry_load(header, &geometry) < 0 || index >= geometry.count[id])
		return -ERANGE;
	table = hak_control_table_of(header, &geometry, id);
	for (unsigned i = 0; i < ENTRY_TRIES; i++) {
		if (hak_control_entry_snapshot(&table.entries[index], &payload) < 0)
			continue;
		if (hak_key_is_zero(&payload.key))
			return -ENOENT;
		if (!hak_control_payload_whole(&payload))
			continue;
		memcpy(ret_payload, &payload, sizeof(payload));
		return 0;
	}
	return -EAGAIN;
}

int hak_control_read_process(const struct hak_control_header *header, uint32_t index,
			     struct hak_process_payload *ret_payload)
{
	return table_read(header, HAK_TABLE_PROCESSES, index, ret_payload);
}

int hak_control_find_process(const struct hak_control_header *header, const struct hak_key *key,
			     struct hak_process_payload *ret_payload)
{
	return table_find(header, HAK_TABLE_PROCESSES, key, ret_payload);
}

int hak_control_find_context(const struct hak_control_header *header, const struct hak_key *key,
			     struct hak_context_payload *ret_payload)
{
	return table_find(header, HAK_TABLE_CONTEXTS, key, ret_payload);
}
