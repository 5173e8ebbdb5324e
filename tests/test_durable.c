/* SPDX-License-Identifier: MIT */
/* A batch is written beside the loop. The disk is ours here: it holds whoever syncs until it is let go. */
#include "durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file_replace.h"
#include "scratch.h"
#include "suite.h"

/* ---- the disk ---------------------------------------------------------------------------------------- */

static pthread_mutex_t disk_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t disk_changed = PTHREAD_COND_INITIALIZER;
static bool disk_holds, disk_fails;
static unsigned disk_waiting, disk_syncs;

static void set_disk(bool holds, bool fails)
{
	pthread_mutex_lock(&disk_lock);
	disk_holds = holds;
	disk_fails = fails;
	pthread_cond_broadcast(&disk_changed);
	pthread_mutex_unlock(&disk_lock);
}

static void wait_until_disk_is_waited_for(void)
{
	pthread_mutex_lock(&disk_lock);
	while (!disk_waiting)
		pthread_cond_wait(&disk_changed, &disk_lock);
	pthread_mutex_unlock(&disk_lock);
}

static int sync_slowly(void)
{
	bool fails;

	pthread_mutex_lock(&disk_lock);
	disk_syncs++;
	disk_waiting++;
	pthread_cond_broadcast(&disk_changed);
	while (disk_holds)
		pthread_cond_wait(&disk_changed, &disk_lock);
	disk_waiting--;
	fails = disk_fails;
	pthread_mutex_unlock(&disk_lock);
	errno = EIO;
	return fails ? -1 : 0;
}

/* Before libc's. */
int fsync(int fd)
{
	(void)fd;
	return sync_slowly();
}

int fdatasync(int fd)
{
	(void)fd;
	return sync_slowly();
}

/* ---- a batch ----------------------------------------------------------------------------------------- */

static char directory[SCRATCH_CHARS];
static int directory_fd;
static sd_event *event;
static struct hak_durable durable;
static unsigned done_count;
static int done_line, done_file;

static void on_done(void *data, const struct hak_durable_batch *batch)
{
	(void)data;
	ck_assert(!hak_durable_is_idle(&durable));
	done_count++;
	done_line = batch->files[0].result;
	done_file = batch->files[1].result;
}

static void set_up(void)
{
	set_disk(false, false);
	disk_syncs = done_count = 0;
	scratch_make(directory);
	directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(directory_fd, 0);
	ck_assert_int_ge(sd_event_new(&event), 0);
	ck_assert_int_eq(hak_durable_init(&durable, event, on_done, NULL), 0);
}

static void tear_down(void)
{
	hak_durable_deinit(&durable);
	sd_event_unref(event);
	close(directory_fd);
	scratch_remove(directory);
}

/* A line of a journal, behind its first three bytes, and a file. */
static void begin(const char *text)
{
	struct hak_durable_batch batch = {.files = NULL};
	struct hak_durable_file line = {.directory_fd = directory_fd, .name = "journal", .appends = true};
	struct hak_durable_file file = {.directory_fd = directory_fd, .name = "file"};

	line.syncs = true;
	line.offset = done_count ? 3 : 0;
	line.text = strdup(text);
	file.text = strdup(text);
	ck_assert(hak_durable_add(&batch, &line) && hak_durable_add(&batch, &file));
	hak_durable_begin(&durable, &batch);
}

static bool is_in(const char *name, const char *text)
{
	char *is = NULL;
	size_t length;
	bool same = hak_file_read(directory_fd, name, &is, &length) == 0 && strcmp(is, text) == 0;

	free(is);
	return same;
}

static bool has(const char *text)
{
	return is_in("file", text);
}

static int on_turn(sd_event_source *source, void *data)
{
	unsigned *turns = data;

	(void)source;
	++*turns;
	return 0;
}

START_TEST(loop_turns_while_the_disk_is_slow)
{
	unsigned turns = 0;

	ck_assert_int_ge(sd_event_add_defer(event, NULL, on_turn, &turns), 0);
	set_disk(true, false);
	begin("one");
	wait_until_disk_is_waited_for();
	ck_assert_int_ge(sd_event_run(event, 0), 0);
	ck_assert_uint_eq(turns, 1);
	ck_assert(!hak_durable_is_idle(&durable));
	ck_assert(!has("one"));
	set_disk(false, false);
	while (!done_count)
		ck_assert_int_ge(sd_event_run(event, UINT64_MAX), 0);
	ck_assert(hak_durable_is_idle(&durable));
	ck_assert(has("one"));
	ck_assert_uint_eq(disk_syncs, 3); /* what was appended, the file, its directory */
	ck_assert_int_eq(done_line, 0);
	ck_assert_int_eq(done_file, 0);
}
END_TEST

