/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "sizing.h"
#include "suite.h"

/* Costs around 10000 with a uniform scatter of @percent either way; its standard deviation is 0.577 of it. */
static uint64_t noisy_cost(uint64_t *seed, unsigned percent)
{
	return 10000 - percent * 100 + next_random(seed) % (percent * 200 + 1);
}

static uint32_t size_found(uint64_t seed, unsigned percent, uint64_t tick_ns, struct hak_sizing *ret_sizing)
{
	unsigned windows = 0;

	hak_sizing_begin(ret_sizing);
	/* Each doubling halves the variance, as of independent noise. */
	while (!hak_sizing_add(ret_sizing, noisy_cost(&seed, percent * 16 / ret_sizing->window_ticks + 1),
			       tick_ns * ret_sizing->window_ticks))
		ck_assert_uint_lt(++windows, 1000);
	return ret_sizing->window_ticks;
}

START_TEST(quiet_windows_stay_as_small_as_they_begin)
{
	struct hak_sizing sizing;

	for (uint64_t seed = 1; seed < 100; seed++) {
		ck_assert_uint_eq(size_found(seed, 3, 1000, &sizing), HAK_SIZING_FIRST_TICKS);
		ck_assert_uint_eq(sizing.windows, HAK_SIZING_STEPS + 1);
	}
}
END_TEST

START_TEST(noisy_windows_grow_until_they_can_be_compared)
{
	struct hak_sizing sizing;

	for (uint64_t seed = 1; seed < 100; seed++) {
		ck_assert_uint_gt(size_found(seed, 80, 1000, &sizing), HAK_SIZING_FIRST_TICKS);
		ck_assert_int_le(sizing.scatter, HAK_SIZING_NOISY);
	}
}
END_TEST

START_TEST(long_windows_grow_no_more_and_say_how_noisy_they_are)
{
	struct hak_sizing sizing;
	uint64_t seed = 3;

	hak_sizing_begin(&sizing);
	while (!hak_sizing_add(&sizing, noisy_cost(&seed, 90), 2000000 * (uint64_t)sizing.window_ticks))
		ck_assert_uint_lt(sizing.window_ticks, 64);
	ck_assert_uint_eq(sizing.window_ticks, HAK_SIZING_FIRST_TICKS);
	ck_assert_int_gt(sizing.scatter, HAK_SIZING_NOISY);
}
END_TEST

START_TEST(two_odd_windows_of_eight_do_not_make_it_noisy)
{
	struct hak_sizing sizing;

	hak_sizing_begin(&sizing);
	for (unsigned i = 0; i < HAK_SIZING_STEPS; i++)
		ck_assert(!hak_sizing_add(&sizing, i == 4 ? 25000 : 10000 + i * 10, 1000));
	ck_assert(hak_sizing_add(&sizing, 10000, 1000));
	ck_assert_int_lt(sizing.scatter, HAK_SIZING_NOISY / 10);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("sizing");

	tcase_add_test(tcase, quiet_windows_stay_as_small_as_they_begin);
	tcase_add_test(tcase, noisy_windows_grow_until_they_can_be_compared);
	tcase_add_test(tcase, long_windows_grow_no_more_and_say_how_noisy_they_are);
	tcase_add_test(tcase, two_odd_windows_of_eight_do_not_make_it_noisy);
	return run_suite("sizing", tcase);
}
