/* SPDX-License-Identifier: MIT */
/* Edit distance, three rows at a time. See nearest.h. */
#include "nearest.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

enum { NEAR_EDITS = 2 };

static size_t least(size_t left, size_t right)
{
	return left < right ? left : right;
}

static int same_letter(char left, char right)
{
	return tolower((unsigned char)left) == tolower((unsigned char)right);
}

size_t hak_nearest_distance(const char *left, const char *right)
{
	size_t left_chars = strlen(left);
	size_t right_chars = strlen(right);
	uint8_t rows[3][HAK_NEAREST_CHARS + 1];
	uint8_t *before = rows[0], *above = rows[1], *row = rows[2], *recycled;

	if (left_chars > HAK_NEAREST_CHARS || right_chars > HAK_NEAREST_CHARS)
		return left_chars > right_chars ? left_chars : right_chars;
	for (size_t j = 0; j <= right_chars; j++)
		above[j] = (uint8_t)j;
	for (size_t i = 1; i <= left_chars; i++) {
		row[0] = (uint8_t)i;
		for (size_t j = 1; j <= right_chars; j++) {
			size_t edits = above[j - 1] + !same_letter(left[i - 1], right[j - 1]);

			edits = least(edits, above[j] + 1u);
			edits = least(edits, row[j - 1] + 1u);
			if (i > 1 && j > 1 && same_letter(left[i - 1], right[j - 2]) &&
			    same_letter(left[i - 2], right[j - 1]))
				edits = least(edits, before[j - 2] + 1u);
			row[j] = (uint8_t)edits;
		}
		recycled = before;
		before = above;
		above = row;
		row = recycled;
	}
	return above[right_chars];
}

const char *hak_nearest_word(const char *word, const char *const *words, size_t count)
{
	size_t best_edits = least(NEAR_EDITS, strlen(word) ? (strlen(word) - 1) / 2 : 0) + 1;
	const char *best = NULL;

	/* Words of one or two letters have no room for a mistake that still tells them apart. */
	for (size_t i = 0; i < count; i++) {
		size_t edits = hak_nearest_distance(word, words[i]);

		if (edits < best_edits) {
			best_edits = edits;
			best = words[i];
		}
	}
	return best;
}
