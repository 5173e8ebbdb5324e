/* SPDX-License-Identifier: MIT */
/*
 * Writing the control segment: hakmemd alone, one thread, under the lock of the segment's descriptor.
 *
 * A change is: `pending` names the serial to come; copies that nobody reads are filled; each entry flips with
 * one store; the serial moves; `pending` is cleared. Wherever that stops, readers see whole entries, and the
 * next hak_control_writer_init() moves the serial for them if it had not moved yet.
 */
#include "control_table.h"

#include "crc32c.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum { SEGMENT_MODE = 0644 };

static struct hak_control_table writer_table(const struct hak_control_writer *writer,
					     enum hak_control_table_id id)
{
	const struct hak_control_header *h = writer->header;
	const struct hak_control_geometry geometry = {
		.total_bytes = h->total_bytes,
		.offset_bytes = {h->contexts_offset_bytes, h->processes_offset_bytes},
		.count = {h->contexts_count, h->processes_count},
	};

	return hak_control_table_of(h, &geometry, id);
}

/* ---- entries ---------------------------------------------------------------------------------------- */

/* @payload becomes what readers see, by one store. */
static void entry_flip(struct hak_control_entry *entry, const struct hak_entry_payload *payload)
{
	uint64_t next = hak_load_u64(&entry->sequence) + 1;

	hak_store_words(&entry->copy[next & 1], payload, sizeof(*payload));
	/* release: pairs with the acquire in hak_control_entry_snapshot() [S1] */
	hak_store_u64(&entry->sequence, next);
}

static const struct hak_entry_payload *entry_active(const struct hak_control_entry *entry)
{
	return &entry->copy[hak_load_u64(&entry->sequence) & 1];
}

static struct hak_control_entry *table_lookup(const struct hak_control_table *table,
					      const struct hak_key *key)
{
	struct hak_control_entry *bucket[2];

	hak_control_buckets(table, key, bucket);
	for (unsigned b = 0; b < 2; b++)
		for (unsigned i = 0; i < HAK_BUCKET_ENTRIES; i++)
			if (hak_key_equal(&entry_active(&bucket[b][i])->key, key))
				return &bucket[b][i];
	return NULL;
}

/* A free entry of the emptier bucket, so that both fill evenly; NULL where both are full. */
static struct hak_control_entry *table_vacancy(const struct hak_control_table *table,
					       const struct hak_key *key)
{
	struct hak_control_entry *bucket[2], *vacancy[2] = {NULL, NULL};
	unsigned vacant[2] = {0, 0};

	hak_control_buckets(table, key, bucket);
	for (unsigned b = 0; b < 2; b++) {
		for (unsigned i = HAK_BUCKET_ENTRIES; i-- > 0;) {
			if (!hak_key_is_zero(&entry_active(&bucket[b][i])->key))
				continue;
			vacancy[b] = &bucket[b][i];
			vacant[b]++;
		}
	}
	return vacancy[vacant[1] > vacant[0]];
}

/* ---- groups of changes ------------------------------------------------------------------------------ */

/* Before the first store of a group: names the serial that ends it. */
static void group_begin(struct hak_control_header *header)
{
	if (hak_load_u64(&header->pending) == 0)
		hak_store_u64(&header->pending, hak_load_u64(&header->serial) + 1);
}

static uint64_t group_end(struct hak_control_header *header)
{
	uint64_t serial = hak_load_u64(&header->serial) + 1;

	/* release: pairs with the acquire of whoever applies this serial [S2] */
	hak_store_u64(&header->serial, serial);
	hak_store_u64(&header->pending, 0);
	return serial;
}

static int table_put(struct hak_control_writer *writer, enum hak_control_table_id id, const void *payload)
{
	struct hak_control_table table = writer_table(writer, id);
	struct hak_entry_payload copy;
	struct hak_control_entry *entry;

	memcpy(&copy, payload, sizeof(copy));
	if (hak_key_is_zero(&copy.key))
		return -EINVAL;
	copy.crc = hak_crc32c(&copy, offsetof(struct hak_entry_payload, crc));
	entry = table_lookup(&table, &copy.key);
	if (!entry)
		entry = table_vacancy(&table, &copy.key);
	if (!entry)
		return -ENOSPC;
	group_begin(writer->header);
	entry_flip(entry, &copy);
	return 0;
}

