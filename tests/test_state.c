/* SPDX-License-Identifier: MIT */
/* What the daemon keeps on disk: state.json and the tallies, through kills, damage and full disks. */
#include "state.h"

#include "durable.h"
#include "file_replace.h"
#include "scratch.h"
#include "suite.h"
#include "tallies.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_A "00000000000000000000000000000a0a"
#define NAME_B "00000000000000000000000000000b0b"

static char directory[SCRATCH_CHARS];
static int directory_fd;

static void set_up(void)
{
	scratch_make(directory);
	directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(directory_fd, 0);
}

static void tear_down(void)
{
	close(directory_fd);
	scratch_remove(directory);
}

static void replace(const char *name, char *text)
{
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(hak_file_replace(directory_fd, name, text, strlen(text)), 0);
	free(text);
}

static void save(const struct hak_state *state)
{
	replace(HAK_STATE_FILE, hak_state_format(state));
}

static int write_file(struct hak_durable_file *file)
{
	ck_assert_int_eq(file->directory_fd, directory_fd);
	hak_durable_write(file);
	free(file->text);
	return file->result;
}

static void snapshot(struct hak_tallies *tallies, const struct hak_tallies_file *files, size_t count)
{
	struct hak_durable_file file;

	ck_assert_int_eq(hak_tallies_save_snapshot(tallies, files, count, &file), 1);
	ck_assert_int_eq(write_file(&file), 0);
	hak_tallies_saved(tallies, &file);
}

static void save_lines(struct hak_tallies *tallies)
{
	struct hak_durable_file file;

	ck_assert_int_eq(hak_tallies_save_lines(tallies, false, &file), 1);
	ck_assert_int_eq(write_file(&file), 0);
	hak_tallies_saved(tallies, &file);
}

START_TEST(state_that_was_saved_comes_back)
{
	struct hak_state state = {.has_runtime = true,
				  .runtime = HAK_MODE_LEARNING,
				  .panicked = true,
				  .panic_reason = "say \"no\"\n",
				  .changed_usec = UINT64_C(18446744073709551615)};
	struct hak_state loaded;

	save(&state);
	ck_assert_int_eq(hak_state_load(directory_fd, &loaded), 0);
	ck_assert(loaded.has_runtime && loaded.panicked);
	ck_assert_int_eq(loaded.runtime, HAK_MODE_LEARNING);
	ck_assert_str_eq(loaded.panic_reason, state.panic_reason);
	ck_assert_uint_eq(loaded.changed_usec, state.changed_usec);
}
END_TEST

START_TEST(state_that_is_absent_gives_defaults)
{
	struct hak_state loaded = {.panicked = true};

	ck_assert_int_eq(hak_state_load(directory_fd, &loaded), -ENOENT);
	ck_assert(!loaded.has_runtime && !loaded.panicked);
}
END_TEST

START_TEST(state_that_is_damaged_is_refused)
{
	static const char *const damaged[] = {
		"",
		"{",
		"null",
		"[]",
		"{\"schema\":1}",
		"{\"schema\":2,\"runtime_mode\":null,\"panicked\":false,\"changed_usec\":\"1\"}",
		"{\"schema\":1,\"runtime_mode\":\"turbo\",\"panicked\":false,\"changed_usec\":\"1\"}",
		"{\"schema\":1,\"runtime_mode\":7,\"panicked\":false,\"changed_usec\":\"1\"}",
		"{\"schema\":1,\"runtime_mode\":null,\"panicked\":0,\"changed_usec\":\"1\"}",
		"{\"schema\":1,\"runtime_mode\":null,\"panicked\":false,\"changed_usec\":1}",
		("{\"schema\":1,\"runtime_mode\":null,\"panicked\":false,"
		 "\"changed_usec\":\"99999999999999999999\"}"),
		"{\"schema\":1,\"runtime_mode\":null,\"panicked\":false,\"changed_usec\":\"1\"} trailing",
	};
	struct hak_state loaded;

	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		scratch_write(directory, HAK_STATE_FILE, damaged[i]);
		ck_assert_msg(hak_state_load(directory_fd, &loaded) == -EBADMSG, "accepted: %s", damaged[i]);
		ck_assert(!loaded.has_runtime && !loaded.panicked);
	}
}
END_TEST

