/* SPDX-License-Identifier: MIT */
/*
 * The two tables of the control segment seen as one kind, for control_reader.c and control_writer.c only: an
 * entry is a sequence and two payloads of equal size that begin with a key and end in a CRC.
 */
#ifndef HAK_SHM_CONTROL_TABLE_H
#define HAK_SHM_CONTROL_TABLE_H

#include "control.h"

#include <stdbool.h>
#include <sys/stat.h>

struct hak_entry_payload {
	struct hak_key key;
	uint8_t body[HAK_ENTRY_PAYLOAD_BYTES - sizeof(struct hak_key) - sizeof(uint32_t)];
	uint32_t crc;
};
struct hak_control_entry {
	uint64_t sequence; /* accessed through store.h only */
	uint64_t reserved;
	struct hak_entry_payload copy[2];
};
static_assert(sizeof(struct hak_entry_payload) == HAK_ENTRY_PAYLOAD_BYTES, "payload");
static_assert(sizeof(struct hak_control_entry) == HAK_ENTRY_BYTES, "entry");
static_assert(offsetof(struct hak_entry_payload, crc) == offsetof(struct hak_process_payload, crc),
	      "process crc");
static_assert(offsetof(struct hak_entry_payload, crc) == offsetof(struct hak_context_payload, crc),
	      "context crc");
static_assert(offsetof(struct hak_control_entry, copy) == offsetof(struct hak_process_entry, copy),
	      "process");
static_assert(offsetof(struct hak_control_entry, copy) == offsetof(struct hak_context_entry, copy),
	      "context");

enum hak_control_table_id { HAK_TABLE_CONTEXTS, HAK_TABLE_PROCESSES, HAK_TABLE_COUNT };

struct hak_control_table {
	struct hak_control_entry *entries;
	uint32_t buckets; /* a power of two */
};

/* Limits of what a reader accepts as a geometry. */
enum { HAK_TABLE_ENTRIES_MIN = 2 * HAK_BUCKET_ENTRIES, HAK_TABLE_ENTRIES_MAX = 1 << 20 };
#define HAK_CONTROL_BYTES_MAX                                                                                \
	(sizeof(struct hak_control_header) +                                                                 \
	 HAK_TABLE_COUNT * (uint64_t)HAK_TABLE_ENTRIES_MAX * HAK_ENTRY_BYTES)

/* Line 1 with its CRC: one word-wise copy of it, so that what was checked is what is used. */
struct hak_control_geometry {
	uint64_t total_bytes;
	uint32_t offset_bytes[HAK_TABLE_COUNT];
	uint32_t count[HAK_TABLE_COUNT];
};

/* The CRC of line 1, whatever its geometry_crc is now. */
uint32_t hak_control_geometry_crc(const struct hak_control_header *header);
/* Return: 0; -EPROTO where line 1 is damaged or names what cannot be. */
int hak_control_geometry_load(const struct hak_control_header *header,
			      struct hak_control_geometry *ret_geometry);
/* Return: 0; -EPROTO for a wrong magic, header size, state or geometry, or a file of another size. */
int hak_control_check(const struct hak_control_header *header, uint64_t file_bytes);
/* Return: 0; -EPERM where @st is not a regular file, or its mode or its owner make it no segment of ours. */
int hak_control_check_file(const struct stat *st, const char *runtime_dir);
/* The path of the segment. Return: 0; -ENAMETOOLONG. */
int hak_control_path(const char *runtime_dir, char *ret_path, size_t size);

struct hak_control_table hak_control_table_of(const struct hak_control_header *header,
					      const struct hak_control_geometry *geometry,
					      enum hak_control_table_id id);

static inline bool hak_key_is_zero(const struct hak_key *key)
{
	return key->word[0] == 0 && key->word[1] == 0;
}

static inline bool hak_key_equal(const struct hak_key *a, const struct hak_key *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

/* The first entries of the two buckets where @key may live. They differ. */
static inline void hak_control_buckets(const struct hak_control_table *table, const struct hak_key *key,
				       struct hak_control_entry *ret_bucket[2])
{
	uint64_t mask = table->buckets - 1;
	uint64_t first = key->word[0] & mask;
	uint64_t second = key->word[1] & mask;

	if (second == first)
		second ^= 1;
	ret_bucket[0] = table->entries + first * HAK_BUCKET_ENTRIES;
	ret_bucket[1] = table->entries + second * HAK_BUCKET_ENTRIES;
}

/* The copy to read, as a private one. Return: 0; -EAGAIN where the entry changed meanwhile. */
int hak_control_entry_snapshot(const struct hak_control_entry *entry, struct hak_entry_payload *ret_payload);

/* Does the CRC of a private copy fit? */
bool hak_control_payload_whole(const struct hak_entry_payload *payload);

#endif
