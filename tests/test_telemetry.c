/* SPDX-License-Identifier: MIT */
/* Telemetry files: making them, children's slots, log lines. Validation has its own suite. */
#include "telemetry.h"

#include "shm_fixture.h"
#include "suite.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIBRARY_VERSION = 0x000100, SEQUENTIAL_CHILDREN = 10000 };

static struct hak_telemetry_file *file;
static struct hak_telemetry_file copy, before;
static struct hak_key file_key;

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

/* How many files lie in clients/; the last one's name. */
static unsigned clients_count(char ret_name[HAK_TELEMETRY_NAME_CHARS + 1])
{
	DIR *dir = opendir(shm_path(HAK_CLIENTS_DIR));
	struct dirent *entry;
	unsigned count = 0;

	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		ck_assert_uint_eq(strlen(entry->d_name), HAK_TELEMETRY_NAME_CHARS);
		memcpy(ret_name, entry->d_name, HAK_TELEMETRY_NAME_CHARS + 1);
	}
	(void)closedir(dir);
	return count;
}

static int validate_copy(const struct hak_telemetry_file *previous)
{
	return hak_telemetry_validate(&copy, sizeof(copy), previous);
}

START_TEST(created_file_has_its_name_s_key_mode_0644_and_slot_0_claimed)
{
	char name[HAK_TELEMETRY_NAME_CHARS + 1], path[2 * SHM_PATH_MAX];
	struct hak_key key;
	struct stat st;

	ck_assert_uint_eq(clients_count(name), 1);
	ck_assert_int_eq(hak_telemetry_key(name, &key), 0);
	ck_assert_mem_eq(&key, &file_key, sizeof(key));
	(void)snprintf(path, sizeof(path), "%s/%s/%s", shm_dir, HAK_CLIENTS_DIR, name);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	ck_assert_uint_eq(st.st_size, HAK_TELEMETRY_BYTES_MAX);
	ck_assert_uint_le(st.st_blocks * 512, 65536); /* the rest is a hole; a page of 64 KiB at most */
	ck_assert_uint_eq(file->magic, HAK_TELEMETRY_MAGIC);
	ck_assert_uint_eq(file->library_version, LIBRARY_VERSION);
	ck_assert_uint_eq(file->pid, (uint32_t)getpid());
	ck_assert_uint_eq(file->slot[0].claims, 1);
	ck_assert_uint_eq(file->slot[0].state, HAK_SLOT_LIVE);
	ck_assert_uint_eq(file->slot[0].pid, (uint32_t)getpid());
	ck_assert_uint_gt(file->slot[0].start_usec, 0);
	ck_assert_uint_eq(file->slot[1].claims, 0);
}
END_TEST

START_TEST(mode_is_0644_under_any_umask_and_errno_is_kept)
{
	struct hak_telemetry_file *other;
	struct hak_key key;
	mode_t mask = umask(0077);
	struct stat st;
	DIR *dir;
	struct dirent *entry;

	errno = ENOTTY;
	ck_assert_int_eq(hak_telemetry_create(shm_dir, NULL, 1, &other, &key), 0);
	ck_assert_int_eq(errno, ENOTTY);
	(void)umask(mask);
	ck_assert_mem_ne(&key, &file_key, sizeof(key));
	(void)munmap(other, HAK_TELEMETRY_BYTES_MAX);
	dir = opendir(shm_path(HAK_CLIENTS_DIR));
	while ((entry = readdir(dir)) != NULL) {
		ck_assert_int_eq(fstatat(dirfd(dir), entry->d_name, &st, 0), 0);
		if (S_ISREG(st.st_mode))
			ck_assert_uint_eq(st.st_mode & 07777, 0644);
	}
	(void)closedir(dir);
}
END_TEST

START_TEST(stopped_segment_gives_eshutdown_and_no_file)
{
	struct hak_control_writer writer;
	struct hak_telemetry_file *other;
	char name[HAK_TELEMETRY_NAME_CHARS + 1];
	struct hak_key key;

	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	hak_control_set_state(&writer, HAK_SEGMENT_STOPPED);
	ck_assert_int_eq(hak_telemetry_create(shm_dir, writer.header, 1, &other, &key), -ESHUTDOWN);
	ck_assert_uint_eq(clients_count(name), 1);
	hak_control_set_state(&writer, HAK_SEGMENT_LIVE);
	ck_assert_int_eq(hak_telemetry_create(shm_dir, writer.header, 1, &other, &key), 0);
	ck_assert_uint_eq(other->segment_id, writer.header->segment_id);
	ck_assert_uint_eq(clients_count(name), 2);
	(void)munmap(other, HAK_TELEMETRY_BYTES_MAX);
	hak_control_writer_deinit(&writer);
}
END_TEST

