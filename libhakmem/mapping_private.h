/* SPDX-License-Identifier: MIT */
/* What the parts of mappings (mapping*.c) share. */
#ifndef HAK_MAPPING_PRIVATE_H
#define HAK_MAPPING_PRIVATE_H

#include "lock.h"
#include "mapping.h"
#include "touch.h"

enum { HAK_YOUNG_MAPPINGS = 8 };

/* All of it under the lock. */
struct hak_mappings {
	struct hak_lock lock;
	struct hak_mapping *unused;
	size_t mapped_bytes; /* live and kept */
	size_t waste_bytes;  /* beyond live blocks' ends, in huge pages */

	struct hak_touch touch;                 /* of blocks in fresh pages, as they were freed */
	size_t young_bytes[HAK_YOUNG_MAPPINGS]; /* of the last that were made */
	unsigned made;
	_Atomic bool hardly_touched; /* read without it */

	TAILQ_HEAD(, hak_mapping) tails; /* blocks with something resident behind them, oldest first */
};
extern struct hak_mappings hak_mappings;

static inline size_t hak_mapping_block_end(const struct hak_mapping *mapping)
{
	return (size_t)(mapping->block - mapping->base) + mapping->block_bytes;
}

/* How far an offset lies in its unit. */
static inline size_t hak_mapping_into_unit(const struct hak_mapping *mapping, size_t offset)
{
	return (uintptr_t)(mapping->base + offset) % HAK_SUPERSLAB_BYTES;
}

/* ---- mapping_huge.c ---------------------------------------------------------------------------------- */

/* enum hak_thp in force for large blocks. */
uint32_t hak_mapping_thp(void);

/* A mapping of @bytes was made that is not resident as a whole. */
void hak_mapping_note_made(size_t bytes);

/* Say which of its pages shall be huge. Syscalls: madvise. */
void hak_mapping_advise(struct hak_mapping *mapping);

/* The block has got another size. Syscalls: madvise, where more of it may be huge now. */
void hak_mapping_note_resized(struct hak_mapping *mapping);

/* The block was freed. Where it was made fresh: are the others touched? Syscalls: getrusage. */
void hak_mapping_note_freed(struct hak_mapping *mapping);

/* ---- mapping_tail.c ---------------------------------------------------------------------------------- */

/* A block was made, or has changed its size. */
void hak_mapping_watch_tail(struct hak_mapping *mapping);

/* It is going to, or is freed: from here on nobody else touches what lies behind it. */
void hak_mapping_forget_tail(struct hak_mapping *mapping);

#endif
