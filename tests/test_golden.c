/* SPDX-License-Identifier: MIT */
/* The golden files against what today's headers make, byte for byte, and against a reader in Python. */
#include "golden.h"
#include "shm_fixture.h"
#include "suite.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static uint8_t golden[HAK_CONTROL_BYTES];

/* So that a failure names the place. */
static size_t first_difference(const void *made, size_t size)
{
	size_t i = 0;

	while (i < size && golden[i] == ((const uint8_t *)made)[i])
		i++;
	return i;
}

static void setup(void)
{
	shm_dir_make();
}

static void teardown(void)
{
	shm_dir_remove();
}

START_TEST(segment_made_today_is_the_golden_one)
{
	struct hak_control_writer writer;

	ck_assert_uint_eq(golden_load("tests/golden/control.v1", golden, sizeof(golden)), HAK_CONTROL_BYTES);
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	ck_assert_int_eq(golden_control_fill(&writer), 0);
	ck_assert_uint_eq(first_difference(writer.header, HAK_CONTROL_BYTES), HAK_CONTROL_BYTES);
	hak_control_writer_deinit(&writer);
}
END_TEST

START_TEST(golden_segment_is_mapped_and_its_entries_are_found)
{
	const struct hak_control_header *header;
	struct hak_process_payload process;
	struct hak_context_payload context;
	struct hak_key key;
	int fd;

	ck_assert_uint_eq(golden_load("tests/golden/control.v1", golden, sizeof(golden)), HAK_CONTROL_BYTES);
	fd = open(shm_path(HAK_CONTROL_FILE), O_WRONLY | O_CREAT | O_EXCL, 0644);
	ck_assert_int_eq(write(fd, golden, sizeof(golden)), sizeof(golden));
	(void)close(fd);
	ck_assert_int_eq(hak_control_map(shm_dir, &header), 0);
	ck_assert_uint_eq(header->serial, 1);
	ck_assert_uint_eq(header->heartbeat, 5);
	ck_assert_int_eq(hak_telemetry_key(GOLDEN_NAME, &key), 0);
	ck_assert_int_eq(hak_control_find_process(header, &key, &process), 0);
	ck_assert_uint_eq(process.schedule.window_ticks, 0x77777777);
	ck_assert_int_eq(hak_control_find_context(header, &process.context, &context), 0);
	ck_assert_int_eq(context.elo_milli, -1500001);
	hak_control_unmap(header);
}
END_TEST

START_TEST(telemetry_made_today_is_the_golden_one_and_is_valid)
{
	static struct hak_telemetry_file file;

	ck_assert_uint_eq(golden_load("tests/golden/telemetry.v1", golden, sizeof(golden)), sizeof(file));
	golden_telemetry_fill(&file);
	ck_assert_uint_eq(first_difference(&file, sizeof(file)), sizeof(file));
	ck_assert_int_eq(hak_telemetry_validate(&file, sizeof(file), NULL), 0);
	ck_assert_uint_eq(first_difference(&file, sizeof(file)), sizeof(file)); /* nothing to clamp */
}
END_TEST

START_TEST(reader_made_from_the_document_alone_agrees_on_every_field)
{
	ck_assert_int_eq(system("/usr/bin/python3 tests/read_protocol.py tests/golden"), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("golden");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, segment_made_today_is_the_golden_one);
	tcase_add_test(tcase, golden_segment_is_mapped_and_its_entries_are_found);
	tcase_add_test(tcase, telemetry_made_today_is_the_golden_one_and_is_valid);
	tcase_add_test(tcase, reader_made_from_the_document_alone_agrees_on_every_field);
	return run_suite("golden", tcase);
}
