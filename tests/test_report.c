/* SPDX-License-Identifier: MIT */
/* JSON as it is written and as it is shown, targets, and what /proc says of a process. */
#include "json_out.h"

#include "client.h"
#include "due.h"
#include "json_text.h"
#include "log_rate.h"
#include "memory_view.h"
#include "process_check.h"
#include "suite.h"
#include "target.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *text;
static size_t length;
static struct hak_json json;

static void begin(void)
{
	json = (struct hak_json){.file = open_memstream(&text, &length)};
}

static cJSON *end(void)
{
	cJSON *root;

	fclose(json.file);
	root = cJSON_ParseWithOpts(text, NULL, 1);
	ck_assert_msg(root, "no JSON: %s", text);
	return root;
}

START_TEST(document_of_every_kind_of_value_parses)
{
	cJSON *root;

	begin();
	hak_json_begin(&json, NULL, '{');
	hak_json_string(&json, "null", NULL);
	hak_json_u64(&json, "most", UINT64_MAX);
	hak_json_hex(&json, "hex", 0xabc);
	hak_json_milli(&json, "half", 500);
	hak_json_milli(&json, "small", 7);
	hak_json_begin(&json, "list", '[');
	hak_json_bool(&json, NULL, true);
	hak_json_begin(&json, NULL, '{');
	hak_json_end(&json, '}');
	hak_json_bool(&json, NULL, false);
	hak_json_end(&json, ']');
	hak_json_begin(&json, "empty", '[');
	hak_json_end(&json, ']');
	hak_json_null(&json, "last");
	hak_json_end(&json, '}');
	root = end();
	ck_assert_str_eq(
		text,
		"{\"null\":null,\"most\":18446744073709551615,\"hex\":\"0x0000000000000abc\",\"half\":0.500,"
		"\"small\":0.007,\"list\":[true,{},false],\"empty\":[],\"last\":null}");
	cJSON_Delete(root);
	free(text);
}
END_TEST

START_TEST(string_of_any_bytes_parses_and_is_utf8)
{
	char all[256];
	cJSON *root;

	for (int i = 1; i < 256; i++)
		all[i - 1] = (char)i;
	all[255] = '\0';
	begin();
	hak_json_string(&json, NULL, all);
	root = end();
	ck_assert_mem_eq(cJSON_GetStringValue(root), all, 127);
	cJSON_Delete(root);
	free(text);
	begin();
	hak_json_string(&json, NULL,
			"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \xed\xa0\x80 \xc0\xaf \xc2\x9b \xe2\x82");
	root = end();
	ck_assert_str_eq(text, "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80 \\ufffd\\ufffd\\ufffd "
			       "\\ufffd\\ufffd \\ufffd\\ufffd \\ufffd\\ufffd\"");
	cJSON_Delete(root);
	free(text);
}
END_TEST

START_TEST(text_changes_its_white_space_and_nothing_else)
{
	static const char document[] = "{\"a\":[1,18446744073709551615,\"x\\\"]{,:\"],\"b\":{},\"c\":[ ]}\n";

	begin();
	hak_json_text_print(json.file, document, HAK_JSON_SHORT);
	cJSON_Delete(end());
	ck_assert_str_eq(text, "{\"a\":[1,18446744073709551615,\"x\\\"]{,:\"],\"b\":{},\"c\":[]}\n");
	free(text);
	begin();
	hak_json_text_print(json.file, document, HAK_JSON_PRETTY);
	cJSON_Delete(end());
	ck_assert_str_eq(
		text,
		"{\n  \"a\": [\n    1,\n    18446744073709551615,\n    \"x\\\"]{,:\"\n  ],\n  \"b\": {},\n"
		"  \"c\": []\n}\n");
	free(text);
}
END_TEST