/* A kill before the rename leaves a half-written file beside the whole one. */
START_TEST(state_with_a_torn_temporary_beside_it_is_the_old_one)
{
	struct hak_state state = {.has_runtime = true, .runtime = HAK_MODE_FAST}, loaded;

	save(&state);
	scratch_write(directory, HAK_STATE_FILE ".new", "{\"schema\":1,\"runtime_mode\":\"mini");
	ck_assert_int_eq(hak_state_load(directory_fd, &loaded), 0);
	ck_assert_int_eq(loaded.runtime, HAK_MODE_FAST);
	state.runtime = HAK_MODE_MINIMAL;
	save(&state);
	ck_assert_int_eq(hak_state_load(directory_fd, &loaded), 0);
	ck_assert_int_eq(loaded.runtime, HAK_MODE_MINIMAL);
}
END_TEST

START_TEST(state_file_that_is_a_fifo_or_link_is_not_read)
{
	struct hak_state loaded;

	ck_assert_int_eq(mkfifoat(directory_fd, HAK_STATE_FILE, 0600), 0);
	ck_assert_int_eq(hak_state_load(directory_fd, &loaded), -EINVAL);
	ck_assert_int_eq(unlinkat(directory_fd, HAK_STATE_FILE, 0), 0);
	ck_assert_int_eq(symlinkat("/etc/passwd", directory_fd, HAK_STATE_FILE), 0);
	ck_assert_int_eq(hak_state_load(directory_fd, &loaded), -ELOOP);
}
END_TEST

/* In memory alone. */
static void only_fold(struct hak_tallies *tallies, const char *name, uint32_t slot, uint32_t claims,
		      uint64_t allocations)
{
	struct hak_tallies_record record = {
		.slot = slot,
		.claims = claims,
		.counter = {[HAK_COUNTER_alloc_count] = allocations, [HAK_COUNTER_COUNT - 1] = 1},
		.faults = 3,
		.unit = "a b@1.service"};

	strcpy(record.name, name);
	ck_assert_int_eq(hak_tallies_fold(tallies, &record), 0);
}

static void fold(struct hak_tallies *tallies, const char *name, uint32_t slot, uint32_t claims,
		 uint64_t allocations)
{
	only_fold(tallies, name, slot, claims, allocations);
	save_lines(tallies);
}

/* What is on the disk, and nothing else. */
static void restart(struct hak_tallies *tallies)
{
	hak_tallies_deinit(tallies);
	ck_assert_int_eq(hak_tallies_init(tallies, directory_fd), 0);
}

/* The next line takes the place of what was torn. */
START_TEST(tallies_come_back_after_a_kill_at_any_byte_of_the_journal)
{
	static const char *const name[] = {NAME_A, NAME_A, NAME_B};
	static const uint32_t slot[] = {0, 3, 0};
	struct hak_tallies tallies;
	struct stat status;
	uint64_t size[3];

	ck_assert_int_eq(hak_tallies_init(&tallies, directory_fd), 0);
	for (unsigned i = 0; i < 3; i++) {
		fold(&tallies, name[i], slot[i], 1, 10);
		size[i] = tallies.journal_bytes;
	}
	hak_tallies_deinit(&tallies);
	for (uint64_t length = size[2]; length > 0; length--) {
		unsigned ended = (length >= size[0]) + (length >= size[1]) + (length >= size[2]);
		int fd = openat(directory_fd, "tallies.0.journal", O_RDWR);

		ck_assert_int_eq(ftruncate(fd, (off_t)length), 0);
		close(fd);
		ck_assert_int_eq(hak_tallies_init(&tallies, directory_fd), 0);
		ck_assert_uint_eq(tallies.ended, ended);
		ck_assert_uint_eq(tallies.counter[HAK_COUNTER_COUNT - 1], ended);
		ck_assert_uint_eq(tallies.units.count, ended > 0);
		if (ended) {
			ck_assert_str_eq(tallies.units.unit->name, "a b@1.service");
			ck_assert_uint_eq(tallies.units.unit->faults, 3 * ended);
		}
		if (ended < 3)
			fold(&tallies, name[ended], slot[ended], 1, 10);
		hak_tallies_deinit(&tallies);
		ck_assert_int_eq(fstatat(directory_fd, "tallies.0.journal", &status, 0), 0);
		ck_assert_uint_eq((uint64_t)status.st_size, size[ended < 3 ? ended : 2]);
	}
}
END_TEST

