/* SPDX-License-Identifier: MIT */
/* The control segment with one process: publish, find, drop; and what map and init refuse. */
#include "control.h"

#include "crc32c.h"
#include "shm_fixture.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STRANGER_UID = 54321, OTHER_UID = 54322 };

static void setup(void)
{
	shm_dir_make();
}

static void teardown(void)
{
	shm_dir_remove();
}

static void segment_make(void)
{
	struct hak_control_writer writer;

	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	hak_control_writer_deinit(&writer);
}

/* Tries to map: returns the error, leaves nothing mapped, and checks errno and the output. */
static int map_error(void)
{
	const struct hak_control_header *const untouched = (const void *)&map_error;
	const struct hak_control_header *header = untouched;
	int r;

	errno = ENOTTY;
	r = hak_control_map(shm_dir, &header);
	ck_assert_int_eq(errno, ENOTTY);
	if (r == 0)
		hak_control_unmap(header);
	else
		ck_assert_ptr_eq(header, untouched);
	return r;
}

static void segment_poke(off_t offset, const void *bytes, size_t length)
{
	int fd = open(shm_path(HAK_CONTROL_FILE), O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, length, offset), (ssize_t)length);
	(void)close(fd);
}

START_TEST(new_segment_is_default_empty_and_0644_under_any_umask)
{
	const struct hak_control_header *header;
	struct hak_control_writer writer;
	struct hak_process_payload payload;
	struct stat st;
	mode_t mask = umask(0077);

	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	(void)umask(mask);
	ck_assert_int_eq(stat(shm_path(HAK_CONTROL_FILE), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	ck_assert_uint_eq(st.st_size, HAK_CONTROL_BYTES);
	ck_assert_int_ge(st.st_blocks, (blkcnt_t)(HAK_CONTROL_BYTES / 512));
	ck_assert_int_eq(hak_control_map(shm_dir, &header), 0);
	ck_assert_uint_eq(header->state, HAK_SEGMENT_DEFAULT);
	ck_assert_uint_eq(header->serial, 0);
	ck_assert_uint_eq(header->policy_word, 0);
	ck_assert_uint_ne(header->segment_id, 0);
	ck_assert_int_eq(hak_control_read_process(header, 0, &payload), -ENOENT);
	ck_assert_int_eq(hak_control_read_process(header, HAK_CONTROL_PROCESSES, &payload), -ERANGE);
	hak_control_unmap(header);
	hak_control_writer_deinit(&writer);
}
END_TEST

START_TEST(second_writer_is_busy_and_a_later_one_keeps_inode_and_id)
{
	struct hak_control_writer first, second;
	struct stat before, after;
	uint64_t id;

	ck_assert_int_eq(hak_control_writer_init(&first, shm_dir), 0);
	ck_assert_int_eq(hak_control_writer_init(&second, shm_dir), -EBUSY);
	ck_assert_int_eq(fstat(first.fd, &before), 0);
	id = first.header->segment_id;
	ck_assert_uint_eq(hak_control_publish_policy(&first, 99), 1);
	hak_control_writer_deinit(&first);
	ck_assert_int_eq(hak_control_writer_init(&second, shm_dir), 0);
	ck_assert_int_eq(fstat(second.fd, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_uint_eq(second.header->segment_id, id);
	ck_assert_uint_eq(second.header->serial, 1);
	ck_assert_uint_eq(second.header->policy_word, 99);
	hak_control_writer_deinit(&second);
}
END_TEST

START_TEST(put_find_replace_and_drop_work_on_both_tables)
{
	struct hak_key key = shm_key(1), other = shm_key(2), zero = {{0, 0}};
	struct hak_process_payload process = shm_process(&key, 5), found;
	struct hak_context_payload context = {.key = key, .policy_word = 6, .games = 7}, found_context;
	struct hak_control_writer writer;

	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	ck_assert_int_eq(hak_control_find_process(writer.header, &key, &found), -ENOENT);
	ck_assert_int_eq(hak_control_put_process(&writer, &process), 0);
	ck_assert_int_eq(hak_control_find_context(writer.header, &key, &found_context), -ENOENT);
	ck_assert_int_eq(hak_control_put_context(&writer, &context), 0);
	ck_assert_uint_eq(hak_control_bump(&writer), 1);
	ck_assert_int_eq(hak_control_find_process(writer.header, &key, &found), 0);
	ck_assert(shm_process_is(&found, &key, 5));
	ck_assert_int_eq(hak_control_find_context(writer.header, &key, &found_context), 0);
	ck_assert_uint_eq(found_context.games, 7);
	ck_assert_int_eq(hak_control_find_process(writer.header, &other, &found), -ENOENT);
	ck_assert_int_eq(hak_control_find_process(writer.header, &zero, &found), -ENOENT);
	process = shm_process(&key, 8);
	ck_assert_int_eq(hak_control_put_process(&writer, &process), 0);
	ck_assert_int_eq(hak_control_find_process(writer.header, &key, &found), 0);
	ck_assert(shm_process_is(&found, &key, 8));
	ck_assert_int_eq(hak_control_drop_process(&writer, &key), 0);
	ck_assert_int_eq(hak_control_drop_process(&writer, &key), -ENOENT);
	ck_assert_int_eq(hak_control_find_process(writer.header, &key, &found), -ENOENT);
	ck_assert_int_eq(hak_control_find_context(writer.header, &key, &found_context), 0);
	ck_assert_int_eq(hak_control_drop_context(&writer, &key), 0);
	process = shm_process(&zero, 1);
	ck_assert_int_eq(hak_control_put_process(&writer, &process), -EINVAL);
	hak_control_writer_deinit(&writer);
}
END_TEST

START_TEST(ten_thousand_processes_fit_and_are_all_found)
{
	struct hak_control_writer writer;
	struct hak_process_payload found;
	unsigned walked = 0;

	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	for (unsigned i = 1; i <= 10000; i++) {
		struct hak_key key = shm_key(i);
		struct hak_process_payload payload = shm_process(&key, i);

		ck_assert_int_eq(hak_control_put_process(&writer, &payload), 0);
	}
	for (unsigned i = 1; i <= 10000; i++) {
		struct hak_key key = shm_key(i);

		ck_assert_int_eq(hak_control_find_process(writer.header, &key, &found), 0);
		ck_assert(shm_process_is(&found, &key, i));
	}
	for (uint32_t i = 0; i < HAK_CONTROL_PROCESSES; i++)
		walked += hak_control_read_process(writer.header, i, &found) == 0;
	ck_assert_uint_eq(walked, 10000);
	hak_control_writer_deinit(&writer);
}
END_TEST

START_TEST(key_of_two_full_buckets_gets_enospc_until_one_is_dropped)
{
	struct hak_control_writer writer;
	struct hak_process_payload payload, found;
	struct hak_key key;

	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	for (uint64_t i = 0; i <= 2 * HAK_BUCKET_ENTRIES; i++) {
		key = (struct hak_key){{(i + 1) << 32 | 3, i << 32 | 9}}; /* all in buckets 3 and 9 */
		payload = shm_process(&key, i);
		ck_assert_int_eq(hak_control_put_process(&writer, &payload), i < 16 ? 0 : -ENOSPC);
	}
	key = (struct hak_key){{UINT64_C(5) << 32 | 3, UINT64_C(4) << 32 | 9}};
	ck_assert_int_eq(hak_control_find_process(writer.header, &key, &found), 0);
	ck_assert_int_eq(hak_control_drop_process(&writer, &key), 0);
	ck_assert_int_eq(hak_control_put_process(&writer, &payload), 0);
	ck_assert_int_eq(hak_control_find_process(writer.header, &payload.key, &found), 0);
	hak_control_writer_deinit(&writer);
}
END_TEST

START_TEST(damaged_entry_is_not_returned_and_is_emptied_by_the_next_writer)
{
	struct hak_key key = shm_key(1), good = shm_key(2);
	struct hak_process_payload payload = shm_process(&key, 3), found;
	struct hak_control_writer writer;
	uint8_t *bytes;

	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	ck_assert_int_eq(hak_control_put_process(&writer, &payload), 0);
	payload = shm_process(&good, 4);
	ck_assert_int_eq(hak_control_put_process(&writer, &payload), 0);
	ck_assert_uint_eq(hak_control_bump(&writer), 1);
	bytes = (uint8_t *)writer.header;
	for (size_t i = writer.header->processes_offset_bytes; i + sizeof(key) <= HAK_CONTROL_BYTES; i += 8)
		if (memcmp(bytes + i, &key, sizeof(key)) == 0)
			bytes[i + offsetof(struct hak_process_payload, purge_request)] ^= 1;
	ck_assert_int_eq(hak_control_find_process(writer.header, &key, &found), -EAGAIN);
	hak_control_writer_deinit(&writer);
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	ck_assert_int_eq(hak_control_find_process(writer.header, &key, &found), -ENOENT);
	ck_assert_int_eq(hak_control_find_process(writer.header, &good, &found), 0);
	ck_assert_uint_eq(writer.header->serial, 2);
	hak_control_writer_deinit(&writer);
}
END_TEST

START_TEST(geometry_damaged_after_map_is_not_followed)
{
	struct hak_key key = shm_key(1);
	struct hak_process_payload found;
	struct hak_control_writer writer;
	const struct hak_control_header *header;

	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	ck_assert_int_eq(hak_control_map(shm_dir, &header), 0);
	writer.header->processes_offset_bytes = 0xffffff00;
	ck_assert_int_eq(hak_control_find_process(header, &key, &found), -EAGAIN);
	writer.header->processes_offset_bytes = 4096 + 16384 * 256;
	ck_assert_int_eq(hak_control_find_process(header, &key, &found), -ENOENT);
	hak_control_unmap(header);
	hak_control_writer_deinit(&writer);
}
END_TEST

/* ---- refusals --------------------------------------------------------------------------------------- */

START_TEST(absent_segment_is_enoent)
{
	ck_assert_int_eq(map_error(), -ENOENT);
	ck_assert_int_eq(hak_control_map("relative-directory-that-is-not-there", NULL), -ENOENT);
}
END_TEST

static const off_t short_sizes[] = {0, 1, 4095, 4096, 4097, HAK_CONTROL_BYTES - 1, HAK_CONTROL_BYTES + 1};

START_TEST(segment_of_another_size_is_eproto)
{
	struct hak_control_writer writer;

	segment_make();
	ck_assert_int_eq(truncate(shm_path(HAK_CONTROL_FILE), short_sizes[_i]), 0);
	ck_assert_int_eq(map_error(), -EPROTO);
	if (short_sizes[_i] != 0) /* an empty file is one that nobody has made yet */
		ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), -EPROTO);
}
END_TEST

/* Offset, bytes to put there. Each alone must make the file unusable. */
static const struct {
	off_t offset;
	size_t length;
	uint8_t bytes[8];
} pokes[] = {
	{0, 8, {0xff, 'H', 'A', 'K', 'T', 'R', 'L', '2'}}, /* another major */
	{0, 8, {0xff, 'H', 'A', 'K', 'L', 'E', 'M', '1'}}, /* telemetry */
	{0, 1, {0xfe}},
	{10, 2, {0x00, 0x20}},                             /* header_bytes */
	{12, 4, {3, 0, 0, 0}},                             /* state */
	{64, 8, {0, 0, 1}},                                /* total_bytes, and so the CRC */
	{72, 4, {1}},
	{76, 4, {0}},
	{84, 4, {0xff, 0xff, 0xff, 0xff}},
	{88, 4, {1, 2, 3, 4}},
	{100, 1, {1}},                                     /* reserved, but under the CRC */
};

START_TEST(segment_with_one_wrong_field_is_eproto_for_readers_and_writers)
{
	struct hak_control_writer writer;

	segment_make();
	ck_assert_int_eq(map_error(), 0);
	segment_poke(pokes[_i].offset, pokes[_i].bytes, pokes[_i].length);
	ck_assert_int_eq(map_error(), -EPROTO);
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), -EPROTO);
}
END_TEST

