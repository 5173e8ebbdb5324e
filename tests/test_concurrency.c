/* SPDX-License-Identifier: MIT */
/*
 * One writer and several readers at once: as threads over one mapping (ThreadSanitizer watches each access)
 * and as processes over their own. Every copy that a reader accepts must be of one version.
 */
#include "control.h"

#include "shm_fixture.h"
#include "suite.h"
#include "telemetry.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READERS = 3, ROUNDS = 20000, KEYS = 4, CLAIMERS = 4, CLAIMS_EACH = 5000 };

static void setup(void)
{
	shm_dir_make();
}

static void teardown(void)
{
	shm_dir_remove();
}

struct shared_run {
	const struct hak_control_header *header;
	_Atomic bool done;
	_Atomic uint64_t found, moving, torn;
};

/* Versions of one key never go back, and a serial brings at least its own version with it [S2]. */
static void read_once(struct shared_run *run, uint64_t last[KEYS])
{
	uint64_t serial = atomic_load_explicit(&run->header->serial, memory_order_acquire);

	for (unsigned i = 0; i < KEYS; i++) {
		struct hak_key key = shm_key(i + 1);
		struct hak_process_payload payload;
		int r = hak_control_find_process(run->header, &key, &payload);

		if (r == -EAGAIN)
			atomic_fetch_add(&run->moving, 1);
		if (r < 0)
			continue;
		if (!shm_process_is(&payload, &key, payload.policy_word) || payload.policy_word < last[i] ||
		    payload.policy_word < serial)
			atomic_fetch_add(&run->torn, 1);
		last[i] = payload.policy_word;
		atomic_fetch_add(&run->found, 1);
	}
}

static void *reader_thread(void *argument)
{
	struct shared_run *run = argument;
	uint64_t last[KEYS] = {0};

	while (!atomic_load(&run->done))
		read_once(run, last);
	return NULL;
}

static void write_rounds(struct hak_control_writer *writer, unsigned rounds)
{
	for (uint64_t version = 1; version <= rounds; version++) {
		for (unsigned i = 0; i < KEYS; i++) {
			struct hak_key key = shm_key(i + 1);
			struct hak_process_payload payload = shm_process(&key, version);

			require(hak_control_put_process(writer, &payload) == 0);
		}
		require(hak_control_publish_policy(writer, version) == version);
		hak_control_beat(writer);
	}
}

START_TEST(reader_threads_see_whole_entries_that_never_go_back)
{
	struct hak_control_writer writer;
	struct shared_run run = {.done = false};
	pthread_t threads[READERS];

	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	run.header = writer.header;
	for (unsigned i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, reader_thread, &run), 0);
	write_rounds(&writer, ROUNDS);
	atomic_store(&run.done, true);
	for (unsigned i = 0; i < READERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(run.torn, 0);
	ck_assert_uint_gt(run.found, 0);
	hak_control_writer_deinit(&writer);
}
END_TEST

static void reader_process(void)
{
	struct shared_run run = {.done = false};
	uint64_t last[KEYS] = {0};

	if (hak_control_map(shm_dir, &run.header) < 0)
		_exit(2);
	while (atomic_load(&run.header->serial) < ROUNDS)
		read_once(&run, last);
	read_once(&run, last);
	_exit(run.torn != 0 ? 3 : last[KEYS - 1] != ROUNDS ? 4 : 0);
}

START_TEST(reader_processes_see_whole_entries_that_never_go_back)
{
	struct hak_control_writer writer;
	pid_t pids[READERS];
	int status;

	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	for (unsigned i = 0; i < READERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			reader_process();
	}
	write_rounds(&writer, ROUNDS);
	for (unsigned i = 0; i < READERS; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert(WIFEXITED(status));
		ck_assert_int_eq(WEXITSTATUS(status), 0);
	}
	hak_control_writer_deinit(&writer);
}
END_TEST

/* ---- claims ----------------------------------------------------------------------------------------- */

struct claim_run {
	struct hak_telemetry_file *file;
	_Atomic uint32_t freed[HAK_TELEMETRY_SLOTS];
	_Atomic uint32_t owner[HAK_TELEMETRY_SLOTS];
	_Atomic uint64_t claimed, busy, doubled;
};

/* Claims, makes sure to be alone in the slot, then does as the daemon: says that this claim has ended. */
static void *claimer_thread(void *argument)
{
	struct claim_run *run = argument;

	for (uint32_t i = 0; i < CLAIMS_EACH; i++) {
		uint32_t freed[HAK_TELEMETRY_SLOTS];
		int slot;

		for (unsigned k = 0; k < HAK_TELEMETRY_SLOTS; k++)
			freed[k] = atomic_load(&run->freed[k]);
		slot = hak_telemetry_claim_slot(run->file, freed, 1, 1);
		if (slot < 0) {
			atomic_fetch_add(&run->busy, 1);
			continue;
		}
		atomic_fetch_add(&run->claimed, 1);
		if (atomic_fetch_add(&run->owner[slot], 1) != 0)
			atomic_fetch_add(&run->doubled, 1);
		atomic_fetch_sub(&run->owner[slot], 1);
		atomic_store(&run->freed[slot], atomic_load(&run->file->slot[slot].claims));
	}
	return NULL;
}

START_TEST(claims_from_many_threads_never_share_a_slot_and_each_is_counted)
{
	struct claim_run run = {.file = NULL};
	pthread_t threads[CLAIMERS];
	struct hak_key key;
	uint64_t claims = 0;

	ck_assert_int_eq(hak_telemetry_create(shm_dir, NULL, 1, &run.file, &key), 0);
	for (unsigned i = 0; i < CLAIMERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, claimer_thread, &run), 0);
	for (unsigned i = 0; i < CLAIMERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	for (unsigned i = 0; i < HAK_TELEMETRY_SLOTS; i++)
		claims += run.file->slot[i].claims;
	ck_assert_uint_eq(run.doubled, 0);
	ck_assert_uint_eq(claims, run.claimed + 1); /* the creator's */
	ck_assert_uint_eq(run.claimed + run.busy, CLAIMERS * CLAIMS_EACH);
	ck_assert_int_eq(munmap(run.file, HAK_TELEMETRY_BYTES_MAX), 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("concurrency");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, reader_threads_see_whole_entries_that_never_go_back);
	tcase_add_test(tcase, reader_processes_see_whole_entries_that_never_go_back);
	tcase_add_test(tcase, claims_from_many_threads_never_share_a_slot_and_each_is_counted);
	return run_suite("concurrency", tcase);
}