START_TEST(tallies_know_what_was_folded_of_files_that_are_still_there)
{
	struct hak_tallies tallies;
	struct hak_tallies_file kept = {.name = NAME_A, .folded = {1, 0, 0, 7}};
	size_t count;

	ck_assert_int_eq(hak_tallies_init(&tallies, directory_fd), 0);
	fold(&tallies, NAME_A, 3, 7, 5);
	fold(&tallies, NAME_B, 0, 1, 5);
	restart(&tallies);
	ck_assert_uint_eq(hak_tallies_find(&tallies, NAME_A, &count)->folded[3], 7);
	ck_assert_uint_eq(hak_tallies_find(&tallies, NAME_B, &count)->folded[0], 1);
	snapshot(&tallies, &kept, 1);
	fold(&tallies, NAME_A, 4, 2, 5);
	restart(&tallies);
	ck_assert_uint_eq(tallies.ended, 3);
	ck_assert_uint_eq(tallies.counter[HAK_COUNTER_alloc_count], 15);
	/* Two of the snapshot and one of the journal. */
	ck_assert_uint_eq(tallies.units.count, 1);
	ck_assert_uint_eq(tallies.units.unit->ended, 3);
	ck_assert_uint_eq(tallies.units.unit->allocations, 15);
	ck_assert_uint_eq(tallies.units.unit->faults, 9);
	ck_assert_uint_eq(hak_tallies_find(&tallies, NAME_A, &count)->folded[3], 7);
	ck_assert_uint_eq(hak_tallies_find(&tallies, NAME_A, &count)->folded[4], 2);
	ck_assert_ptr_null(hak_tallies_find(&tallies, NAME_B, &count));
	hak_tallies_deinit(&tallies);
}
END_TEST