/* Geometries with a right CRC that cannot be: contexts offset and count, processes offset and count. */
static const uint32_t bad_geometry[][4] = {
	{0, 16384, 4198400, 16384},       {4096, 16384, 4096, 16384},     {4096, 16384, 4198144, 16384},
	{4096, 16383, 4198400, 16384},    {4096, 8, 4198400, 16384},      {4097, 16384, 4198400, 16384},
	{4096, 16384, 4198400, 32768},    {4096, 0, 4198400, 16384},      {4096, 1u << 31, 4198400, 16384},
	{4096, 16384, 0xffffff00, 16384}, {4198400, 16384, 4096, 32768},
};

START_TEST(segment_with_impossible_geometry_and_right_crc_is_eproto)
{
	struct hak_control_header header;
	int fd;

	segment_make();
	fd = open(shm_path(HAK_CONTROL_FILE), O_RDONLY);
	ck_assert_int_eq(read(fd, &header, sizeof(header)), sizeof(header));
	(void)close(fd);
	memcpy(&header.contexts_offset_bytes, bad_geometry[_i], sizeof(bad_geometry[_i]));
	header.geometry_crc = 0;
	header.geometry_crc = hak_crc32c(&header.total_bytes, 64);
	segment_poke(0, &header, sizeof(header));
	ck_assert_int_eq(map_error(), -EPROTO);
}
END_TEST

