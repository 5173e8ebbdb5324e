/* SPDX-License-Identifier: MIT */
/*
 * A writer that is stopped. First exactly: before each single store of each operation (the protocol is built
 * with tests/store_step_count.h here). Then as processes, by SIGKILL at any moment. Readers that mapped
 * before and readers that map afterwards must see the whole old or the whole new state, and the next writer
 * must move the serial if, and only if, readers have not been told of a change.
 */
#include "control.h"

#include "shm_fixture.h"
#include "store_step_count.h"
#include "suite.h"
#include "telemetry.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STORES_MAX = 1000, KILLS = 60, OLD = 1, NEW = 2 };

/* Stores left before the stop; negative: never. */
static int steps_left = -1;
static jmp_buf stopped;

void hak_store_step(void)
{
	if (steps_left < 0)
		return;
	if (steps_left-- == 0) {
		steps_left = -1;
		longjmp(stopped, 1);
	}
}

static void setup(void)
{
	shm_dir_make();
}

static void teardown(void)
{
	shm_dir_remove();
}

/* ---- exact stops ------------------------------------------------------------------------------------ */

static struct hak_key subject, bystander;

static void act_put_new(struct hak_control_writer *writer)
{
	struct hak_process_payload payload = shm_process(&subject, NEW);

	(void)hak_control_put_process(writer, &payload);
	(void)hak_control_bump(writer);
}

static void act_drop(struct hak_control_writer *writer)
{
	(void)hak_control_drop_process(writer, &subject);
	(void)hak_control_bump(writer);
}

static void act_publish(struct hak_control_writer *writer)
{
	(void)hak_control_publish_policy(writer, NEW);
}

static void act_bump(struct hak_control_writer *writer)
{
	(void)hak_control_bump(writer);
}

static void act_beat(struct hak_control_writer *writer)
{
	hak_control_beat(writer);
	hak_control_set_state(writer, HAK_SEGMENT_LIVE);
}

/* What readers may find of `subject`: a version, or 0 for no entry. */
struct expectation {
	uint64_t before, after;
};

static const struct action {
	const char *name;
	void (*run)(struct hak_control_writer *writer);
	struct expectation subject;
	bool tells; /* moves the serial when it is complete */
	unsigned stores_min;
} actions[] = {
	{"insert", act_put_new, {0, NEW}, true, 19},
	{"replace", act_put_new, {OLD, NEW}, true, 19},
	{"drop", act_drop, {OLD, 0}, true, 19},
	{"publish", act_publish, {OLD, OLD}, true, 4},
	{"bump", act_bump, {OLD, OLD}, true, 3},
	{"beat", act_beat, {OLD, OLD}, false, 2},
};

/* The version that a reader finds; fails the test for anything that is neither whole nor absent. */
static uint64_t version_seen(const struct hak_control_header *header)
{
	struct hak_process_payload found;
	int r = hak_control_find_process(header, &subject, &found);

	if (r == -ENOENT)
		return 0;
	ck_assert_int_eq(r, 0);
	ck_assert(shm_process_is(&found, &subject, found.policy_word));
	return found.policy_word;
}

/* Both an old mapping and a fresh one; returns the version on which they must agree. */
static uint64_t readers_agree(const struct hak_control_header *old)
{
	const struct hak_control_header *fresh;
	struct hak_process_payload found;
	uint64_t seen = version_seen(old);

	ck_assert_int_eq(hak_control_map(shm_dir, &fresh), 0);
	ck_assert_uint_eq(version_seen(fresh), seen);
	ck_assert_int_eq(hak_control_find_process(fresh, &bystander, &found), 0);
	ck_assert(shm_process_is(&found, &bystander, OLD));
	ck_assert(fresh->policy_word == OLD || fresh->policy_word == NEW);
	hak_control_unmap(fresh);
	return seen;
}

static void segment_prepare(struct hak_control_writer *writer, const struct action *action)
{
	struct hak_process_payload payload;

	(void)unlink(shm_path(HAK_CONTROL_FILE));
	ck_assert_int_eq(hak_control_writer_init(writer, shm_dir), 0);
	payload = shm_process(&bystander, OLD);
	ck_assert_int_eq(hak_control_put_process(writer, &payload), 0);
	payload = shm_process(&subject, OLD);
	if (action->subject.before == OLD)
		ck_assert_int_eq(hak_control_put_process(writer, &payload), 0);
	(void)hak_control_publish_policy(writer, OLD);
}

/* Runs @action, stopped before store @n. Return: it was stopped. */
static bool run_stopped(struct hak_control_writer *writer, const struct action *action, int n)
{
	if (setjmp(stopped) != 0)
		return true;
	steps_left = n;
	action->run(writer);
	steps_left = -1;
	return false;
}

