/* SPDX-License-Identifier: MIT */
/* Which contexts go from memory, and which with their files. The least used of all is in test_learner.c. */
#include "learner_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "learned_file.h"
#include "shm_fixture.h"
#include "suite.h"

enum { SAFE = 0, HOARD = 7 };

static bool has_file(uint64_t context)
{
	struct hak_key key = shm_key(context);
	char name[HAK_LEARNED_NAME_CHARS + 1];

	hak_learned_file_name(&key, name);
	return faccessat(learner.directory_fd, name, F_OK, 0) == 0;
}

/* A program of @scope, @unit plays once, and ends. */
static void live_and_end(uint64_t context, const char *scope, const char *unit)
{
	struct player player;

	begin_player(&player, context, context);
	strcpy(player.client.place.scope, scope);
	strcpy(player.client.place.unit, unit);
	play(&player, HOARD, SAFE, 1, 100000);
	hak_learner_collect(&learner, &player.client);
	learner_write(0);
	player.client.learned->used_usec = context; /* a clock may not move between two of them */
	hak_learner_forget(&player.client);
	hak_learner_find(&learner, &player.client.context)->used_usec = context;
}

/* Whatever a user calls his programs and his units; others are not touched. */
START_TEST(user_has_so_many_files_and_no_more)
{
	const uint64_t more = 5, system = 100000, other = 200000, held = 1;
	struct hak_key key = shm_key(held);
	char unit[32];

	live_and_end(system, "system", "a.service");
	live_and_end(other, "user:1001", "");
	for (uint64_t context = 1; context <= HAK_LEARNER_FILES_OF_ONE + more; context++) {
		snprintf(unit, sizeof(unit), "%u.service", (unsigned)context);
		live_and_end(context, "user:1000", unit);
		hak_learner_find(&learner, &key)->life.held = true;
	}
	ck_assert(has_file(system) && has_file(other) && has_file(held));
	for (uint64_t context = 2; context <= HAK_LEARNER_FILES_OF_ONE + more; context++)
		ck_assert_msg(has_file(context) == (context > 1 + more), "%u", (unsigned)context);
	for (uint64_t context = 1; context <= HAK_LEARNER_FILES_OF_ONE; context++)
		live_and_end(system + context, "system", "a.service");
	ck_assert(!has_file(system) && has_file(system + 1));
	live_and_end(system - 1, "system", "b.service");
	ck_assert(has_file(system - 1) && has_file(system + 1));
}
END_TEST

START_TEST(context_with_news_goes_when_they_are_on_disk)
{
	struct player player;
	struct hak_key first = shm_key(1), second = shm_key(2);

	for (uint64_t context = 1; context <= HAK_LEARNER_CONTEXTS; context++) {
		begin_player(&player, context, context);
		if (context == 1)
			play(&player, HOARD, SAFE, 3, 100000);
		hak_learner_meet(&learner, &player.client);
		hak_learner_forget(&player.client);
		hak_learner_find(&learner, &player.client.context)->used_usec = context;
	}
	told.disk_is_slow = true;
	for (uint64_t more = 1; more <= 2; more++) {
		begin_player(&player, HAK_LEARNER_CONTEXTS + more, HAK_LEARNER_CONTEXTS + more);
		hak_learner_meet(&learner, &player.client);
		hak_learner_forget(&player.client);
		ck_assert_uint_eq(learner.contexts.count, HAK_LEARNER_CONTEXTS);
		ck_assert(!hak_learner_find(&learner, &first) == (more == 2));
		ck_assert_ptr_null(hak_learner_find(&learner, &second)); /* in its place */
		ck_assert(has_file(1) == (more == 2));
		learner_write(0);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("evict");

	tcase_add_checked_fixture(tcase, learner_set_up, learner_tear_down);
	tcase_add_test(tcase, context_with_news_goes_when_they_are_on_disk);
	tcase_add_test(tcase, user_has_so_many_files_and_no_more);
	return run_suite("evict", tcase);
}