START_TEST(zeroed_file_is_eproto_until_a_writer_finishes_it)
{
	int fd = open(shm_path(HAK_CONTROL_FILE), O_RDWR | O_CREAT | O_EXCL, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, HAK_CONTROL_BYTES), 0);
	(void)close(fd);
	ck_assert_int_eq(map_error(), -EPROTO);
	segment_make();
	ck_assert_int_eq(map_error(), 0);
}
END_TEST

START_TEST(zero_magic_before_foreign_content_is_left_alone)
{
	struct hak_control_writer writer;
	uint8_t byte = 7;
	int fd = open(shm_path(HAK_CONTROL_FILE), O_RDWR | O_CREAT | O_EXCL, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, HAK_CONTROL_BYTES), 0);
	(void)close(fd);
	segment_poke(HAK_CONTROL_BYTES - 1, &byte, 1);
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), -EPROTO);
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), -EPROTO);
}
END_TEST

START_TEST(random_file_is_eproto)
{
	struct hak_control_writer writer;
	uint64_t state = 1, words[512];
	int fd;

	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < 512; i++)
			words[i] = next_random(&state);
		if (round % 2) /* deeper into the checks */
			words[0] = HAK_CONTROL_MAGIC;
		fd = open(shm_path(HAK_CONTROL_FILE), O_RDWR | O_CREAT | O_TRUNC, 0644);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(write(fd, words, sizeof(words)), sizeof(words));
		ck_assert_int_eq(ftruncate(fd, HAK_CONTROL_BYTES), 0);
		(void)close(fd);
		ck_assert_int_eq(map_error(), -EPROTO);
		ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), -EPROTO);
	}
}
END_TEST

