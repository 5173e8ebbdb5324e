/* SPDX-License-Identifier: MIT */
#include "nearest.h"

#include "suite.h"

START_TEST(distance_of_known_pairs)
{
	static const struct {
		const char *left, *right;
		size_t edits;
	} pairs[] = {
		{"", "", 0},
		{"a", "", 1},
		{"", "abc", 3},
		{"kitten", "sitting", 3},
		{"ab", "ba", 1},
		{"stauts", "status", 1},
		{"ca", "abc", 3},
		{"FAST", "fast", 0},
		{"set-mode", "setmode", 1},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		ck_assert_uint_eq(hak_nearest_distance(pairs[i].left, pairs[i].right), pairs[i].edits);
		ck_assert_uint_eq(hak_nearest_distance(pairs[i].right, pairs[i].left), pairs[i].edits);
	}
}
END_TEST

START_TEST(distance_of_a_word_beyond_the_buffer_is_its_length)
{
	char word[200];

	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	ck_assert_uint_eq(hak_nearest_distance(word, "x"), sizeof(word) - 1);
}
END_TEST

START_TEST(word_that_is_near_is_found_and_a_far_one_is_not)
{
	static const char *const words[] = {"minimal", "fast", "balanced", "learning", "research"};

	ck_assert_str_eq(hak_nearest_word("balancd", words, 5), "balanced");
	ck_assert_str_eq(hak_nearest_word("fsat", words, 5), "fast");
	ck_assert_str_eq(hak_nearest_word("lerning", words, 5), "learning");
	ck_assert_ptr_null(hak_nearest_word("turbo", words, 5));
	ck_assert_ptr_null(hak_nearest_word("", words, 5));
	ck_assert_ptr_null(hak_nearest_word("f", words, 5));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("nearest");

	tcase_add_test(tcase, distance_of_known_pairs);
	tcase_add_test(tcase, distance_of_a_word_beyond_the_buffer_is_its_length);
	tcase_add_test(tcase, word_that_is_near_is_found_and_a_far_one_is_not);
	return run_suite("nearest", tcase);
}
