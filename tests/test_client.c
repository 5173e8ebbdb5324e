/* SPDX-License-Identifier: MIT */
/* Reading a telemetry file: what is kept of it, and what may be looked at when. */
#include "client.h"

#include "shm_fixture.h"
#include "suite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct hak_telemetry_file *file; /* as its process has it */
static struct hak_key key;
static struct hak_client_home home;
static struct hak_client *client;

static const char *only_name(void)
{
	static char name[HAK_TELEMETRY_NAME_CHARS + 1];
	struct dirent *entry;
	DIR *dir = opendir(shm_path(HAK_CLIENTS_DIR));

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			(void)snprintf(name, sizeof(name), "%.32s", entry->d_name);
	(void)closedir(dir);
	return name;
}

static void setup(void)
{
	struct stat status;

	shm_dir_make();
	ck_assert_int_eq(hak_telemetry_create(shm_dir, NULL, 1, &file, &key), 0);
	home.clients_fd = open(shm_path(HAK_CLIENTS_DIR), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(home.clients_fd, 0);
	ck_assert_int_eq(fstat(home.clients_fd, &status), 0);
	home.device = status.st_dev;
	client = hak_client_new(only_name());
	ck_assert_ptr_nonnull(client);
}

static void teardown(void)
{
	hak_client_free(client);
	(void)close(home.clients_fd);
	(void)munmap(file, HAK_TELEMETRY_BYTES_MAX);
	shm_dir_remove();
}

START_TEST(log_line_is_told_of_what_was_read)
{
	unsigned news = 0;

	hak_telemetry_log(&file->slot[0], "hello");
	ck_assert_int_eq(hak_client_read(client, &home, &news), 0);
	ck_assert_uint_eq(news, HAK_NEWS_CLAIMS | HAK_NEWS_LOG);
	ck_assert_str_eq(hak_client_log_line(hak_client_creator(client), 0)->text, "hello");
}
END_TEST

/* Its text is not clean then, and need not end. */
START_TEST(log_line_of_a_copy_that_was_refused_is_none)
{
	ck_assert_int_eq(hak_client_read(client, &home, NULL), 0);
	memset(file->slot[0].log, 0x1b, sizeof(file->slot[0].log));
	file->slot[0].log_written = UINT64_MAX;
	ck_assert_int_eq(hak_client_read(client, &home, NULL), -ERANGE);
	ck_assert_ptr_null(hak_client_log_line(hak_client_creator(client), 0));
}
END_TEST

START_TEST(log_line_is_none_where_another_client_was_read_since)
{
	struct hak_client *other = hak_client_new("00000000000000000000000000000001");

	ck_assert_int_eq(hak_client_read(client, &home, NULL), 0);
	ck_assert_ptr_null(hak_client_log_line(hak_client_creator(other), 0));
	hak_client_free(other);
}
END_TEST

START_TEST(children_in_parts_that_are_not_read_are_counted)
{
	struct hak_telemetry_slot *slot;
	const int children = 2 * HAK_TELEMETRY_SLOTS;

	for (int i = 0; i < children; i++)
		ck_assert_int_eq(hak_telemetry_claim(file, &key, NULL, 100, 99, &slot), 0);
	ck_assert_int_eq(hak_client_read(client, &home, NULL), 0);
	hak_client_count_unseen(client, &home);
	ck_assert_uint_eq(client->unseen, children + 1 - HAK_TELEMETRY_SLOTS);
	ck_assert_int_eq(hak_client_add_part(client), 0);
	ck_assert_int_eq(hak_client_read(client, &home, NULL), 0);
	hak_client_count_unseen(client, &home);
	ck_assert_uint_eq(client->unseen, children + 1 - 2 * HAK_TELEMETRY_SLOTS);
}
END_TEST

/* One that ends before its process was looked at has the faults of nobody else. */
START_TEST(claim_begins_without_what_the_one_before_had)
{
	struct hak_slot *slot = hak_client_creator(client);

	ck_assert_int_eq(hak_client_read(client, &home, NULL), 0);
	slot->phase = HAK_PHASE_FREE;
	slot->folded = slot->claims;
	slot->faults = 1000;
	slot->log_told = 7;
	atomic_fetch_add(&file->slot[0].claims, 1);
	ck_assert_int_eq(hak_client_read(client, &home, NULL), 0);
	ck_assert_int_eq(slot->phase, HAK_PHASE_NEW);
	ck_assert_uint_eq(slot->claims, slot->folded + 1);
	ck_assert_uint_eq(slot->faults, 0);
	ck_assert_uint_eq(slot->log_told, 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("client");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, log_line_is_told_of_what_was_read);
	tcase_add_test(tcase, log_line_of_a_copy_that_was_refused_is_none);
	tcase_add_test(tcase, log_line_is_none_where_another_client_was_read_since);
	tcase_add_test(tcase, children_in_parts_that_are_not_read_are_counted);
	tcase_add_test(tcase, claim_begins_without_what_the_one_before_had);
	return run_suite("client", tcase);
}
