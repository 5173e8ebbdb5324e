/* SPDX-License-Identifier: MIT */
/*
 * The counters of processes that have ended: each claim of a telemetry slot is added exactly once, whenever
 * the daemon is killed.
 *
 * On disk: STATE_DIR/tallies.json is a snapshot that names a generation; STATE_DIR/tallies.N.journal holds
 * what was folded since, one line a fold, each with its CRC. The snapshot and the journal remember which
 * claims of the files that are still there were folded, so that a restart does not count them again.
 *
 * A fold is in memory at first. It is saved, by somebody else, with others: as lines of the journal, or in
 * the next snapshot, of which the journal is empty. Nobody sees its effect (the slot is free again, the file
 * is gone) before that. Lines are synced before a telemetry file is unlinked; else what they say about one
 * on a tmpfs is lost with that when the machine dies.
 *
 * What failed to be written or synced is not written again to the same journal, which the kernel may call
 * durable then though it is not: a snapshot takes its place.
 *
 * One thread.
 */
#ifndef HAK_TALLIES_H
#define HAK_TALLIES_H

#include <cjson/cJSON.h>
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

struct hak_durable_file;

struct hak_tallies {
	int directory_fd; /* borrowed */
	uint64_t generation;
	uint64_t journal_bytes; /* on disk */
	bool unsynced;          /* some of them */
	bool wants_snapshot;
	char *lines; /* owned; folded, and on no disk: the next ones of the journal */
	size_t lines_bytes, lines_room;
	size_t saving_bytes; /* of them, on their way to the disk */
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

/* Add an ended claim. Return: 0; -ENOMEM: nothing was added, try again later. */
int hak_tallies_fold(struct hak_tallies *tallies, const struct hak_tallies_record *record);

/**
 * hak_tallies_save_lines() - what is to be appended to the journal
 * @sync: it has to be durable, with all before it
 * One at a time, and no snapshot meanwhile; then hak_tallies_saved(). Return: 1; 0: nothing to do; -ENOMEM.
 */
int hak_tallies_save_lines(struct hak_tallies *tallies, bool sync, struct hak_durable_file *ret_file);
/* The same: a snapshot. @files: the telemetry files that exist and of which something was folded. */
int hak_tallies_save_snapshot(struct hak_tallies *tallies, const struct hak_tallies_file *files,
			      size_t count, struct hak_durable_file *ret_file);
/* All that was folded before is written; or why not (its result). */
void hak_tallies_saved(struct hak_tallies *tallies, const struct hak_durable_file *file);

/* ---- for tallies.c and its test: the two texts that it keeps (tallies_file.c); pure ------------------ */

enum { HAK_TALLIES_LINE_BYTES = 2048 };

/* "CRC NAME SLOT CLAIMS INDEX:VALUE… faults:VALUE @UNIT\n", what is zero left out. Return: its length. */
size_t hak_tallies_line_format(const struct hak_tallies_record *record,
			       char ret_line[HAK_TALLIES_LINE_BYTES]);
/* @line: without its newline. Return: 0, -EBADMSG. */
int hak_tallies_line_parse(const char *line, struct hak_tallies_record *ret_record);

/* The caller frees the text; NULL: no memory. */
char *hak_tallies_snapshot_format(const struct hak_tallies *tallies, uint64_t generation,
				  const struct hak_tallies_file *files, size_t count);
/* Fills generation, sums, files. Return: 0, -EBADMSG, -ENOMEM. */
int hak_tallies_snapshot_parse(const cJSON *root, struct hak_tallies *tallies);

#endif