/* One stop: what readers see, what the next writer makes of it. Return: the writer was stopped. */
static bool stop_once(const struct action *action, int n)
{
	const struct hak_control_header *old;
	struct hak_control_writer writer, next;
	uint64_t serial, policy, seen;
	bool was_stopped, changed;

	segment_prepare(&writer, action);
	ck_assert_int_eq(hak_control_map(shm_dir, &old), 0);
	serial = old->serial;
	was_stopped = run_stopped(&writer, action, n);
	hak_control_writer_deinit(&writer); /* as the kernel does for the killed */
	seen = readers_agree(old);
	ck_assert(seen == action->subject.before || seen == action->subject.after);
	policy = old->policy_word;
	changed = seen != action->subject.before || policy != OLD;
	ck_assert_int_eq(hak_control_writer_init(&next, shm_dir), 0);
	ck_assert_uint_eq(version_seen(next.header), seen);
	ck_assert_uint_eq(next.header->policy_word, policy);
	ck_assert_uint_eq(next.header->pending, 0);
	ck_assert_uint_le(next.header->serial, serial + 1);
	if (changed || (action->tells && !was_stopped))
		ck_assert_uint_eq(next.header->serial, serial + 1);
	action->run(&next); /* and the next one can do it to the end */
	ck_assert_uint_eq(version_seen(old), action->subject.after);
	hak_control_writer_deinit(&next);
	hak_control_unmap(old);
	return was_stopped;
}

START_TEST(writer_stopped_before_any_store_leaves_old_or_new_and_is_repaired)
{
	unsigned stops = 0;

	subject = shm_key(1);
	bystander = (struct hak_key){{subject.word[0], shm_key(2).word[1]}}; /* the same first bucket */
	while (stop_once(&actions[_i], (int)stops))
		stops++;
	ck_assert_uint_ge(stops, actions[_i].stores_min);
	ck_assert_uint_lt(stops, STORES_MAX);
}
END_TEST

static bool init_stopped(int n)
{
	struct hak_control_writer writer;

	if (setjmp(stopped) != 0)
		return true;
	steps_left = n;
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	steps_left = -1;
	hak_control_writer_deinit(&writer);
	return false;
}

/* In a child, which ends as a killed writer does: the kernel closes its files and so gives the lock back. */
static bool init_stopped_in_child(int n)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(init_stopped(n) ? 1 : 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status) == 1;
}

START_TEST(init_stopped_before_any_store_leaves_no_segment_or_a_whole_one)
{
	const struct hak_control_header *header;
	struct hak_control_writer writer;
	unsigned stops = 0;
	bool was_stopped;
	int r;

	do {
		(void)unlink(shm_path(HAK_CONTROL_FILE));
		was_stopped = init_stopped_in_child((int)stops);
		r = hak_control_map(shm_dir, &header);
		ck_assert_int_eq(r, was_stopped ? -EPROTO : 0);
		if (r == 0)
			hak_control_unmap(header);
		ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
		ck_assert_uint_eq(writer.header->serial, 0);
		ck_assert_uint_eq(hak_control_publish_policy(&writer, NEW), 1);
		hak_control_writer_deinit(&writer);
		stops += was_stopped;
	} while (was_stopped);
	ck_assert_uint_ge(stops, 20);
}
END_TEST

/* ---- a repair that is stopped itself ----------------------------------------------------------------- */

START_TEST(repair_stopped_before_any_store_is_finished_by_the_next)
{
	struct hak_control_writer writer, next;
	unsigned stops = 0;
	uint64_t serial;
	bool was_stopped;

	subject = shm_key(1);
	bystander = shm_key(2);
	do {
		segment_prepare(&writer, &actions[1]);
		serial = writer.header->serial;
		ck_assert(run_stopped(&writer, &actions[1], 17)); /* flipped, not told */
		hak_control_writer_deinit(&writer);
		was_stopped = init_stopped_in_child((int)stops);
		ck_assert_int_eq(hak_control_writer_init(&next, shm_dir), 0);
		ck_assert_uint_eq(version_seen(next.header), NEW);
		ck_assert_uint_eq(next.header->serial, serial + 1);
		hak_control_writer_deinit(&next);
		stops += was_stopped;
	} while (was_stopped);
	ck_assert_uint_ge(stops, 3);
}
END_TEST

/* ---- telemetry: a child stopped while it claims ------------------------------------------------------ */

START_TEST(claim_stopped_before_any_store_never_shows_a_predecessor_s_counters)
{
	static struct hak_telemetry_file copy;
	struct hak_telemetry_file *file;
	volatile bool was_stopped;
	volatile int n = 0;
	struct hak_key key;

	ck_assert_int_eq(hak_telemetry_create(shm_dir, NULL, 1, &file, &key), 0);
	do {
		uint32_t freed[HAK_TELEMETRY_SLOTS] = {file->slot[0].claims};

		file->slot[0].counter[HAK_COUNTER_free_count] = 1000;
		file->slot[0].counter[HAK_COUNTER_alloc_count] = 1000;
		was_stopped = setjmp(stopped) != 0;
		if (!was_stopped) {
			steps_left = n;
			ck_assert_int_eq(hak_telemetry_claim_slot(file, freed, 7, 6), 0);
			steps_left = -1;
		}
		memcpy(&copy, file, sizeof(copy));
		ck_assert_int_eq(hak_telemetry_validate(&copy, sizeof(copy), NULL), 0);
		ck_assert_uint_eq(copy.slot[0].state, was_stopped ? HAK_SLOT_EMPTY : HAK_SLOT_LIVE);
		ck_assert_uint_eq(copy.slot[0].counter[HAK_COUNTER_free_count], 0);
		n++;
	} while (was_stopped);
	ck_assert_int_ge(n, 250);
	ck_assert_int_eq(munmap(file, sizeof(*file)), 0);
}
END_TEST

