/* SPDX-License-Identifier: MIT */
/* Events reach who subscribed, whole or not at all; budgets of users are their own. */
#include "events.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "budget.h"
#include "suite.h"

enum { ALICE = 1000, BOB = 1001 };

static sd_event *event;
static struct hak_events events;
static char text[1 << 17];

static void set_up(void)
{
	ck_assert_int_ge(sd_event_new(&event), 0);
	hak_events_init(&events, event);
}

static void tear_down(void)
{
	hak_events_deinit(&events);
	sd_event_unref(event);
}

static int subscribe(enum hak_event_topic topic, uid_t uid)
{
	int fd;

	ck_assert_int_eq(hak_events_subscribe(&events, 1u << topic, uid, uid == 0, &fd), 0);
	return fd;
}

/* What came since; without the hello. */
static const char *read_all(int fd)
{
	ssize_t length = read(fd, text, sizeof(text) - 1);
	char *begin;

	ck_assert_int_gt(length, 0);
	text[length] = '\0';
	begin = strstr(text, "\"hello\"") ? strchr(text, '\n') + 1 : text;
	return begin;
}

static void happen(const char *secret, uid_t owner)
{
	struct hak_json *json = hak_event_begin(&events, HAK_EVENT_LOG);

	ck_assert_ptr_nonnull(json);
	hak_json_string(json, "known", "to all");
	hak_event_secret(&events);
	hak_json_string(json, "text", secret);
	hak_event_end(&events, owner);
}

START_TEST(event_that_nobody_wants_is_not_begun)
{
	int fd;

	ck_assert_ptr_null(hak_event_begin(&events, HAK_EVENT_LOG));
	fd = subscribe(HAK_EVENT_JOB, ALICE);
	ck_assert_ptr_null(hak_event_begin(&events, HAK_EVENT_LOG));
	ck_assert_uint_eq(events.sequence, 0);
	close(fd);
}
END_TEST

START_TEST(secret_part_is_for_owner_and_root)
{
	int alice = subscribe(HAK_EVENT_LOG, ALICE), bob = subscribe(HAK_EVENT_LOG, BOB);
	int root = subscribe(HAK_EVENT_LOG, 0);

	happen("hidden", ALICE);
	ck_assert_ptr_nonnull(strstr(read_all(alice), "\"text\":\"hidden\"}\n"));
	ck_assert_ptr_nonnull(strstr(read_all(root), "\"text\":\"hidden\"}\n"));
	ck_assert_ptr_nonnull(strstr(read_all(bob), "\"known\":\"to all\"}\n"));
	ck_assert_ptr_null(strstr(text, "hidden"));
	close(alice);
	close(bob);
	close(root);
}
END_TEST

START_TEST(full_pipe_loses_whole_lines_and_says_how_many)
{
	unsigned written = 0, lines = 0, lost = 0;
	int fd = subscribe(HAK_EVENT_LOG, ALICE);
	char secret[1000];

	memset(secret, 'x', sizeof(secret) - 1);
	secret[sizeof(secret) - 1] = '\0';
	for (; written < 100; written++) /* 64 KiB hold fewer */
		happen(secret, ALICE);
	for (const char *at = read_all(fd); *at; at = strchr(at, '\n') + 1) {
		ck_assert_int_eq(*at, '{');
		lines++;
	}
	ck_assert_uint_lt(lines, written);
	happen("last", ALICE);
	ck_assert_int_eq(sscanf(strstr(read_all(fd), "\"lines\":"), "\"lines\":%u", &lost), 1);
	ck_assert_uint_eq(lines + lost, written);
	ck_assert_ptr_nonnull(strstr(text, "\"text\":\"last\""));
	close(fd);
}
END_TEST

START_TEST(line_too_long_for_a_pipe_counts_as_lost)
{
	int fd = subscribe(HAK_EVENT_LOG, ALICE);
	char secret[5000];

	memset(secret, 'x', sizeof(secret) - 1);
	secret[sizeof(secret) - 1] = '\0';
	happen(secret, ALICE);
	happen("short", ALICE);
	ck_assert_ptr_nonnull(strstr(read_all(fd), "\"lines\":1}\n"));
	ck_assert_ptr_nonnull(strstr(text, "short"));
	close(fd);
}
END_TEST