START_TEST(target_is_read_or_refused)
{
	static const char *const wrong[] = {"",
					    "pid",
					    "pid:",
					    "pid:0",
					    "pid:-1",
					    "pid:12x",
					    "pid:99999999999999",
					    "unit:",
					    "user:1",
					    "context:12",
					    "context:0123456789ABCDEF0123456789ABCDEF",
					    "**"};
	struct hak_target target;

	ck_assert_int_eq(hak_target_parse("*", &target), 0);
	ck_assert_int_eq(target.kind, HAK_TARGET_ALL);
	ck_assert_int_eq(hak_target_parse("pid:123", &target), 0);
	ck_assert_int_eq(target.pid, 123);
	ck_assert_int_eq(hak_target_parse("unit:a*.service", &target), 0);
	ck_assert_str_eq(target.text, "a*.service");
	ck_assert_int_eq(hak_target_parse("context:0123456789abcdef0123456789abcdef", &target), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_msg(hak_target_parse(wrong[i], &target) == -EINVAL, "accepted '%s'", wrong[i]);
}
END_TEST

START_TEST(backslash_in_a_unit_is_part_of_its_name)
{
	static struct hak_client client = {.place.unit = "a\\x2db.service"};
	struct hak_slot slot = {.client = &client};
	struct hak_target target;

	ck_assert_int_eq(hak_target_parse("unit:a\\x2db.service", &target), 0);
	ck_assert(hak_target_matches(&target, &slot));
	ck_assert_int_eq(hak_target_parse("unit:a\\x2d*", &target), 0);
	ck_assert(hak_target_matches(&target, &slot));
	ck_assert_int_eq(hak_target_parse("unit:a\\*", &target), 0);
	ck_assert(hak_target_matches(&target, &slot));
	ck_assert_int_eq(hak_target_parse("unit:a*c", &target), 0);
	ck_assert(!hak_target_matches(&target, &slot));
}
END_TEST

/* A file mapped by this process, as /proc names it. */
static void *map_file(struct hak_file_id *ret_file)
{
	char path[] = "/tmp/hakmem-map-XXXXXX";
	int fd = mkstemp(path);
	struct stat status;
	void *map;

	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_int_eq(fstat(fd, &status), 0);
	ret_file->inode = status.st_ino;
	ck_assert_int_eq(hak_process_maps_device(map, &ret_file->device_major, &ret_file->device_minor), 0);
	close(fd);
	unlink(path);
	return map;
}

START_TEST(process_that_maps_the_file_is_verified_and_others_are_foreign)
{
	struct hak_process_life life;
	struct hak_file_id file, other;

	ck_assert_ptr_nonnull(map_file(&file));
	munmap(map_file(&other), 4096); /* made while the first lives, so its inode is another one */
	ck_assert_int_eq(hak_process_check(getpid(), &file, getuid(), &life), HAK_PROCESS_VERIFIED);
	ck_assert(hak_process_lives(getpid(), life.born));
	ck_assert(!hak_process_lives(getpid(), life.born + 1)); /* the pid's owner before or after us */
	ck_assert_int_eq(hak_process_check(getpid(), &other, getuid(), &life), HAK_PROCESS_FOREIGN);
	/* Of a user who is not ours and not root. */
	ck_assert_int_eq(hak_process_check(getpid(), &file, getuid() + 12345, &life), HAK_PROCESS_FOREIGN);
	ck_assert_int_eq(hak_process_check(0, &file, getuid(), &life), HAK_PROCESS_ABSENT);
	ck_assert_int_eq(hak_process_check(-1, &file, getuid(), &life), HAK_PROCESS_ABSENT);
}
END_TEST

START_TEST(process_that_ended_is_absent_also_before_it_was_waited_for)
{
	struct hak_file_id file;
	siginfo_t info;
	struct hak_process_life life;
	pid_t child;

	ck_assert_ptr_nonnull(map_file(&file));
	child = fork();
	if (child == 0)
		_exit(0);
	ck_assert_int_eq(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(hak_process_check(child, &file, getuid(), &life), HAK_PROCESS_ABSENT);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(hak_process_check(child, &file, getuid(), &life), HAK_PROCESS_ABSENT);
	ck_assert_int_eq(hak_process_look(child, &life), -ESRCH);
}
END_TEST

/* As with some servers: the main thread ends and others go on. */
static void *outlive(void *data)
{
	while (pause() < 0)
		;
	return data;
}

START_TEST(process_whose_main_thread_ended_lives)
{
	struct hak_process_life life = {.state = '?'};
	struct hak_file_id file;
	pid_t child;

	ck_assert_ptr_nonnull(map_file(&file));
	child = fork();
	if (child == 0) {
		pthread_t thread;

		(void)pthread_create(&thread, NULL, outlive, NULL);
		pthread_exit(NULL);
	}
	while (life.state != 'Z')
		ck_assert_int_eq(hak_process_look(child, &life), 0);
	ck_assert(!hak_process_is_dead(&life));
	ck_assert_int_eq(hak_process_check(child, &file, getuid(), &life), HAK_PROCESS_UNVERIFIED);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert(!hak_process_lives(child, life.born));
}
END_TEST

START_TEST(process_with_brackets_in_its_name_is_read)
{
	struct hak_process_life life;
	pid_t child = fork();

	if (child == 0) {
		(void)prctl(PR_SET_NAME, ") Z 1 (");
		for (;;)
			pause();
	}
	do
		ck_assert_int_eq(hak_process_look(child, &life), 0);
	while (strcmp(life.comm, ") Z 1 (") != 0);
	ck_assert(!hak_process_is_dead(&life));
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

START_TEST(clients_are_due_in_order)
{
	static struct hak_client client[500];
	struct hak_due queue = {.client = NULL};
	uint64_t last = 0;
	size_t left = 0;

	ck_assert_int_eq(hak_due_reserve(&queue, 500), 0);
	srandom(1);
	for (size_t i = 0; i < 500; i++) {
		client[i].due_usec = (uint64_t)random() % 1000 + 1;
		hak_due_put(&queue, &client[i]);
	}
	for (size_t i = 0; i < 500; i += 3) { /* some go, some move */
		hak_due_remove(&queue, &client[i]);
		hak_due_remove(&queue, &client[i]);
		client[i + 1].due_usec = (uint64_t)random() % 1000 + 1;
		hak_due_put(&queue, &client[i + 1]);
	}
	for (struct hak_client *first; (first = hak_due_first(&queue)); left++) {
		ck_assert_uint_ge(first->due_usec, last);
		last = first->due_usec;
		hak_due_remove(&queue, first);
	}
	ck_assert_uint_eq(left, 500 - 167);
	hak_due_deinit(&queue);
}
END_TEST

START_TEST(log_lines_are_let_through_in_bursts_and_at_a_rate)
{
	struct hak_log_rate rate = {0};
	uint64_t suppressed = 7, let_through = 0, now = 5000000;

	for (int i = 0; i < 1000; i++)
		let_through += hak_log_rate_allows(&rate, now, &suppressed);
	ck_assert_uint_eq(let_through, HAK_LOG_RATE_BURST);
	ck_assert(hak_log_rate_allows(&rate, now + 150000, &suppressed));
	ck_assert_uint_eq(suppressed, 1000 - HAK_LOG_RATE_BURST);
	ck_assert(!hak_log_rate_allows(&rate, now + 190000, &suppressed));
	ck_assert(hak_log_rate_allows(&rate, now + 200000, &suppressed)); /* the half line was kept */
	ck_assert_uint_eq(suppressed, 1);
	for (let_through = 0, now += 3600000000u; hak_log_rate_allows(&rate, now, &suppressed);)
		let_through++;
	ck_assert_uint_eq(let_through, HAK_LOG_RATE_BURST);
}
END_TEST

START_TEST(build_id_of_garbage_is_none)
{
	char path[] = "/tmp/hakmem-elf-XXXXXX";
	uint8_t id[HAK_BUILD_ID_BYTES], bytes[8192];
	int fd = mkstemp(path), own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	ck_assert_int_eq(hak_build_id_read(fd, id), -ENOEXEC);
	ck_assert_int_eq(pread(own, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
	close(own);
	srandom(3);
	for (int i = 0; i < 2000; i++) { /* never out of bounds: the sanitizers watch */
		uint8_t broken[sizeof(bytes)];

		memcpy(broken, bytes, sizeof(bytes));
		for (int j = 0; j < 8; j++)
			broken[(size_t)random() % 1024 + 4] = (uint8_t)random();
		ck_assert_int_eq(pwrite(fd, broken, sizeof(broken), 0), (ssize_t)sizeof(broken));
		(void)hak_build_id_read(fd, id);
	}
	close(fd);
}
END_TEST

#ifdef __SANITIZE_THREAD__
enum { OWN_THREADS = 2 }; /* ThreadSanitizer has one of its own */
#else
enum { OWN_THREADS = 1 };
#endif

START_TEST(process_tells_its_name_and_state)
{
	struct hak_process_life life;
	struct hak_executable executable;

	ck_assert_int_eq(hak_process_look(getpid(), &life), 0);
	hak_executable_read(getpid(), &executable);
	ck_assert_str_eq(life.comm, "test_report");
	ck_assert_ptr_nonnull(strstr(executable.path, "/test_report"));
	ck_assert_int_eq(life.state, 'R');
	ck_assert_int_eq(life.threads, OWN_THREADS);
}
END_TEST

/* ---- why a process is large -------------------------------------------------------------------------- */

static const char *finding_of(enum hak_gauge gauge, uint64_t bytes, uint64_t resident, uint64_t purges)
{
	uint64_t gauges[HAK_GAUGE_COUNT] = {[HAK_GAUGE_live_bytes] = 1 << 20};
	uint64_t counters[HAK_COUNTER_COUNT] = {0};
	struct hak_memory_view view;

	gauges[gauge] += bytes;
	counters[HAK_COUNTER_purge_runs] = purges;
	view = hak_memory_view_of(gauges, resident);
	return hak_memory_finding(&view, counters);
}

START_TEST(memory_that_purging_left_is_told_from_memory_that_fragmentation_pins)
{
	const uint64_t much = 64 << 20;

	ck_assert_ptr_null(finding_of(HAK_GAUGE_dirty_bytes, much, 0, 1));
	ck_assert_ptr_nonnull(strstr(finding_of(HAK_GAUGE_dirty_bytes, much, much, 0), "never run"));
	ck_assert_ptr_nonnull(strstr(finding_of(HAK_GAUGE_dirty_bytes, much, much, 1), "kept ready"));
	ck_assert_ptr_nonnull(strstr(finding_of(HAK_GAUGE_slab_free_bytes, much, much, 1), "fragmentation"));
	ck_assert_ptr_nonnull(strstr(finding_of(HAK_GAUGE_lazily_free_bytes, much, much, 1), "lazily"));
	ck_assert_ptr_nonnull(strstr(finding_of(HAK_GAUGE_meta_bytes, much, much, 1), "tables"));
	ck_assert_ptr_nonnull(strstr(finding_of(HAK_GAUGE_heaps, 1, much, 1), "not the allocator's"));
	ck_assert_ptr_nonnull(strstr(finding_of(HAK_GAUGE_live_bytes, much, much, 1), "in use"));
}
END_TEST

START_TEST(pages_of_slabs_that_were_given_back_are_not_resident)
{
	uint64_t gauges[HAK_GAUGE_COUNT] = {0};
	struct hak_memory_view view;

	gauges[HAK_GAUGE_slab_free_bytes] = 60 << 20;
	gauges[HAK_GAUGE_slab_given_bytes] = 50 << 20;
	gauges[HAK_GAUGE_bins_bytes] = 1 << 20;
	view = hak_memory_view_of(gauges, 20 << 20);
	ck_assert_uint_eq(view.pinned, 10 << 20);
	ck_assert_uint_eq(view.active, 61 << 20);
	ck_assert_uint_eq(view.other, 9 << 20);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("report");

	tcase_add_test(tcase, document_of_every_kind_of_value_parses);
	tcase_add_test(tcase, string_of_any_bytes_parses_and_is_utf8);
	tcase_add_test(tcase, text_changes_its_white_space_and_nothing_else);
	tcase_add_test(tcase, target_is_read_or_refused);
	tcase_add_test(tcase, backslash_in_a_unit_is_part_of_its_name);
	tcase_add_test(tcase, process_that_maps_the_file_is_verified_and_others_are_foreign);
	tcase_add_test(tcase, process_that_ended_is_absent_also_before_it_was_waited_for);
	tcase_add_test(tcase, process_tells_its_name_and_state);
	tcase_add_test(tcase, memory_that_purging_left_is_told_from_memory_that_fragmentation_pins);
	tcase_add_test(tcase, pages_of_slabs_that_were_given_back_are_not_resident);
	tcase_add_test(tcase, process_whose_main_thread_ended_lives);
	tcase_add_test(tcase, process_with_brackets_in_its_name_is_read);
	tcase_add_test(tcase, build_id_of_garbage_is_none);
	tcase_add_test(tcase, clients_are_due_in_order);
	tcase_add_test(tcase, log_lines_are_let_through_in_bursts_and_at_a_rate);
	return run_suite("report", tcase);
}