static int table_drop(struct hak_control_writer *writer, enum hak_control_table_id id,
		      const struct hak_key *key)
{
	static const struct hak_entry_payload nothing;
	struct hak_control_table table = writer_table(writer, id);
	struct hak_control_entry *entry;

	if (hak_key_is_zero(key))
		return -ENOENT;
	entry = table_lookup(&table, key);
	if (!entry)
		return -ENOENT;
	group_begin(writer->header);
	entry_flip(entry, &nothing);
	return 0;
}

int hak_control_put_process(struct hak_control_writer *writer, const struct hak_process_payload *payload)
{
	return table_put(writer, HAK_TABLE_PROCESSES, payload);
}

int hak_control_put_context(struct hak_control_writer *writer, const struct hak_context_payload *payload)
{
	return table_put(writer, HAK_TABLE_CONTEXTS, payload);
}

int hak_control_drop_process(struct hak_control_writer *writer, const struct hak_key *key)
{
	return table_drop(writer, HAK_TABLE_PROCESSES, key);
}

int hak_control_drop_context(struct hak_control_writer *writer, const struct hak_key *key)
{
	return table_drop(writer, HAK_TABLE_CONTEXTS, key);
}

uint64_t hak_control_bump(struct hak_control_writer *writer)
{
	group_begin(writer->header);
	return group_end(writer->header);
}

uint64_t hak_control_publish_policy(struct hak_control_writer *writer, uint64_t policy_word)
{
	group_begin(writer->header);
	hak_store_u64(&writer->header->policy_word, policy_word);
	return group_end(writer->header);
}

void hak_control_set_state(struct hak_control_writer *writer, enum hak_segment_state state)
{
	hak_store_u32(&writer->header->state, state);
}

void hak_control_set_system_thp(struct hak_control_writer *writer, enum hak_system_thp system_thp)
{
	hak_store_u32(&writer->header->system_thp, system_thp);
}

void hak_control_beat(struct hak_control_writer *writer)
{
	hak_store_u64(&writer->header->heartbeat, hak_load_u64(&writer->header->heartbeat) + 1);
}

/* ---- making and repairing --------------------------------------------------------------------------- */

/* What a writer stopped before the magic may leave is any kind of header lines, and zeros after them. */
static bool rest_is_zero(const struct hak_control_header *header)
{
	const uint64_t *word = (const uint64_t *)header->page_reserved;
	const uint64_t *end = (const uint64_t *)((uintptr_t)header + HAK_CONTROL_BYTES);

	while (word < end)
		if (*word++ != 0)
			return false;
	return true;
}

/* Fills the header; the magic comes last. All else is zero: state DEFAULT, serial 0, no policy, no entry. */
static int header_make(struct hak_control_header *header)
{
	struct hak_control_header made = {
		.abi_minor = HAK_CONTROL_ABI_MINOR,
		.header_bytes = sizeof(made),
		.state = HAK_SEGMENT_DEFAULT,
		.total_bytes = HAK_CONTROL_BYTES,
		.contexts_offset_bytes = sizeof(made),
		.contexts_count = HAK_CONTROL_CONTEXTS,
		.processes_offset_bytes = sizeof(made) + HAK_CONTROL_CONTEXTS * HAK_ENTRY_BYTES,
		.processes_count = HAK_CONTROL_PROCESSES,
	};
	ssize_t n;

	n = getrandom(&made.segment_id, sizeof(made.segment_id), 0);
	if (n < 0)
		return -errno;
	if (n != sizeof(made.segment_id))
		return -EIO;
	made.geometry_crc = hak_control_geometry_crc(&made);
	hak_store_words((uint8_t *)header + sizeof(made.magic), (uint8_t *)&made + sizeof(made.magic),
			offsetof(struct hak_control_header, page_reserved) - sizeof(made.magic));
	/* release: pairs with the acquire in hak_control_check() */
	hak_store_u64(&header->magic, HAK_CONTROL_MAGIC);
	return 0;
}

