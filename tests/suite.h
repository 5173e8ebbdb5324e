/* SPDX-License-Identifier: MIT */
/* What every suite of one test case does in main(), and a seeded source of numbers for model-based tests. */
#ifndef HAK_TESTS_SUITE_H
#define HAK_TESTS_SUITE_H

#include <check.h>
#include <stdint.h>
#include <stdlib.h>

static inline int run_suite(const char *name, TCase *tcase)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 600);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* As ck_assert(), for what is asked a hundred thousand times: that tells Check's own process by a system call
 * of each condition that holds, this only of the one that does not. */
#define require(condition)                              \
	do {                                            \
		if (!(condition))                       \
			ck_abort_msg("%s", #condition); \
	} while (0)

/* xorshift64*, Vigna 2016. The state must not be zero. */
static inline uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

#endif