START_TEST(tallies_know_the_parts_of_a_file_by_its_name)
{
	const unsigned part[] = {0, 1, 5, HAK_TELEMETRY_PARTS - 1};
	char name[HAK_TELEMETRY_NAME_CHARS + 1];
	const struct hak_tallies_file *file;
	struct hak_tallies tallies;
	unsigned seen = 0;
	size_t count;

	ck_assert_int_eq(hak_tallies_init(&tallies, directory_fd), 0);
	fold(&tallies, NAME_B, 0, 9, 5);
	for (unsigned i = 0; i < 4; i++) {
		hak_tallies_part_name(NAME_A, part[i], name);
		fold(&tallies, name, 2, 1 + part[i], 5);
	}
	restart(&tallies);
	file = hak_tallies_find(&tallies, NAME_A, &count);
	ck_assert_uint_eq(count, 4);
	for (size_t i = 0; i < count; i++) {
		ck_assert_uint_eq(file[i].folded[2], 1 + hak_tallies_part_of(&file[i], NAME_A));
		seen += hak_tallies_part_of(&file[i], NAME_A);
	}
	ck_assert_uint_eq(seen, 1 + 5 + HAK_TELEMETRY_PARTS - 1);
	file = hak_tallies_find(&tallies, NAME_B, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(file->folded[0], 9);
	ck_assert_ptr_null(hak_tallies_find(&tallies, "0" NAME_B, &count));
	hak_tallies_deinit(&tallies);
}
END_TEST

/* Killed after the snapshot but before the old journal went; before that the machine had died between a
 * snapshot and its journal, which is all that was left of both. */
START_TEST(tallies_count_once_when_a_snapshot_is_interrupted)
{
	struct hak_tallies tallies;

	ck_assert_int_eq(hak_tallies_init(&tallies, directory_fd), 0);
	fold(&tallies, NAME_A, 0, 1, 10);
	hak_tallies_deinit(&tallies);
	ck_assert_int_eq(linkat(directory_fd, "tallies.0.journal", directory_fd, "tallies.1.journal", 0), 0);
	ck_assert_int_eq(hak_tallies_init(&tallies, directory_fd), 0);
	ck_assert_uint_eq(tallies.ended, 1);
	ck_assert_int_eq(linkat(directory_fd, "tallies.0.journal", directory_fd, "kept", 0), 0);
	snapshot(&tallies, NULL, 0);
	ck_assert_int_lt(faccessat(directory_fd, "tallies.0.journal", F_OK, 0), 0);
	hak_tallies_deinit(&tallies);
	ck_assert_int_eq(linkat(directory_fd, "kept", directory_fd, "tallies.0.journal", 0), 0);
	ck_assert_int_eq(hak_tallies_init(&tallies, directory_fd), 0);
	ck_assert_uint_eq(tallies.ended, 1);
	ck_assert_uint_eq(tallies.counter[HAK_COUNTER_alloc_count], 10);
	hak_tallies_deinit(&tallies);
}
END_TEST

/* Processes end while lines or a snapshot are written, which then stand or not, before the daemon knows it or
 * after. What it was told of, and what came before the next lines, is there; all of it once. */
START_TEST(tallies_that_come_while_others_are_written_count_once)
{
	for (unsigned end = 0; end < 8; end++) {
		bool stands = end & 1, is_told = end & 2, is_snapshot = end & 4;
		struct hak_durable_file file;
		struct hak_tallies tallies;
		uint64_t before;

		ck_assert_int_eq(hak_tallies_init(&tallies, directory_fd), 0);
		before = tallies.ended;
		only_fold(&tallies, NAME_A, 0, 1, 10);
		ck_assert_int_eq(is_snapshot ? hak_tallies_save_snapshot(&tallies, NULL, 0, &file)
					     : hak_tallies_save_lines(&tallies, false, &file),
				 1);
		only_fold(&tallies, NAME_A, 1, 1, 10);
		if (stands)
			ck_assert_int_eq(write_file(&file), 0);
		else
			free(file.text);
		if (is_told) {
			file.result = stands ? 0 : -ENOSPC;
			hak_tallies_saved(&tallies, &file);
			ck_assert(tallies.wants_snapshot == !stands);
			save_lines(&tallies);
		}
		hak_tallies_deinit(&tallies);
		ck_assert_int_eq(hak_tallies_init(&tallies, directory_fd), 0);
		ck_assert_uint_eq(tallies.ended, before + (is_told ? 2 : stands));
		ck_assert_uint_eq(tallies.counter[HAK_COUNTER_alloc_count], 10 * tallies.ended);
		hak_tallies_deinit(&tallies);
	}
}
END_TEST

/* Another fsync may succeed though what the first one was for is lost. */
START_TEST(tallies_whose_journal_fails_are_written_anew)
{
	struct hak_durable_file file;
	struct hak_tallies tallies;

	ck_assert_int_eq(hak_tallies_init(&tallies, directory_fd), 0);
	fold(&tallies, NAME_A, 0, 1, 10);
	ck_assert_int_eq(hak_tallies_save_lines(&tallies, true, &file), 1); /* what is not synced yet */
	free(file.text);
	file.result = -EIO;
	hak_tallies_saved(&tallies, &file);
	ck_assert(tallies.wants_snapshot);
	snapshot(&tallies, NULL, 0);
	ck_assert(!tallies.wants_snapshot);
	ck_assert_int_eq(hak_tallies_save_lines(&tallies, true, &file), 0);
	ck_assert_int_lt(faccessat(directory_fd, "tallies.0.journal", F_OK, 0), 0);
	fold(&tallies, NAME_A, 1, 1, 10);
	restart(&tallies);
	ck_assert_uint_eq(tallies.ended, 2);
	hak_tallies_deinit(&tallies);
}
END_TEST

START_TEST(tallies_that_are_damaged_are_kept_aside)
{
	struct hak_tallies tallies;

	scratch_write(directory, "tallies.json", "{\"schema\":1,\"gener");
	scratch_write(directory, "tallies.0.journal", "00000000 nothing\n");
	ck_assert_int_eq(hak_tallies_init(&tallies, directory_fd), 1);
	ck_assert_uint_eq(tallies.ended, 0);
	ck_assert_int_eq(faccessat(directory_fd, "tallies.json.bad", F_OK, 0), 0);
	only_fold(&tallies, NAME_A, 0, 1, 1);
	ck_assert(tallies.wants_snapshot); /* lines have nothing to follow */
	snapshot(&tallies, NULL, 0);
	restart(&tallies);
	ck_assert_uint_eq(tallies.ended, 1);
	hak_tallies_deinit(&tallies);
}
END_TEST

START_TEST(unit_that_was_unused_longest_makes_room)
{
	struct hak_tallies_units units = {.unit = NULL};
	struct hak_tallies_unit unit = {.ended = 1, .allocations = 2, .purges = 3, .faults = 4};

	for (int round = 0; round < 2; round++)
		for (unsigned i = 0; i < HAK_TALLIES_UNITS_MAX; i++) {
			snprintf(unit.name, sizeof(unit.name), "%u.service", i);
			hak_tallies_units_add(&units, &unit);
		}
	ck_assert_uint_eq(units.count, HAK_TALLIES_UNITS_MAX);
	strcpy(unit.name, "0.service"); /* the oldest is used once more, so 1.service has to go */
	hak_tallies_units_add(&units, &unit);
	strcpy(unit.name, "new.service");
	hak_tallies_units_add(&units, &unit);
	ck_assert_uint_eq(units.count, HAK_TALLIES_UNITS_MAX);
	ck_assert_str_eq(units.unit[0].name, "0.service");
	ck_assert_uint_eq(units.unit[0].ended, 3);
	ck_assert_uint_eq(units.unit[0].purges, 9);
	ck_assert_str_eq(units.unit[1].name, "new.service");
	ck_assert_uint_eq(units.unit[1].ended, 1);
	hak_tallies_units_deinit(&units);
}
END_TEST

START_TEST(line_with_any_changed_byte_is_refused)
{
	struct hak_tallies_record record = {.name = NAME_A, .slot = 6, .claims = 4000000000u}, back;
	char line[HAK_TALLIES_LINE_BYTES];
	size_t length;

	for (size_t i = 0; i < HAK_COUNTER_COUNT; i++)
		record.counter[i] = UINT64_MAX - i;
	record.faults = UINT64_MAX;
	memset(record.unit, 'u', sizeof(record.unit) - 1);
	length = hak_tallies_line_format(&record, line);
	ck_assert_uint_lt(length, sizeof(line));
	line[length - 1] = '\0';
	ck_assert_int_eq(hak_tallies_line_parse(line, &back), 0);
	ck_assert_mem_eq(&back, &record, sizeof(back));
	for (size_t i = 0; i + 1 < length; i++) {
		line[i] ^= 1;
		ck_assert_int_eq(hak_tallies_line_parse(line, &back), -EBADMSG);
		line[i] ^= 1;
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("state");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, state_that_was_saved_comes_back);
	tcase_add_test(tcase, state_that_is_absent_gives_defaults);
	tcase_add_test(tcase, state_that_is_damaged_is_refused);
	tcase_add_test(tcase, state_with_a_torn_temporary_beside_it_is_the_old_one);
	tcase_add_test(tcase, state_file_that_is_a_fifo_or_link_is_not_read);
	tcase_add_test(tcase, tallies_come_back_after_a_kill_at_any_byte_of_the_journal);
	tcase_add_test(tcase, tallies_know_what_was_folded_of_files_that_are_still_there);
	tcase_add_test(tcase, tallies_know_the_parts_of_a_file_by_its_name);
	tcase_add_test(tcase, tallies_count_once_when_a_snapshot_is_interrupted);
	tcase_add_test(tcase, tallies_that_come_while_others_are_written_count_once);
	tcase_add_test(tcase, tallies_whose_journal_fails_are_written_anew);
	tcase_add_test(tcase, tallies_that_are_damaged_are_kept_aside);
	tcase_add_test(tcase, unit_that_was_unused_longest_makes_room);
	tcase_add_test(tcase, line_with_any_changed_byte_is_refused);
	return run_suite("state", tcase);
}
