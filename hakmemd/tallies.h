/* SPDX-License-Identifier: MIT */
/*
 * The counters of processes that have ended: each claim of a telemetry slot is added exactly once, whenever
 * the daemon is killed.
 *
 * On disk: STATE_DIR/tallies.json is a snapshot that names a generation; STATE_DIR/tallies.N.journal holds
 * what was folded since, one line a fold, each with its CRC. A fold is in the journal before anybody sees its
 * effect (the slot is free again, the file is gone), and the snapshot and the journal remember which claims
 * of the files that are still there were folded, so that a restart does not count them again.
 *
 * A fold is written but not synced: what it says about a telemetry file on a tmpfs is lost with that file
 * when the machine dies. It is synced, by somebody else, before a telemetry file is unlinked.
 *
 * While a snapshot is written, by somebody else as well, a fold goes to both journals: that of the snapshot
 * which stands, and that of the next one. Whichever is found after a kill, its journal is whole.
 *
 * One thread.
 */
#ifndef HAK_TALLIES_H
#define HAK_TALLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tallies_units.h"
#include "telemetry.h"

#define HAK_TALLIES_FILE "tallies.json"

enum {
	HAK_TALLIES_JOURNAL_BYTES = 256 << 10, /* longer: time for a snapshot */
	HAK_TALLIES_FILE_RECORD =
		HAK_TELEMETRY_SLOTS, /* "slot" of the record that folds a file's own counters */
};

/*
 * A file, or one of its parts beyond the first. These go by names of their own, so that all that reads the
 * texts, older daemons too, takes them for files: the file's name with the number of the part added to its
 * last byte. Its other 120 bits are random.
 */
struct hak_tallies_file {
	char name[HAK_TELEMETRY_NAME_CHARS + 1];
	uint32_t folded[HAK_TELEMETRY_SLOTS +
			1]; /* by slot: the last claim that was added; [SLOTS]: 1 when done */
};

/* An ended claim of a telemetry file's slot. */
struct hak_tallies_record {
	char name[HAK_TELEMETRY_NAME_CHARS + 1]; /* hak_tallies_part_name() */
	uint32_t slot; /* of the part; HAK_TALLIES_FILE_RECORD: counter[0] is the file's forks_untracked */
	uint32_t claims;
	uint64_t counter[HAK_COUNTER_COUNT];
	uint64_t faults;                       /* page faults of the process, as last seen */
	char unit[HAK_CONTEXT_UNIT_CHARS + 1]; /* "": of none */
};

struct hak_tallies {
	int directory_fd; /* borrowed */
	uint64_t generation;
	int journal_fd;
	uint64_t journal_bytes;
	int next_fd; /* the next generation's, while its snapshot is written; -1 else */
	uint64_t next_bytes;
	bool unsynced;
	uint64_t ended; /* processes, forked children included */
	uint64_t forks_untracked;
	uint64_t counter[HAK_COUNTER_COUNT];
	struct hak_tallies_units units;
	struct hak_tallies_file *files; /* as found at the start, sorted by name; see hak_tallies_forget() */
	size_t file_count;
};

/**
 * hak_tallies_init() - read snapshot and journal
 * A journal's torn last line is what a kill leaves: it is cut off. A damaged snapshot is kept aside as
 * tallies.json.bad.
 * Return: 0; 1 (began anew because the snapshot was damaged); or why the state directory cannot be used.
 */
int hak_tallies_init(struct hak_tallies *tallies, int directory_fd);
void hak_tallies_deinit(struct hak_tallies *tallies);

void hak_tallies_part_name(const char *name, unsigned part, char ret_name[HAK_TELEMETRY_NAME_CHARS + 1]);

/**
 * hak_tallies_find() - what was already folded of the telemetry file @name when the daemon started
 * @ret_count: of the parts that are told of, in no order; hak_tallies_part_of() tells which they are
 */
const struct hak_tallies_file *hak_tallies_find(const struct hak_tallies *tallies, const char *name,
						size_t *ret_count);
unsigned hak_tallies_part_of(const struct hak_tallies_file *file, const char *name);

/* The start's scan is over: what hak_tallies_find() told is now known by the registry. */
void hak_tallies_forget(struct hak_tallies *tallies);

/* Add an ended claim. Return: 0; or why it could not be written: nothing was added then, try again later. */
int hak_tallies_fold(struct hak_tallies *tallies, const struct hak_tallies_record *record);

/**
 * hak_tallies_unsynced() - the journal, if something was folded that is not durable
 * Counts as synced from now on: where syncing fails set `unsynced` again.
 * @ret_fd: the caller's, to be synced; -1: there is nothing to do
 * Return: 0, or why not.
 */
int hak_tallies_unsynced(struct hak_tallies *tallies, int *ret_fd);

static inline bool hak_tallies_wants_snapshot(const struct hak_tallies *tallies)
{
	return tallies->journal_bytes > HAK_TALLIES_JOURNAL_BYTES;
}

/**
 * hak_tallies_begin_snapshot() - the text that is to become HAK_TALLIES_FILE, and an empty journal
 * @files: the telemetry files that still exist and of which something was folded
 * One at a time. Return: 0, or why not; nothing has begun then.
 */
int hak_tallies_begin_snapshot(struct hak_tallies *tallies, const struct hak_tallies_file *files,
			       size_t count, char **ret_text);
/* @result: 0: it is durable; else the old pair goes on. */
void hak_tallies_end_snapshot(struct hak_tallies *tallies, int result);

#endif
