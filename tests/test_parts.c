/* SPDX-License-Identifier: MIT */
/* Parts of telemetry files beyond the first: who opens them, and how children find slots in them. */
#include "telemetry.h"

#include "shm_fixture.h"
#include "suite.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIBRARY_VERSION = 0x000100 };

static struct hak_telemetry_file *file;
static struct hak_key file_key;
static struct hak_control_writer writer;

static void setup(void)
{
	shm_dir_make();
	ck_assert_int_eq(hak_telemetry_create(shm_dir, NULL, LIBRARY_VERSION, &file, &file_key), 0);
}

static void teardown(void)
{
	(void)munmap(file, HAK_TELEMETRY_BYTES_MAX);
	shm_dir_remove();
}

/* What the daemon says of a part; of part 0 also how many it reads. */
static void say_freed(unsigned part, uint32_t claims, uint8_t parts)
{
	struct hak_process_payload entry = {.key = hak_telemetry_part_key(&file_key, part),
					    .part = (uint8_t)part,
					    .parts = parts};

	for (unsigned i = 0; i < HAK_TELEMETRY_SLOTS; i++)
		entry.slots_freed[i] = claims;
	ck_assert_int_eq(hak_control_put_process(&writer, &entry), 0);
}

/* The place of a child's slot, counted through all parts; -EBUSY. */
static int claim(const struct hak_control_header *control)
{
	struct hak_telemetry_slot *slot;
	size_t offset;
	int r = hak_telemetry_claim(file, &file_key, control, 100, 99, &slot);

	if (r < 0)
		return r;
	ck_assert_uint_eq(slot->pid, 100);
	ck_assert_uint_eq(slot->state, HAK_SLOT_LIVE);
	offset = (size_t)((uint8_t *)slot - (uint8_t *)file);
	for (int i = 0; i < HAK_TELEMETRY_SLOTS_MAX; i++)
		if (hak_telemetry_slot_offset((unsigned)i) == offset)
			return i;
	ck_abort_msg("a slot where none is");
	return 0;
}

START_TEST(children_beyond_a_part_open_the_next_up_to_all)
{
	static struct hak_telemetry_file copy;

	for (int i = 1; i < HAK_TELEMETRY_SLOTS_MAX; i++) {
		ck_assert_int_eq(claim(NULL), i);
		ck_assert_uint_eq(file->parts_open, (uint32_t)i / HAK_TELEMETRY_SLOTS + 1);
	}
	ck_assert_uint_eq(file->forks_untracked, 0);
	ck_assert_int_eq(claim(NULL), -EBUSY);
	ck_assert_uint_eq(file->forks_untracked, 1);
	for (unsigned i = 0; i < HAK_TELEMETRY_PARTS; i++) { /* each is as the daemon wants one */
		memcpy(&copy, &file[i], sizeof(copy));
		ck_assert_int_eq(hak_telemetry_validate(&copy, sizeof(copy), NULL), 0);
		ck_assert_uint_eq(copy.library_version, LIBRARY_VERSION);
		ck_assert_uint_eq(copy.slot[6].claims, 1);
	}
}
END_TEST

START_TEST(slots_of_any_part_are_taken_again_before_another_is_opened)
{
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	say_freed(0, 0, HAK_TELEMETRY_PARTS);
	for (int i = 1; i < 4 * HAK_TELEMETRY_SLOTS; i++)
		ck_assert_int_eq(claim(writer.header), i);
	for (unsigned part = 1; part < 4; part++) {
		say_freed(part, 1, 0);
		for (int i = 0; i < HAK_TELEMETRY_SLOTS; i++)
			ck_assert_int_eq(claim(writer.header) / HAK_TELEMETRY_SLOTS, part);
	}
	ck_assert_uint_eq(file->parts_open, 4);
	ck_assert_int_eq(claim(writer.header), 4 * HAK_TELEMETRY_SLOTS);
	ck_assert_uint_eq(file->forks_untracked, 0);
	hak_control_writer_deinit(&writer);
}
END_TEST

/* Of a server whose children live long, seven of them end here and there. */
START_TEST(search_is_short_and_comes_round_to_every_part)
{
	const int parts = 16;
	unsigned opened;

	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	say_freed(0, 0, HAK_TELEMETRY_PARTS);
	for (int i = 1; i < parts * HAK_TELEMETRY_SLOTS; i++)
		ck_assert_int_eq(claim(writer.header), i);
	say_freed(9, 1, 0);
	for (int i = 0; i < 6 * HAK_TELEMETRY_SLOTS; i++)
		ck_assert_int_ge(claim(writer.header), 0);
	for (int i = 0; i < HAK_TELEMETRY_SLOTS; i++)
		ck_assert_uint_eq(file[9].slot[i].claims, 2);
	opened = file->parts_open - (unsigned)parts;
	ck_assert_uint_eq(opened, 5); /* seven were found, each other seven needed a part */
	hak_control_writer_deinit(&writer);
}
END_TEST