/* ---- real processes, really killed ------------------------------------------------------------------- */

/* Writes for ever, each round one version in all three entries; killed from outside. */
static void writer_process(void)
{
	struct hak_control_writer writer;

	if (hak_control_writer_init(&writer, shm_dir) < 0)
		_exit(2);
	hak_control_beat(&writer);
	for (uint64_t version = 1;; version++) {
		for (uint64_t i = 1; i <= 3; i++) {
			struct hak_key key = shm_key(i);
			struct hak_process_payload payload = shm_process(&key, version);

			(void)hak_control_put_process(&writer, &payload);
		}
		(void)hak_control_publish_policy(&writer, version);
		if (version % 16 == 0) {
			struct hak_key key = shm_key(3);

			(void)hak_control_drop_process(&writer, &key);
		}
	}
}

/* Reads until the pipe's other end closes. Exit: 0 only if something was found and nothing was ever torn. */
static void reader_process(int until)
{
	const struct hak_control_header *header;
	unsigned long found = 0;
	uint64_t serial = 0;
	char byte;

	if (hak_control_map(shm_dir, &header) < 0)
		_exit(3);
	while (read(until, &byte, 1) < 0) {
		uint64_t now = header->serial;

		if (now < serial)
			_exit(4);
		serial = now;
		for (uint64_t i = 1; i <= 3; i++) {
			struct hak_key key = shm_key(i);
			struct hak_process_payload payload;

			if (hak_control_find_process(header, &key, &payload) != 0)
				continue;
			if (!shm_process_is(&payload, &key, payload.policy_word))
				_exit(5);
			found++;
		}
	}
	_exit(found > 0 ? 0 : 6);
}

/* Until a writer is past its repairs, which take long under a sanitizer. */
static void wait_for_beat(const struct hak_control_header *header, uint64_t beat)
{
	const struct timespec millisecond = {.tv_nsec = 1000000};

	for (unsigned i = 0; header->heartbeat == beat && i < 120000; i++)
		(void)nanosleep(&millisecond, NULL);
	ck_assert_uint_ne(header->heartbeat, beat);
}

static void kill_after(pid_t pid, long nsec)
{
	const struct timespec delay = {.tv_nsec = nsec};
	int status;

	(void)nanosleep(&delay, NULL);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
}

START_TEST(writers_killed_at_random_moments_leave_readers_whole_entries)
{
	struct hak_control_writer writer;
	uint64_t state = (uint64_t)getpid(), serial = 0;
	const struct hak_control_header *header;
	int ends[2], status;
	pid_t readers[2];

	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	hak_control_writer_deinit(&writer);
	ck_assert_int_eq(hak_control_map(shm_dir, &header), 0);
	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	for (unsigned i = 0; i < 2; i++) {
		readers[i] = fork();
		if (readers[i] == 0) {
			(void)close(ends[1]);
			reader_process(ends[0]);
		}
	}
	for (unsigned i = 0; i < KILLS; i++) {
		uint64_t beat = header->heartbeat;
		pid_t pid = fork();

		if (pid == 0) {
			(void)close(ends[1]);
			writer_process();
		}
		if (i % 4 != 0) /* the others may die while they start */
			wait_for_beat(header, beat);
		kill_after(pid, (long)(next_random(&state) % 10000000));
		ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
		ck_assert_uint_eq(writer.header->pending, 0);
		ck_assert_uint_ge(writer.header->serial, serial);
		serial = writer.header->serial;
		hak_control_writer_deinit(&writer);
	}
	ck_assert_uint_gt(serial, KILLS); /* they did work between their deaths */
	hak_control_unmap(header);
	(void)close(ends[1]);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(waitpid(readers[i], &status, 0), readers[i]);
		ck_assert(WIFEXITED(status));
		ck_assert_int_eq(WEXITSTATUS(status), 0);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("crash");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, writer_stopped_before_any_store_leaves_old_or_new_and_is_repaired, 0,
			    sizeof(actions) / sizeof(actions[0]));
	tcase_add_test(tcase, init_stopped_before_any_store_leaves_no_segment_or_a_whole_one);
	tcase_add_test(tcase, repair_stopped_before_any_store_is_finished_by_the_next);
	tcase_add_test(tcase, claim_stopped_before_any_store_never_shows_a_predecessor_s_counters);
	tcase_add_test(tcase, writers_killed_at_random_moments_leave_readers_whole_entries);
	return run_suite("crash", tcase);
}
