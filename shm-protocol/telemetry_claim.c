/* SPDX-License-Identifier: MIT */
/*
 * A forked child finds itself a slot. Runs inside libhakmem between fork and the child's next step: no
 * allocation, no lock, errno kept.
 *
 * What it costs has to stay small where a server has hundreds of children, of which each touches pages anew
 * that its parent had touched: so a child begins where the last one found something, looks at PROBES other
 * parts, and opens a new one instead of searching on. The next child goes on with the parts after those.
 */
#include "telemetry.h"

#include "store.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

enum {
	PROBES = 3,
	OPENINGS = 3, /* of a part that others have filled meanwhile */
};

int hak_telemetry_claim_slot(struct hak_telemetry_file *part, const uint32_t *slots_freed, uint32_t pid,
			     uint32_t parent_pid)
{
	for (int i = 0; i < HAK_TELEMETRY_SLOTS; i++) {
		struct hak_telemetry_slot *slot = &part->slot[i];
		uint32_t claims = atomic_load_explicit(&slot->claims, memory_order_acquire);
		uint32_t next = claims + 1 != 0 ? claims + 1 : 1; /* zero would mean "never claimed" */

		if (claims != 0 && (!slots_freed || slots_freed[i] != claims))
			continue;
		/* acq_rel: whoever claims next sees what we do to the slot from here on [T1] */
		if (!atomic_compare_exchange_strong_explicit(&slot->claims, &claims, next,
							     memory_order_acq_rel, memory_order_relaxed))
			continue; /* another child was faster; the next slot will do */
		hak_telemetry_fill_slot(slot, next, pid, parent_pid);
		return i;
	}
	return -EBUSY;
}

/* A child, and the file that it looks for a slot in. */
struct seeker {
	struct hak_telemetry_file *file;
	const struct hak_key *key;
	const struct hak_control_header *control;
	uint32_t pid, parent_pid;
	uint32_t parts_read; /* by the daemon: of others it would see nothing, and free no slot */
};

static uint32_t parts_open(const struct hak_telemetry_file *file)
{
	/* acquire [T2]: what is counted is there */
	uint32_t open = atomic_load_explicit(&file->parts_open, memory_order_acquire);

	return open == 0 ? 1 : open < HAK_TELEMETRY_PARTS ? open : HAK_TELEMETRY_PARTS;
}

/* All, while there is no daemon yet or it has not seen the file. */
static uint32_t parts_read(const struct hak_control_header *control, const struct hak_key *key)
{
	struct hak_process_payload entry;

	if (!control || hak_control_find_process(control, key, &entry) < 0)
		return HAK_TELEMETRY_PARTS;
	return entry.parts == 0 ? 1 : entry.parts < HAK_TELEMETRY_PARTS ? entry.parts : HAK_TELEMETRY_PARTS;
}

static int claim_in(const struct seeker *seeker, uint32_t number, struct hak_telemetry_slot **ret_slot)
{
	const struct hak_key key = hak_telemetry_part_key(seeker->key, number);
	struct hak_process_payload entry;
	bool known = seeker->control && hak_control_find_process(seeker->control, &key, &entry) == 0;
	int slot = hak_telemetry_claim_slot(&seeker->file[number], known ? entry.slots_freed : NULL,
					    seeker->pid, seeker->parent_pid);

	if (slot < 0)
		return slot;
	*ret_slot = &seeker->file[number].slot[slot];
	return 0;
}

/* In the parts that are there. The hints are right or wrong; each child stores what it found. */
static int search(const struct seeker *seeker, struct hak_telemetry_slot **ret_slot)
{
	struct hak_telemetry_file *file = seeker->file;
	uint32_t there = parts_open(file);
	uint32_t open = there < seeker->parts_read ? there : seeker->parts_read;
	uint32_t number = atomic_load_explicit(&file->part_last, memory_order_relaxed) % open;
	uint32_t next = atomic_load_explicit(&file->part_next, memory_order_relaxed) % open;
	uint32_t probes = open - 1 < PROBES ? open - 1 : PROBES;
	int r = claim_in(seeker, number, ret_slot);

	if (r == 0 || !probes)
		return r;
	for (uint32_t i = 0; i < probes && r < 0; i++) {
		number = next;
		next = (next + 1) % open;
		r = claim_in(seeker, number, ret_slot);
	}
	if (r == 0)
		atomic_store_explicit(&file->part_last, number, memory_order_relaxed);
	atomic_store_explicit(&file->part_next, next, memory_order_relaxed);
	return r;
}

static bool is_part_wanted(const struct seeker *seeker, uint32_t number)
{
	if (seeker->control &&
	    atomic_load_explicit(&seeker->control->state, memory_order_relaxed) == HAK_SEGMENT_STOPPED)
		return false; /* nobody says that a daemon ever comes back */
	return number < seeker->parts_read;
}

/* All that open the same part write the same; nothing is claimed before it is counted. */
static void fill_header(struct hak_telemetry_file *part, const struct hak_telemetry_file *first)
{
	const size_t begin = sizeof(part->magic), end = offsetof(struct hak_telemetry_file, forks_untracked);

	hak_store_words((uint8_t *)part + begin, (const uint8_t *)first + begin, end - begin);
	hak_store_u64(&part->magic, HAK_TELEMETRY_MAGIC); /* release: all above is there when the magic is */
}

/* A store into a hole of a full file system would be SIGBUS; this says EFAULT. */
static int populate(struct hak_telemetry_file *part)
{
	uintptr_t page = (uintptr_t)part & ~(uintptr_t)(getauxval(AT_PAGESZ) - 1);
	int saved_errno = errno, r = 0;

	if (madvise((void *)page, (uintptr_t)(part + 1) - page, MADV_POPULATE_WRITE) < 0)
		r = -errno;
	errno = saved_errno;
	return r;
}

/* Return: 0: part @number is there; or why not. */
static int open_part(const struct seeker *seeker, uint32_t number)
{
	struct hak_telemetry_file *part = &seeker->file[number];
	uint32_t open = number;
	int r = is_part_wanted(seeker, number) ? populate(part) : -EBUSY;

	if (r < 0)
		return r;
	fill_header(part, seeker->file);
	/* release [T2]. Where it fails another child has counted it. */
	(void)atomic_compare_exchange_strong_explicit(&seeker->file->parts_open, &open, number + 1,
						      memory_order_release, memory_order_relaxed);
	atomic_store_explicit(&seeker->file->part_last, number, memory_order_relaxed);
	return 0;
}

static int claim(const struct seeker *seeker, struct hak_telemetry_slot **ret_slot)
{
	int r = search(seeker, ret_slot);

	for (int i = 0; i < OPENINGS && r == -EBUSY; i++) {
		uint32_t number = parts_open(seeker->file);

		r = open_part(seeker, number);
		if (r < 0)
			break;
		r = claim_in(seeker, number, ret_slot);
	}
	return r;
}

int hak_telemetry_claim(struct hak_telemetry_file *file, const struct hak_key *key,
			const struct hak_control_header *control, uint32_t pid, uint32_t parent_pid,
			struct hak_telemetry_slot **ret_slot)
{
	const struct seeker seeker = {file, key, control, pid, parent_pid, parts_read(control, key)};

	if (claim(&seeker, ret_slot) == 0)
		return 0;
	atomic_fetch_add_explicit(&file->forks_untracked, 1,
				  memory_order_relaxed); /* a count, nothing hangs on it */
	return -EBUSY;
}
