/* SPDX-License-Identifier: MIT */
/*
 * The right word for a mistyped one, for every place where a person types: verbs, modes, configuration keys.
 */
#ifndef HAK_COMMON_NEAREST_H
#define HAK_COMMON_NEAREST_H

#include <stddef.h>

enum { HAK_NEAREST_CHARS = 63 };

/**
 * hak_nearest_distance() - insertions, deletions, substitutions and swaps of neighbours between two words
 * Upper and lower case count as equal. A swapped pair is not edited again (optimal string alignment).
 * Return: the count; words longer than HAK_NEAREST_CHARS give their length (no word is near).
 */
size_t hak_nearest_distance(const char *left, const char *right);

/**
 * hak_nearest_word() - the one of @words that was most probably meant by @word
 * Return: an element of @words (the first of equals); NULL where none is near enough to be a help, that is
 *         within two edits and less than half of the typed word's length.
 */
const char *hak_nearest_word(const char *word, const char *const *words, size_t count);

#endif