static void table_repair(const struct hak_control_table *table, struct hak_control_header *header)
{
	static const struct hak_entry_payload nothing;

	for (uint32_t i = 0; i < table->buckets * HAK_BUCKET_ENTRIES; i++) {
		struct hak_control_entry *entry = &table->entries[i];
		const struct hak_entry_payload *active = entry_active(entry);
		struct hak_control_entry *home = entry - i % HAK_BUCKET_ENTRIES;
		struct hak_control_entry *bucket[2];

		if (hak_key_is_zero(&active->key))
			continue;
		hak_control_buckets(table, &active->key, bucket);
		if (hak_control_payload_whole(active) && (home == bucket[0] || home == bucket[1]))
			continue;
		group_begin(header);
		entry_flip(entry, &nothing);
	}
}

static void segment_repair(struct hak_control_writer *writer)
{
	struct hak_control_header *header = writer->header;
	uint64_t pending;

	for (unsigned id = 0; id < HAK_TABLE_COUNT; id++) {
		struct hak_control_table table = writer_table(writer, id);

		table_repair(&table, header);
	}
	pending = hak_load_u64(&header->pending);
	if (pending == 0)
		return;
	if (hak_load_u64(&header->serial) + 1 == pending)
		(void)group_end(header);
	else
		hak_store_u64(&header->pending, 0); /* stopped after the serial: all is told */
}

/* The file is ours and locked: its checks, its size. @ret_fresh: it was never finished. */
static int segment_prepare(int fd, const char *runtime_dir, bool *ret_fresh)
{
	struct stat st;
	uint64_t magic = 0;
	ssize_t n;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_nlink == 0)
		return -EBUSY; /* a writer that failed took it away between our open and our lock */
	r = hak_control_check_file(&st, runtime_dir);
	if (r < 0)
		return r;
	if (st.st_size != 0) {
		n = pread(fd, &magic, sizeof(magic), 0);
		if (n < 0)
			return -errno;
		if (n != sizeof(magic) || (magic == 0 && st.st_size != (off_t)HAK_CONTROL_BYTES))
			return -EPROTO;
		if (magic != 0) {
			*ret_fresh = false;
			return 0;
		}
	}
	*ret_fresh = true;
	/* whatever the umask took away; before the magic, so that a finished segment can be read */
	if (fchmod(fd, SEGMENT_MODE) < 0)
		return -errno;
	hak_store_step();
	if (st.st_size == 0 && fallocate(fd, 0, 0, HAK_CONTROL_BYTES) < 0)
		return -errno;
	hak_store_step();
	return 0;
}

static int segment_map(struct hak_control_writer *writer, bool fresh)
{
	struct hak_control_header *map;
	struct stat st;
	int r;

	if (fstat(writer->fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)sizeof(*map) || (uint64_t)st.st_size > HAK_CONTROL_BYTES_MAX)
		return -EPROTO;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, writer->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	writer->header = map;
	if (fresh)
		r = rest_is_zero(map) ? header_make(map) : -EPROTO;
	else
		r = hak_control_check(map, (uint64_t)st.st_size);
	if (r == 0) {
		segment_repair(writer);
		return 0;
	}
	(void)munmap(map, (size_t)st.st_size); /* cannot fail: the range is ours */
	return r;
}

int hak_control_writer_init(struct hak_control_writer *writer, const char *runtime_dir)
{
	struct hak_control_writer w = {.fd = -1};
	char path[PATH_MAX];
	bool fresh;
	int r;

	r = hak_control_path(runtime_dir, path, sizeof(path));
	if (r < 0)
		return r;
	w.fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, SEGMENT_MODE);
	if (w.fd < 0)
		return -errno;
	hak_store_step();
	if (flock(w.fd, LOCK_EX | LOCK_NB) < 0) {
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
		goto out;
	}
	r = segment_prepare(w.fd, runtime_dir, &fresh);
	if (r == 0)
		r = segment_map(&w, fresh);
	else if (r == -ENOSPC || r == -EFBIG || r == -EDQUOT)
		(void)unlink(path); /* empty, ours and locked; if it stays it is empty */
out:
	if (r < 0)
		(void)close(w.fd); /* nothing was written through it */
	else
		*writer = w;
	return r;
}

void hak_control_writer_deinit(struct hak_control_writer *writer)
{
	struct hak_control_geometry geometry;

	if (hak_control_geometry_load(writer->header, &geometry) == 0)
		(void)munmap(writer->header, geometry.total_bytes); /* cannot fail: the range is ours */
	(void)close(writer->fd); /* ends the lock; shared memory needs no flush */
	*writer = (struct hak_control_writer){.fd = -1};
}
