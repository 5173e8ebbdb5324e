/* SPDX-License-Identifier: MIT */
/* See tallies.h. The texts are in tallies_file.c. */
#include "tallies.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "durable.h"
#include "file_replace.h"
#include "json_file.h"

#define SNAPSHOT_BAD HAK_TALLIES_FILE ".bad"

enum { JOURNAL_NAME_CHARS = HAK_DURABLE_NAME_CHARS };

static void journal_name(uint64_t generation, char ret_name[JOURNAL_NAME_CHARS + 1])
{
	snprintf(ret_name, JOURNAL_NAME_CHARS + 1, "tallies.%" PRIu64 ".journal", generation);
}

static int compare_files(const void *left, const void *right)
{
	return strcmp(((const struct hak_tallies_file *)left)->name,
		      ((const struct hak_tallies_file *)right)->name);
}

static void add(struct hak_tallies *tallies, const struct hak_tallies_record *record)
{
	const uint64_t *counter = record->counter;
	struct hak_tallies_unit unit = {.ended = 1,
					.allocations = counter[HAK_COUNTER_alloc_count],
					.purges = counter[HAK_COUNTER_purge_runs],
					.faults = record->faults};

	if (record->slot == HAK_TALLIES_FILE_RECORD) {
		tallies->forks_untracked += counter[0];
		return;
	}
	tallies->ended++;
	for (size_t i = 0; i < HAK_COUNTER_COUNT; i++)
		tallies->counter[i] += counter[i];
	memcpy(unit.name, record->unit, sizeof(unit.name));
	hak_tallies_units_add(&tallies->units, &unit);
}

/* The file's entry while the journal is replayed: last first, as one file's lines come close together. */
static struct hak_tallies_file *file_of(struct hak_tallies *tallies, const char *name)
{
	struct hak_tallies_file *grown;

