/* SPDX-License-Identifier: MIT */
#include "policy.h"

#include "counters.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <string.h>

/* The feature matrix, cell by cell: mode, elo, free policy, THP, evolution, log, bigcache, batch, bins. */
static const struct {
	enum hak_mode mode;
	const char *name, *elo, *free_policy, *thp, *evolution, *log;
	bool bigcache, batch, thread_bins;
} matrix[] = {
	{HAK_MODE_MINIMAL, "minimal", "off", "batch", "off", "none", "off", false, false, false},
	{HAK_MODE_FAST, "fast", "frozen", "adaptive", "auto", "frozen", "off", true, true, true},
	{HAK_MODE_BALANCED, "balanced", "frozen", "adaptive", "auto", "frozen", "off", true, true, true},
	{HAK_MODE_LEARNING, "learning", "learn", "adaptive", "auto", "learn", "minimal", true, true, false},
	{HAK_MODE_RESEARCH, "research", "learn", "adaptive", "on", "learn", "verbose", true, true, false},
};

START_TEST(policy_of_each_mode_is_its_row_of_the_matrix)
{
	struct hak_policy policy = hak_policy_of_mode(matrix[_i].mode);

	ck_assert_uint_eq(policy.mode, matrix[_i].mode);
	ck_assert_str_eq(hak_mode_name(policy.mode), matrix[_i].name);
	ck_assert_str_eq(hak_elo_name(policy.elo), matrix[_i].elo);
	ck_assert_str_eq(hak_free_policy_name(policy.free_policy), matrix[_i].free_policy);
	ck_assert_str_eq(hak_thp_name(policy.thp), matrix[_i].thp);
	ck_assert_str_eq(hak_evolution_name(policy.evolution), matrix[_i].evolution);
	ck_assert_str_eq(hak_log_name(policy.log), matrix[_i].log);
	ck_assert_int_eq(policy.bigcache, matrix[_i].bigcache);
	ck_assert_int_eq(policy.batch, matrix[_i].batch);
	ck_assert_int_eq(policy.thread_bins, matrix[_i].thread_bins);
	ck_assert_int_eq(policy.panic, false);
	ck_assert_uint_eq(policy.strategy, 0);
}
END_TEST

START_TEST(policy_of_unknown_mode_is_balanced)
{
	ck_assert_uint_eq(hak_policy_of_mode(HAK_MODE_COUNT).mode, HAK_MODE_BALANCED);
	ck_assert_uint_eq(hak_policy_of_mode((enum hak_mode)-1).mode, HAK_MODE_BALANCED);
}
END_TEST

START_TEST(word_has_its_documented_bits)
{
	struct hak_policy policy = {
		.mode = HAK_MODE_RESEARCH,
		.elo = HAK_ELO_LEARN,
		.free_policy = HAK_FREE_ADAPTIVE,
		.thp = HAK_THP_ON,
		.evolution = HAK_EVO_CANARY,
		.log = HAK_LOG_VERBOSE,
		.strategy = 0xa5,
	};
	uint64_t base = UINT64_C(0x12345678a5802e64);

	ck_assert_uint_eq(hak_policy_pack(&policy, 0x12345678), base);
	policy.bigcache = true;
	ck_assert_uint_eq(hak_policy_pack(&policy, 0x12345678), base | 1 << 14);
	policy.batch = true;
	ck_assert_uint_eq(hak_policy_pack(&policy, 0x12345678), base | 3 << 14);
	policy.thread_bins = true;
	ck_assert_uint_eq(hak_policy_pack(&policy, 0x12345678), base | 7 << 14);
	policy.panic = true;
	ck_assert_uint_eq(hak_policy_pack(&policy, 0x12345678), base | 15 << 14);
}
END_TEST

START_TEST(word_of_each_mode_unpacks_to_the_same_policy)
{
	struct hak_policy policy = hak_policy_of_mode(matrix[_i].mode), back;
	uint32_t epoch = 0;

	policy.strategy = (uint8_t)(200 + _i);
	ck_assert_int_eq(hak_policy_unpack(hak_policy_pack(&policy, 77), &back, &epoch), 0);
	ck_assert_uint_eq(epoch, 77);
	ck_assert_uint_eq(hak_policy_pack(&back, 77), hak_policy_pack(&policy, 77));
	ck_assert_int_eq(hak_policy_unpack(hak_policy_pack(&policy, 77), &back, NULL), 0);
}
END_TEST

/* A good word with one field replaced by something that has no meaning. */
static const struct {
	unsigned shift, bits, value;
} bad_fields[] = {
	{0, 4, 5},   {0, 4, 15},  {4, 2, 3},   {6, 2, 2},   {6, 2, 3},   {8, 2, 3},
	{12, 2, 3},  {18, 1, 1},  {19, 1, 1},  {20, 1, 1},  {21, 1, 1},  {22, 1, 1},
	{23, 1, 0},
};