START_TEST(size_limit_gives_efbig_no_signal_and_no_file)
{
	struct rlimit limit, small = {.rlim_cur = 8192};
	struct hak_telemetry_file *other;
	char name[HAK_TELEMETRY_NAME_CHARS + 1];
	struct hak_key key;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small.rlim_max = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(hak_telemetry_create(shm_dir, NULL, 1, &other, &key), -EFBIG);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_uint_eq(clients_count(name), 1);
}
END_TEST

/* Put a file system that is full over the clients' folder. Return: false: not allowed to. */
static bool mount_full_clients(void)
{
	/* One page is the least that it has, and where that is larger a whole telemetry file fits into it. */
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	static const char zeroes[64 << 10];
	int fd;

	if (geteuid() != 0 || mount("none", shm_path(HAK_CLIENTS_DIR), "tmpfs", 0, "size=8k,mode=1733") < 0)
		return false;
	fd = open(shm_path(HAK_CLIENTS_DIR "/.full"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, zeroes, page_bytes), (ssize_t)page_bytes);
	ck_assert_int_eq(close(fd), 0);
	return true;
}

START_TEST(full_tmpfs_gives_enospc_and_no_file)
{
	struct hak_telemetry_file *other;
	struct hak_control_writer writer;
	char name[HAK_TELEMETRY_NAME_CHARS + 1];
	struct hak_key key;
	struct stat st;
	int r;

	if (!mount_full_clients())
		return; /* the limit above covers the same path */
	r = hak_telemetry_create(shm_dir, NULL, 1, &other, &key);
	ck_assert_uint_eq(clients_count(name), 0);
	ck_assert_int_eq(umount(shm_path(HAK_CLIENTS_DIR)), 0);
	ck_assert_int_eq(r, -ENOSPC);
	/* the segment likewise */
	ck_assert_int_eq(mount("none", shm_dir, "tmpfs", 0, "size=1m"), 0);
	r = hak_control_writer_init(&writer, shm_dir);
	ck_assert_int_eq(stat(shm_path(HAK_CONTROL_FILE), &st), -1);
	ck_assert_int_eq(umount(shm_dir), 0);
	ck_assert_int_eq(r, -ENOSPC);
}
END_TEST

START_TEST(absent_directory_is_enoent)
{
	struct hak_telemetry_file *other;
	struct hak_key key;

	ck_assert_int_eq(hak_telemetry_create(shm_path("nowhere"), NULL, 1, &other, &key), -ENOENT);
}
END_TEST

/* ---- children --------------------------------------------------------------------------------------- */

START_TEST(children_take_the_free_slots_of_a_part_in_their_order)
{
	for (int i = 1; i < HAK_TELEMETRY_SLOTS; i++)
		ck_assert_int_eq(hak_telemetry_claim_slot(file, NULL, 100 + (uint32_t)i, 99), i);
	ck_assert_int_eq(hak_telemetry_claim_slot(file, NULL, 200, 99), -EBUSY);
	ck_assert_uint_eq(file->slot[3].pid, 103);
	ck_assert_uint_eq(file->slot[3].parent_pid, 99);
}
END_TEST

START_TEST(freed_claims_are_taken_again_with_counters_from_zero)
{
	uint32_t freed[HAK_TELEMETRY_SLOTS] = {0};

	for (int i = 1; i < HAK_TELEMETRY_SLOTS; i++)
		ck_assert_int_eq(hak_telemetry_claim_slot(file, freed, 100, 99), i);
	file->slot[4].counter[HAK_COUNTER_alloc_count] = 77;
	freed[4] = 2; /* not the claim that is running */
	ck_assert_int_eq(hak_telemetry_claim_slot(file, freed, 101, 99), -EBUSY);
	freed[4] = 1;
	ck_assert_int_eq(hak_telemetry_claim_slot(file, freed, 102, 99), 4);
	ck_assert_uint_eq(file->slot[4].claims, 2);
	ck_assert_uint_eq(file->slot[4].filled_claims, 2);
	ck_assert_uint_eq(file->slot[4].counter[HAK_COUNTER_alloc_count], 0);
	ck_assert_int_eq(hak_telemetry_claim_slot(file, freed, 103, 99), -EBUSY);
}
END_TEST

START_TEST(claims_wrap_past_zero)
{
	uint32_t freed[HAK_TELEMETRY_SLOTS] = {UINT32_MAX};

	file->slot[0].claims = UINT32_MAX;
	ck_assert_int_eq(hak_telemetry_claim_slot(file, freed, 1, 1), 0);
	ck_assert_uint_eq(file->slot[0].claims, 1);
}
END_TEST