	for (size_t i = tallies->file_count; i-- > 0;) {
		if (strcmp(tallies->files[i].name, name) == 0)
			return &tallies->files[i];
	}
	grown = reallocarray(tallies->files, tallies->file_count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	tallies->files = grown;
	grown += tallies->file_count++;
	*grown = (struct hak_tallies_file){.folded = {0}};
	memcpy(grown->name, name, HAK_TELEMETRY_NAME_CHARS + 1);
	return grown;
}

/* Return: how much of the text are whole lines; what comes after them was being written when we were killed.
 */
static int replay(struct hak_tallies *tallies, char *text, uint64_t *ret_whole_bytes)
{
	char *line = text, *end;

	while ((end = strchr(line, '\n'))) {
		struct hak_tallies_record record;
		struct hak_tallies_file *file;

		*end = '\0';
		if (hak_tallies_line_parse(line, &record) < 0)
			break;
		file = file_of(tallies, record.name);
		if (!file)
			return -ENOMEM;
		file->folded[record.slot] = record.claims;
		add(tallies, &record);
		line = end + 1;
	}
	*ret_whole_bytes = (uint64_t)(line - text);
	return 0;
}

static int load_journal(struct hak_tallies *tallies)
{
	char name[JOURNAL_NAME_CHARS + 1], *text;
	size_t length;
	int r;

	journal_name(tallies->generation, name);
	r = hak_file_read(tallies->directory_fd, name, &text, &length);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	r = replay(tallies, text, &tallies->journal_bytes);
	free(text);
	return r;
}

static int load_snapshot(struct hak_tallies *tallies)
{
	cJSON *root = NULL;
	int r = hak_json_read(tallies->directory_fd, HAK_TALLIES_FILE, &root);

	if (r == 0)
		r = hak_tallies_snapshot_parse(root, tallies);
	cJSON_Delete(root);
	return r == -ENOENT ? 0 : r;
}

/* Of a fresh generation, so that a journal of the damaged one is not added to nothing. */
static void begin_anew(struct hak_tallies *tallies)
{
	int directory_fd = tallies->directory_fd;

	hak_tallies_deinit(tallies);
	*tallies = (struct hak_tallies){.directory_fd = directory_fd,
					.wants_snapshot = true,
					.generation = UINT64_C(1) << 32 | (uint32_t)getpid()};
	/* Where that fails the snapshot replaces it. */
	(void)renameat(directory_fd, HAK_TALLIES_FILE, directory_fd, SNAPSHOT_BAD);
}

int hak_tallies_init(struct hak_tallies *tallies, int directory_fd)
{
	char lost[JOURNAL_NAME_CHARS + 1];
	bool damaged;
	int r;

	*tallies = (struct hak_tallies){.directory_fd = directory_fd};
	r = load_snapshot(tallies);
	damaged = r == -EBADMSG;
	if (damaged)
		begin_anew(tallies);
	if (r == 0 || damaged)
		r = load_journal(tallies);
	if (r < 0) {
		hak_tallies_deinit(tallies);
		return r;
	}
	/* Of a snapshot that was lost when the machine died; what stays is emptied when its number comes. */
	journal_name(tallies->generation + 1, lost);
	(void)unlinkat(directory_fd, lost, 0);
	if (tallies->file_count)
		qsort(tallies->files, tallies->file_count, sizeof(*tallies->files), compare_files);
	return damaged;
}

void hak_tallies_deinit(struct hak_tallies *tallies)
{
	free(tallies->lines);
	tallies->lines = NULL;
	hak_tallies_units_deinit(&tallies->units);
	hak_tallies_forget(tallies);
}

enum { STEM_CHARS = HAK_TELEMETRY_NAME_CHARS - 2 };

static unsigned last_byte(const char *name)
{
	return (unsigned)strtoul(name + STEM_CHARS, NULL, 16);
}

void hak_tallies_part_name(const char *name, unsigned part, char ret_name[HAK_TELEMETRY_NAME_CHARS + 1])
{
	snprintf(ret_name, HAK_TELEMETRY_NAME_CHARS + 1, "%.*s%02x", STEM_CHARS, name,
		 (last_byte(name) + part) & 0xff);
}

unsigned hak_tallies_part_of(const struct hak_tallies_file *file, const char *name)
{
	return (last_byte(file->name) - last_byte(name)) & 0xff;
}

/* The first whose name does not come before those of the stem. */
static size_t first_of(const struct hak_tallies *tallies, const char *name)
{
	size_t low = 0, high = tallies->file_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strncmp(tallies->files[middle].name, name, STEM_CHARS) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct hak_tallies_file *hak_tallies_find(const struct hak_tallies *tallies, const char *name,
						size_t *ret_count)
{
	size_t first = first_of(tallies, name), count = 0;

	while (first + count < tallies->file_count &&
	       strncmp(tallies->files[first + count].name, name, STEM_CHARS) == 0)
		count++;
	*ret_count = count;
	return count ? &tallies->files[first] : NULL;
}

void hak_tallies_forget(struct hak_tallies *tallies)
{
	free(tallies->files);
	tallies->files = NULL;
	tallies->file_count = 0;
}

int hak_tallies_fold(struct hak_tallies *tallies, const struct hak_tallies_record *record)
{
	char *grown;

	if (tallies->lines_room - tallies->lines_bytes < HAK_TALLIES_LINE_BYTES) {
		grown = realloc(tallies->lines, 2 * tallies->lines_room + HAK_TALLIES_LINE_BYTES);
		if (!grown)
			return -ENOMEM;
		tallies->lines = grown;
		tallies->lines_room = 2 * tallies->lines_room + HAK_TALLIES_LINE_BYTES;
	}
	tallies->lines_bytes += hak_tallies_line_format(record, tallies->lines + tallies->lines_bytes);
	add(tallies, record);
	return 0;
}

/* @text: taken over. */
static int save(struct hak_tallies *tallies, char *text, struct hak_durable_file *ret_file)
{
	if (!text)
		return -ENOMEM;
	ret_file->directory_fd = tallies->directory_fd;
	ret_file->text = text;
	ret_file->data = tallies;
	tallies->saving_bytes = tallies->lines_bytes;
	return 1;
}

int hak_tallies_save_lines(struct hak_tallies *tallies, bool sync, struct hak_durable_file *ret_file)
{
	if (!tallies->lines_bytes && !(sync && tallies->unsynced))
		return 0;
	*ret_file = (struct hak_durable_file){
		.appends = true, .syncs = sync, .offset = tallies->journal_bytes};
	journal_name(tallies->generation, ret_file->name);
	return save(tallies,
		    tallies->lines_bytes ? strndup(tallies->lines, tallies->lines_bytes) : strdup(""),
		    ret_file);
}

int hak_tallies_save_snapshot(struct hak_tallies *tallies, const struct hak_tallies_file *files, size_t count,
			      struct hak_durable_file *ret_file)
{
	*ret_file = (struct hak_durable_file){.name = HAK_TALLIES_FILE};
	journal_name(tallies->generation, ret_file->removes);
	return save(tallies, hak_tallies_snapshot_format(tallies, tallies->generation + 1, files, count),
		    ret_file);
}

void hak_tallies_saved(struct hak_tallies *tallies, const struct hak_durable_file *file)
{
	if (file->result < 0) {
		tallies->wants_snapshot = true;
		return;
	}
	if (file->appends) {
		tallies->journal_bytes += tallies->saving_bytes;
		tallies->unsynced = !file->syncs;
		tallies->wants_snapshot |= tallies->journal_bytes > HAK_TALLIES_JOURNAL_BYTES;
	} else {
		tallies->generation++;
		tallies->journal_bytes = 0;
		tallies->unsynced = tallies->wants_snapshot = false;
	}
	tallies->lines_bytes -= tallies->saving_bytes;
	if (tallies->lines_bytes)
		memmove(tallies->lines, tallies->lines + tallies->saving_bytes, tallies->lines_bytes);
}
