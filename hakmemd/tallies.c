/* SPDX-License-Identifier: MIT */
/* See tallies.h. The texts are in tallies_file.c. */
#include "tallies.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file_replace.h"
#include "tallies_file.h"

#define SNAPSHOT_BAD HAK_TALLIES_FILE ".bad"

static void journal_name(uint64_t generation, char ret_name[64])
{
	snprintf(ret_name, 64, "tallies.%" PRIu64 ".journal", generation);
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
	char name[64], *text;
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

static int open_journal(struct hak_tallies *tallies, uint64_t generation, uint64_t keep_bytes)
{
	char name[64];
	int fd;

	journal_name(generation, name);
	fd = openat(tallies->directory_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)keep_bytes) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static int load_snapshot(struct hak_tallies *tallies)
{
	size_t length;
	char *text;
	int r;

	r = hak_file_read(tallies->directory_fd, HAK_TALLIES_FILE, &text, &length);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	r = hak_tallies_snapshot_parse(text, tallies);
	free(text);
	return r;
}

static int begin_anew(struct hak_tallies *tallies)
{
	char *text;
	int r = hak_tallies_begin_snapshot(tallies, NULL, 0, &text);

	if (r < 0)
		return r;
	r = hak_file_replace(tallies->directory_fd, HAK_TALLIES_FILE, text, strlen(text));
	free(text);
	hak_tallies_end_snapshot(tallies, r);
	return r;
}

int hak_tallies_init(struct hak_tallies *tallies, int directory_fd)
{
	bool damaged = false;
	int r;

	*tallies = (struct hak_tallies){.directory_fd = directory_fd, .journal_fd = -1, .next_fd = -1};
	r = load_snapshot(tallies);
	if (r == -EBADMSG) {
		/* A fresh generation, so that a journal of the damaged one is not added to nothing. */
		free(tallies->files);
		hak_tallies_units_deinit(&tallies->units);
		*tallies = (struct hak_tallies){.directory_fd = directory_fd,
						.journal_fd = -1,
						.next_fd = -1,
						.generation = UINT64_C(1) << 32 | (uint32_t)getpid()};
		if (renameat(directory_fd, HAK_TALLIES_FILE, directory_fd, SNAPSHOT_BAD) < 0)
			return -errno;
		damaged = true;
		r = 0;
	}
	if (r == 0)
		r = load_journal(tallies);
	if (r == 0) {
		tallies->journal_fd = open_journal(tallies, tallies->generation, tallies->journal_bytes);
		r = tallies->journal_fd < 0 ? tallies->journal_fd : 0;
	}
	if (r == 0 && damaged)
		r = begin_anew(tallies);
	if (r < 0) {
		hak_tallies_deinit(tallies);
		return r;
	}
	if (tallies->file_count)
		qsort(tallies->files, tallies->file_count, sizeof(*tallies->files), compare_files);
	return damaged;
}

void hak_tallies_deinit(struct hak_tallies *tallies)
{
	if (tallies->journal_fd >= 0)
		close(tallies->journal_fd);
	if (tallies->next_fd >= 0)
		close(tallies->next_fd);
	tallies->journal_fd = tallies->next_fd = -1;
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

/* All of @line, or nothing: half a line would end the replay there and lose those after it. */
static int append(int fd, uint64_t bytes, const char *line, size_t length)
{
	ssize_t written = write(fd, line, length);
	int r = written == (ssize_t)length ? 0 : written < 0 ? -errno : -ENOSPC;

	if (r < 0 && ftruncate(fd, (off_t)bytes) < 0)
		return -errno;
	return r;
}

int hak_tallies_fold(struct hak_tallies *tallies, const struct hak_tallies_record *record)
{
	char line[HAK_TALLIES_LINE_BYTES];
	size_t length = hak_tallies_line_format(record, line);
	int r = tallies->next_fd < 0 ? 0 : append(tallies->next_fd, tallies->next_bytes, line, length);

	if (r < 0)
		return r;
	r = append(tallies->journal_fd, tallies->journal_bytes, line, length);
	if (r < 0) {
		if (tallies->next_fd >= 0 && ftruncate(tallies->next_fd, (off_t)tallies->next_bytes) < 0)
			return -errno;
		return r;
	}
	tallies->journal_bytes += length;
	tallies->next_bytes += length;
	tallies->unsynced = true;
	add(tallies, record);
	return 0;
}

int hak_tallies_unsynced(struct hak_tallies *tallies, int *ret_fd)
{
	*ret_fd = -1;
	if (!tallies->unsynced)
		return 0;
	*ret_fd = fcntl(tallies->journal_fd, F_DUPFD_CLOEXEC, 0);
	if (*ret_fd < 0)
		return -errno;
	tallies->unsynced = false;
	return 0;
}

int hak_tallies_begin_snapshot(struct hak_tallies *tallies, const struct hak_tallies_file *files,
			       size_t count, char **ret_text)
{
	char *text = hak_tallies_snapshot_format(tallies, tallies->generation + 1, files, count);
	int fd = text ? open_journal(tallies, tallies->generation + 1, 0) : -ENOMEM;

	if (fd < 0) {
		free(text);
		return fd;
	}
	tallies->next_fd = fd;
	tallies->next_bytes = 0;
	*ret_text = text;
	return 0;
}

void hak_tallies_end_snapshot(struct hak_tallies *tallies, int result)
{
	char name[64]; /* of the journal that nothing reads any more */

	if (result < 0) {
		journal_name(tallies->generation + 1, name);
		close(tallies->next_fd);
	} else {
		journal_name(tallies->generation++, name);
		close(tallies->journal_fd);
		tallies->journal_fd = tallies->next_fd;
		tallies->journal_bytes = tallies->next_bytes;
	}
	tallies->next_fd = -1;
	(void)unlinkat(tallies->directory_fd, name, 0); /* one that stays is emptied when its number comes */
}