START_TEST(word_with_a_meaningless_field_is_refused_and_output_kept)
{
	struct hak_policy good = hak_policy_of_mode(HAK_MODE_BALANCED), out;
	uint64_t word = hak_policy_pack(&good, 1);
	uint32_t epoch = 123;

	word &= ~(((UINT64_C(1) << bad_fields[_i].bits) - 1) << bad_fields[_i].shift);
	word |= (uint64_t)bad_fields[_i].value << bad_fields[_i].shift;
	memset(&out, 0x5a, sizeof(out));
	ck_assert_int_eq(hak_policy_unpack(word, &out, &epoch), -EINVAL);
	ck_assert_uint_eq(out.mode, 0x5a);
	ck_assert_uint_eq(out.strategy, 0x5a);
	ck_assert_uint_eq(epoch, 123);
}
END_TEST

START_TEST(zero_word_is_no_policy)
{
	struct hak_policy out;

	ck_assert_int_eq(hak_policy_unpack(0, &out, NULL), -EINVAL);
}
END_TEST

START_TEST(names_parse_back_and_unknown_ones_are_refused)
{
	enum hak_mode mode = HAK_MODE_COUNT;
	enum hak_free_policy free_policy = HAK_FREE_COUNT;
	enum hak_thp thp = HAK_THP_COUNT;
	enum hak_evolution evolution = HAK_EVO_COUNT;

	ck_assert_int_eq(hak_mode_parse("Fast", &mode), -EINVAL);
	ck_assert_int_eq(hak_mode_parse("", &mode), -EINVAL);
	ck_assert_int_eq(mode, HAK_MODE_COUNT);
	for (unsigned i = 0; i < HAK_MODE_COUNT; i++) {
		ck_assert_int_eq(hak_mode_parse(hak_mode_name(i), &mode), 0);
		ck_assert_uint_eq(mode, i);
	}
	for (unsigned i = 0; i < HAK_FREE_COUNT; i++) {
		ck_assert_int_eq(hak_free_policy_parse(hak_free_policy_name(i), &free_policy), 0);
		ck_assert_uint_eq(free_policy, i);
	}
	ck_assert_int_eq(hak_free_policy_parse("off", &free_policy), -EINVAL);
	for (unsigned i = 0; i < HAK_THP_COUNT; i++) {
		ck_assert_int_eq(hak_thp_parse(hak_thp_name(i), &thp), 0);
		ck_assert_uint_eq(thp, i);
	}
	ck_assert_int_eq(hak_thp_parse("always", &thp), -EINVAL);
	for (unsigned i = HAK_EVO_FROZEN; i < HAK_EVO_COUNT; i++) {
		ck_assert_int_eq(hak_evolution_parse(hak_evolution_name(i), &evolution), 0);
		ck_assert_uint_eq(evolution, i);
	}
	ck_assert_int_eq(hak_evolution_parse("none", &evolution), -EINVAL);
	ck_assert_str_eq(hak_mode_name(HAK_MODE_COUNT), "unknown");
}
END_TEST

START_TEST(every_counter_and_gauge_has_a_name)
{
	for (unsigned i = 0; i < HAK_COUNTER_COUNT; i++)
		ck_assert_ptr_nonnull(hak_counter_name(i));
	for (unsigned i = 0; i < HAK_GAUGE_COUNT; i++)
		ck_assert_ptr_nonnull(hak_gauge_name(i));
	ck_assert_ptr_null(hak_counter_name(HAK_COUNTER_COUNT));
	ck_assert_ptr_null(hak_gauge_name((enum hak_gauge)-1));
	/* positions are the protocol: the first, one from the middle, the last of version 1 */
	ck_assert_str_eq(hak_counter_name(0), "alloc_count");
	ck_assert_str_eq(hak_counter_name(20), "early_free_null");
	ck_assert_str_eq(hak_counter_name(46), "thp_advised_bytes");
	ck_assert_str_eq(hak_counter_name(47), "game_windows");
	ck_assert_str_eq(hak_counter_name(59), "returned_calls");
	ck_assert_str_eq(hak_gauge_name(9), "threads");
	ck_assert_str_eq(hak_gauge_name(14), "slab_given_bytes");
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("policy");

	tcase_add_loop_test(tcase, policy_of_each_mode_is_its_row_of_the_matrix, 0, HAK_MODE_COUNT);
	tcase_add_test(tcase, policy_of_unknown_mode_is_balanced);
	tcase_add_test(tcase, word_has_its_documented_bits);
	tcase_add_loop_test(tcase, word_of_each_mode_unpacks_to_the_same_policy, 0, HAK_MODE_COUNT);
	tcase_add_loop_test(tcase, word_with_a_meaningless_field_is_refused_and_output_kept, 0,
			    sizeof(bad_fields) / sizeof(bad_fields[0]));
	tcase_add_test(tcase, zero_word_is_no_policy);
	tcase_add_test(tcase, names_parse_back_and_unknown_ones_are_refused);
	tcase_add_test(tcase, every_counter_and_gauge_has_a_name);
	return run_suite("policy", tcase);
}