START_TEST(reader_that_closes_is_forgotten)
{
	int fd = subscribe(HAK_EVENT_LOG, ALICE);

	close(fd);
	ck_assert_int_gt(sd_event_run(event, 1000000), 0);
	ck_assert(LIST_EMPTY(&events.subscribers));
}
END_TEST

START_TEST(subscribers_of_one_user_are_bounded)
{
	int fd[HAK_EVENTS_PER_UID], one;

	for (int i = 0; i < HAK_EVENTS_PER_UID; i++)
		fd[i] = subscribe(HAK_EVENT_LOG, ALICE);
	ck_assert_int_eq(hak_events_subscribe(&events, 1, ALICE, false, &one), -ENOBUFS);
	one = subscribe(HAK_EVENT_LOG, BOB);
	close(one);
	for (int i = 0; i < HAK_EVENTS_PER_UID; i++)
		close(fd[i]);
}
END_TEST

START_TEST(budget_spent_refuses_until_time_has_passed)
{
	struct hak_budget budget = {0};
	uint64_t now = 5000000;

	ck_assert(hak_budget_allows(&budget, ALICE, now));
	hak_budget_charge(&budget, ALICE, now, now + HAK_BUDGET_MOST_USEC + 300000);
	now += HAK_BUDGET_MOST_USEC + 300000; /* an eighth of which came back meanwhile */
	ck_assert(!hak_budget_allows(&budget, ALICE, now));
	ck_assert_msg(hak_budget_allows(&budget, BOB, now), "another's account is its own");
	ck_assert(hak_budget_allows(&budget, ALICE, now + 300000 * HAK_BUDGET_SHARE));
}
END_TEST

START_TEST(budget_in_the_long_run_is_the_share)
{
	struct hak_budget budget = {0};
	uint64_t now = 1, used = 0, begin = now + 20000000;

	for (; now < begin + 100000000; now += 1000) {
		if (!hak_budget_allows(&budget, ALICE, now))
			continue;
		hak_budget_charge(&budget, ALICE, now, now + 10000);
		now += 10000;
		used += now > begin ? 10000 : 0;
	}
	ck_assert_uint_ge(used, 100000000 / HAK_BUDGET_SHARE - 200000);
	ck_assert_uint_le(used, 100000000 / HAK_BUDGET_SHARE + 200000);
}
END_TEST

START_TEST(budget_of_many_users_forgets_the_longest_unused)
{
	struct hak_budget budget = {0};

	hak_budget_charge(&budget, ALICE, 1000000, 9000000);
	for (uid_t uid = 1; uid <= HAK_BUDGET_ACCOUNTS - 1; uid++)
		ck_assert(hak_budget_allows(&budget, 5000 + uid, 9000001 + uid));
	ck_assert_msg(!hak_budget_allows(&budget, ALICE, 9000100), "all have room");
	ck_assert(hak_budget_allows(&budget, 9999, 9000200));
	ck_assert_msg(!hak_budget_allows(&budget, ALICE, 9000300), "another one gave way");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("events");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, event_that_nobody_wants_is_not_begun);
	tcase_add_test(tcase, secret_part_is_for_owner_and_root);
	tcase_add_test(tcase, full_pipe_loses_whole_lines_and_says_how_many);
	tcase_add_test(tcase, line_too_long_for_a_pipe_counts_as_lost);
	tcase_add_test(tcase, reader_that_closes_is_forgotten);
	tcase_add_test(tcase, subscribers_of_one_user_are_bounded);
	tcase_add_test(tcase, budget_spent_refuses_until_time_has_passed);
	tcase_add_test(tcase, budget_in_the_long_run_is_the_share);
	tcase_add_test(tcase, budget_of_many_users_forgets_the_longest_unused);
	return run_suite("events", tcase);
}