START_TEST(failure_is_told_and_the_old_file_stands)
{
	begin("one");
	hak_durable_finish(&durable);
	ck_assert(has("one"));
	set_disk(false, true);
	begin("two");
	hak_durable_finish(&durable);
	ck_assert_uint_eq(done_count, 2);
	ck_assert_int_eq(done_line, -EIO);
	ck_assert_int_eq(done_file, -EIO);
	ck_assert(has("one"));
}
END_TEST

START_TEST(what_a_file_makes_useless_goes_when_it_is_written)
{
	char text[] = "one";
	struct hak_durable_file file = {
		.directory_fd = directory_fd, .name = "file", .text = text, .removes = "journal"};

	ck_assert_int_eq(hak_file_replace(directory_fd, "journal", "on", 2), 0);
	set_disk(false, true);
	hak_durable_write(&file);
	ck_assert_int_eq(file.result, -EIO);
	ck_assert(is_in("journal", "on"));
	set_disk(false, false);
	hak_durable_write(&file);
	ck_assert_int_eq(file.result, 0);
	ck_assert(has("one"));
	ck_assert_int_lt(faccessat(directory_fd, "journal", F_OK, 0), 0);
}
END_TEST

START_TEST(line_takes_the_place_of_what_is_behind_it)
{
	int fd;

	begin("one");
	hak_durable_finish(&durable);
	ck_assert(is_in("journal", "one"));
	fd = openat(directory_fd, "journal", O_WRONLY | O_APPEND);
	ck_assert_int_eq(write(fd, "torn, and longer", 16), 16);
	close(fd);
	begin("two");
	hak_durable_finish(&durable);
	ck_assert_int_eq(done_line, 0);
	ck_assert(is_in("journal", "onetwo"));
}
END_TEST

/* Somebody has cut it, or taken it away: what would follow could never be read. */
START_TEST(line_behind_what_is_missing_is_refused)
{
	begin("one");
	hak_durable_finish(&durable);
	ck_assert_int_eq(hak_file_replace(directory_fd, "journal", "on", 2), 0);
	begin("two");
	hak_durable_finish(&durable);
	ck_assert_int_eq(done_line, -ESTALE);
	ck_assert(is_in("journal", "on"));
	ck_assert_int_eq(unlinkat(directory_fd, "journal", 0), 0);
	begin("two");
	hak_durable_finish(&durable);
	ck_assert_int_eq(done_line, -ENOENT);
}
END_TEST

START_TEST(finish_calls_done_once)
{
	begin("one");
	hak_durable_finish(&durable);
	ck_assert_int_ge(sd_event_run(event, 0), 0);
	ck_assert_uint_eq(done_count, 1);
	hak_durable_finish(&durable); /* nothing is under way */
	ck_assert_uint_eq(done_count, 1);
}
END_TEST

static void *let_disk_go(void *data)
{
	(void)data;
	wait_until_disk_is_waited_for();
	set_disk(false, false);
	return NULL;
}

START_TEST(end_waits_for_the_batch_under_way)
{
	pthread_t other;

	set_disk(true, false);
	begin("one");
	ck_assert_int_eq(pthread_create(&other, NULL, let_disk_go, NULL), 0);
	hak_durable_deinit(&durable);
	ck_assert(has("one"));
	pthread_join(other, NULL);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("durable");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, loop_turns_while_the_disk_is_slow);
	tcase_add_test(tcase, failure_is_told_and_the_old_file_stands);
	tcase_add_test(tcase, what_a_file_makes_useless_goes_when_it_is_written);
	tcase_add_test(tcase, line_takes_the_place_of_what_is_behind_it);
	tcase_add_test(tcase, line_behind_what_is_missing_is_refused);
	tcase_add_test(tcase, finish_calls_done_once);
	tcase_add_test(tcase, end_waits_for_the_batch_under_way);
	return run_suite("durable", tcase);
}