START_TEST(segment_writable_by_group_or_others_is_eperm)
{
	struct hak_control_writer writer;

	segment_make();
	ck_assert_int_eq(chmod(shm_path(HAK_CONTROL_FILE), _i ? 0664 : 0646), 0);
	ck_assert_int_eq(map_error(), -EPERM);
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), -EPERM);
}
END_TEST

START_TEST(symbolic_link_is_eloop_and_other_kinds_of_file_are_eperm_without_waiting)
{
	struct hak_control_writer writer;

	segment_make();
	ck_assert_int_eq(unlink(shm_path(HAK_CONTROL_FILE)), 0);
	ck_assert_int_eq(symlink("/etc/hostname", shm_path(HAK_CONTROL_FILE)), 0);
	ck_assert_int_eq(map_error(), -ELOOP);
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), -ELOOP);
	ck_assert_int_eq(unlink(shm_path(HAK_CONTROL_FILE)), 0);
	ck_assert_int_eq(mkfifo(shm_path(HAK_CONTROL_FILE), 0644), 0);
	ck_assert_int_eq(map_error(), -EPERM);
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), -EPERM);
	ck_assert_int_eq(unlink(shm_path(HAK_CONTROL_FILE)), 0);
	ck_assert_int_eq(mkdir(shm_path(HAK_CONTROL_FILE), 0755), 0);
	ck_assert_int_eq(map_error(), -EPERM);
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), -EISDIR);
	ck_assert_int_eq(rmdir(shm_path(HAK_CONTROL_FILE)), 0);
}
END_TEST