START_TEST(part_is_not_opened_that_no_daemon_reads)
{
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	say_freed(0, 0, 0); /* as daemons did that know no parts */
	for (int i = 1; i < HAK_TELEMETRY_SLOTS; i++)
		ck_assert_int_eq(claim(writer.header), i);
	ck_assert_int_eq(claim(writer.header), -EBUSY);
	ck_assert_uint_eq(file->parts_open, 1);
	say_freed(0, 0, 2); /* as one whose quota is at its end */
	for (int i = 0; i < HAK_TELEMETRY_SLOTS; i++)
		ck_assert_int_eq(claim(writer.header), HAK_TELEMETRY_SLOTS + i);
	ck_assert_int_eq(claim(writer.header), -EBUSY);
	say_freed(0, 0, HAK_TELEMETRY_PARTS);
	hak_control_set_state(&writer, HAK_SEGMENT_STOPPED);
	ck_assert_int_eq(claim(writer.header), -EBUSY);
	ck_assert_uint_eq(file->forks_untracked, 3);
	ck_assert_uint_eq(file->parts_open, 2);
	hak_control_writer_deinit(&writer);
}
END_TEST

/* They were opened before the daemon had seen the file, and could say how many it reads. */
START_TEST(part_is_not_searched_that_no_daemon_reads)
{
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	for (int i = 1; i < 3 * HAK_TELEMETRY_SLOTS + 1; i++)
		ck_assert_int_eq(claim(writer.header), i);
	ck_assert_uint_eq(file->parts_open, 4);
	say_freed(0, 0, 2);
	ck_assert_int_eq(claim(writer.header), -EBUSY);
	ck_assert_uint_eq(file->forks_untracked, 1);
	say_freed(1, 1, 0);
	ck_assert_int_eq(claim(writer.header) / HAK_TELEMETRY_SLOTS, 1);
	hak_control_writer_deinit(&writer);
}
END_TEST

/* Of a library before this one, of RLIMIT_FSIZE, or truncated by its owner. */
START_TEST(short_file_has_one_part_and_a_count_of_the_others)
{
	char path[128];
	struct dirent *entry;
	DIR *dir = opendir(shm_path(HAK_CLIENTS_DIR));

	ck_assert_ptr_nonnull(dir);
	do
		entry = readdir(dir);
	while (entry && entry->d_name[0] == '.');
	ck_assert_ptr_nonnull(entry);
	(void)snprintf(path, sizeof(path), HAK_CLIENTS_DIR "/%.32s", entry->d_name);
	(void)closedir(dir);
	ck_assert_int_eq(truncate(shm_path(path), sizeof(*file)), 0);
	for (int i = 1; i < HAK_TELEMETRY_SLOTS; i++)
		ck_assert_int_eq(claim(NULL), i);
	errno = 0;
	ck_assert_int_eq(claim(NULL), -EBUSY);
	ck_assert_int_eq(errno, 0);
	ck_assert_uint_eq(file->forks_untracked, 1);
	ck_assert_uint_eq(file->parts_open, 1);
}
END_TEST

START_TEST(full_file_system_leaves_children_untracked_not_dead)
{
	static struct hak_telemetry_file *crowded;
	struct hak_telemetry_slot *slot;
	struct hak_key key;
	unsigned claimed = 0;

	if (mount("tmpfs", shm_dir, "tmpfs", 0, "size=128k") < 0)
		return; /* not ours to do here */
	ck_assert_int_eq(mkdir(shm_path(HAK_CLIENTS_DIR), 0700), 0);
	ck_assert_int_eq(hak_telemetry_create(shm_dir, NULL, 1, &crowded, &key), 0);
	for (int i = 0; i < HAK_TELEMETRY_SLOTS_MAX; i++)
		claimed += hak_telemetry_claim(crowded, &key, NULL, 1, 1, &slot) == 0;
	ck_assert_uint_ge(claimed, HAK_TELEMETRY_SLOTS - 1);
	ck_assert_uint_lt(claimed, 9 * HAK_TELEMETRY_SLOTS);
	ck_assert_uint_eq(claimed + crowded->forks_untracked, HAK_TELEMETRY_SLOTS_MAX);
	(void)munmap(crowded, HAK_TELEMETRY_BYTES_MAX);
	ck_assert_int_eq(umount(shm_dir), 0);
}
END_TEST

START_TEST(part_s_key_leads_back_to_the_file_s)
{
	for (unsigned i = 0; i < HAK_TELEMETRY_PARTS; i++) {
		struct hak_key part = hak_telemetry_part_key(&file_key, i);
		struct hak_key back = hak_telemetry_file_key(&part, i);

		ck_assert_mem_eq(&back, &file_key, sizeof(back));
		ck_assert_int_eq(memcmp(&part, &file_key, sizeof(part)) == 0, i == 0);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("parts");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, children_beyond_a_part_open_the_next_up_to_all);
	tcase_add_test(tcase, slots_of_any_part_are_taken_again_before_another_is_opened);
	tcase_add_test(tcase, search_is_short_and_comes_round_to_every_part);
	tcase_add_test(tcase, part_is_not_opened_that_no_daemon_reads);
	tcase_add_test(tcase, part_is_not_searched_that_no_daemon_reads);
	tcase_add_test(tcase, short_file_has_one_part_and_a_count_of_the_others);
	tcase_add_test(tcase, full_file_system_leaves_children_untracked_not_dead);
	tcase_add_test(tcase, part_s_key_leads_back_to_the_file_s);
	return run_suite("parts", tcase);
}