/* The daemon's part: free what was said to be over, by way of the control segment. */
static void daemon_turn(struct hak_control_writer *writer, const struct hak_telemetry_file *previous,
			uint64_t *total)
{
	struct hak_process_payload entry;

	memcpy(&copy, file, sizeof(copy));
	ck_assert_int_eq(validate_copy(previous), 0);
	ck_assert_int_eq(hak_control_find_process(writer->header, &file_key, &entry), 0);
	for (unsigned i = 1; i < HAK_TELEMETRY_SLOTS; i++) {
		if (copy.slot[i].state != HAK_SLOT_EXITED || entry.slots_freed[i] == copy.slot[i].claims)
			continue;
		*total += copy.slot[i].counter[HAK_COUNTER_alloc_count];
		entry.slots_freed[i] = copy.slot[i].claims;
	}
	ck_assert_int_eq(hak_control_put_process(writer, &entry), 0);
	(void)hak_control_bump(writer);
}

/* Return: 0, or what went wrong. */
static int child_lives(const struct hak_control_header *header, uint32_t number)
{
	struct hak_process_payload entry;
	struct hak_telemetry_slot *slot;
	int i;

	if (hak_control_find_process(header, &file_key, &entry) < 0)
		return 2;
	i = hak_telemetry_claim_slot(file, entry.slots_freed, (uint32_t)getpid(), (uint32_t)getppid());
	if (i < 0)
		return 3;
	slot = &file->slot[i];
	slot->counter[HAK_COUNTER_alloc_count] = number;
	slot->state = HAK_SLOT_EXITED;
	return 0;
}

/* Every tenth child is a real one: forks are slow, and the slots cannot tell. */
static int child_run(const struct hak_control_header *header, uint32_t number)
{
	int status;
	pid_t pid;

	if (number % 10 != 0)
		return child_lives(header, number);
	pid = fork();
	if (pid == 0)
		_exit(child_lives(header, number));
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 4;
	return WEXITSTATUS(status);
}

START_TEST(ten_thousand_children_one_after_another_lose_nothing)
{
	struct hak_key key = file_key;
	struct hak_process_payload entry = shm_process(&key, 0);
	struct hak_control_writer writer;
	uint64_t total = 0;

	memset(entry.slots_freed, 0, sizeof(entry.slots_freed));
	ck_assert_int_eq(hak_control_writer_init(&writer, shm_dir), 0);
	ck_assert_int_eq(hak_control_put_process(&writer, &entry), 0);
	memcpy(&before, file, sizeof(before));
	for (uint32_t i = 1; i <= SEQUENTIAL_CHILDREN; i++) {
		ck_assert_int_eq(child_run(writer.header, i), 0);
		if (i % 5 != 0 && i != SEQUENTIAL_CHILDREN)
			continue; /* the daemon is slower than forks, but not by more than the slots */
		daemon_turn(&writer, &before, &total);
		memcpy(&before, &copy, sizeof(before));
	}
	ck_assert_uint_eq(total, (uint64_t)SEQUENTIAL_CHILDREN * (SEQUENTIAL_CHILDREN + 1) / 2);
	ck_assert_uint_eq(file->forks_untracked, 0);
	hak_control_writer_deinit(&writer);
}
END_TEST

START_TEST(log_keeps_the_last_lines_and_cuts_long_ones)
{
	char text[100];

	for (unsigned i = 0; i < 8; i++) {
		(void)snprintf(text, sizeof(text), "line %u", i);
		hak_telemetry_log(&file->slot[0], text);
	}
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	hak_telemetry_log(&file->slot[0], text);
	ck_assert_uint_eq(file->slot[0].log_written, 9);
	ck_assert_str_eq(file->slot[0].log[7 % HAK_TELEMETRY_LOG_LINES].text, "line 7");
	ck_assert_str_eq(file->slot[0].log[3].text, "line 3");
	ck_assert_uint_eq(strlen(file->slot[0].log[2].text), HAK_TELEMETRY_LOG_CHARS - 1);
	ck_assert_uint_gt(file->slot[0].log[0].time_usec, 0);
	ck_assert_uint_eq(file->slot[0].fatal.written, 0);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("telemetry");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, created_file_has_its_name_s_key_mode_0644_and_slot_0_claimed);
	tcase_add_test(tcase, mode_is_0644_under_any_umask_and_errno_is_kept);
	tcase_add_test(tcase, stopped_segment_gives_eshutdown_and_no_file);
	tcase_add_test(tcase, size_limit_gives_efbig_no_signal_and_no_file);
	tcase_add_test(tcase, full_tmpfs_gives_enospc_and_no_file);
	tcase_add_test(tcase, absent_directory_is_enoent);
	tcase_add_test(tcase, children_take_the_free_slots_of_a_part_in_their_order);
	tcase_add_test(tcase, freed_claims_are_taken_again_with_counters_from_zero);
	tcase_add_test(tcase, claims_wrap_past_zero);
	tcase_add_test(tcase, ten_thousand_children_one_after_another_lose_nothing);
	tcase_add_test(tcase, log_keeps_the_last_lines_and_cuts_long_ones);
	return run_suite("telemetry", tcase);
}