/* The owner of the file, of the directory, and what map says (the caller is root here). */
static const struct {
	uid_t file, dir;
	int expected;
} owners[] = {
	{0, 0, 0},
	{0, STRANGER_UID, 0},
	{STRANGER_UID, STRANGER_UID, 0},
	{STRANGER_UID, 0, -EPERM},
	{STRANGER_UID, OTHER_UID, -EPERM},
};

START_TEST(segment_of_a_strange_owner_is_eperm)
{
	struct hak_control_writer writer;
	int r;

	if (geteuid() != 0)
		return; /* only root can give a file away */
	segment_make();
	ck_assert_int_eq(chown(shm_path(HAK_CONTROL_FILE), owners[_i].file, 0), 0);
	ck_assert_int_eq(chown(shm_dir, owners[_i].dir, 0), 0);
	ck_assert_int_eq(map_error(), owners[_i].expected);
	r = hak_control_writer_init(&writer, shm_dir);
	ck_assert_int_eq(r, owners[_i].expected);
	if (r == 0)
		hak_control_writer_deinit(&writer);
}
END_TEST

static void add_refusals(TCase *tcase)
{
	tcase_add_test(tcase, absent_segment_is_enoent);
	tcase_add_loop_test(tcase, segment_of_another_size_is_eproto, 0,
			    sizeof(short_sizes) / sizeof(short_sizes[0]));
	tcase_add_loop_test(tcase, segment_with_one_wrong_field_is_eproto_for_readers_and_writers, 0,
			    sizeof(pokes) / sizeof(pokes[0]));
	tcase_add_loop_test(tcase, segment_with_impossible_geometry_and_right_crc_is_eproto, 0,
			    sizeof(bad_geometry) / sizeof(bad_geometry[0]));
	tcase_add_test(tcase, zeroed_file_is_eproto_until_a_writer_finishes_it);
	tcase_add_test(tcase, zero_magic_before_foreign_content_is_left_alone);
	tcase_add_test(tcase, random_file_is_eproto);
	tcase_add_loop_test(tcase, segment_writable_by_group_or_others_is_eperm, 0, 2);
	tcase_add_test(tcase, symbolic_link_is_eloop_and_other_kinds_of_file_are_eperm_without_waiting);
	tcase_add_loop_test(tcase, segment_of_a_strange_owner_is_eperm, 0,
			    sizeof(owners) / sizeof(owners[0]));
}

int main(void)
{
	TCase *tcase = tcase_create("control");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, new_segment_is_default_empty_and_0644_under_any_umask);
	tcase_add_test(tcase, second_writer_is_busy_and_a_later_one_keeps_inode_and_id);
	tcase_add_test(tcase, put_find_replace_and_drop_work_on_both_tables);
	tcase_add_test(tcase, ten_thousand_processes_fit_and_are_all_found);
	tcase_add_test(tcase, key_of_two_full_buckets_gets_enospc_until_one_is_dropped);
	tcase_add_test(tcase, damaged_entry_is_not_returned_and_is_emptied_by_the_next_writer);
	tcase_add_test(tcase, geometry_damaged_after_map_is_not_followed);
	add_refusals(tcase);
	return run_suite("control", tcase);
}
