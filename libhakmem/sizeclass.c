/* SPDX-License-Identifier: MIT */
#include "sizeclass.h"

_Static_assert(HAK_CLASS_SMALL_COUNT == 52, "the table of malloc's first branch belongs to these classes");

#define ROW(bytes, first, grown, depth)                             \
	{bytes, (uint32_t)((UINT64_C(0xffffffff) + bytes) / bytes), \
	 first, grown,                                              \
	 depth, bytes % HAK_LINE_BYTES != 0,                        \
	 HAK_DEEPEST_BIN(bytes, depth)},

const struct hak_size_class hak_size_class[HAK_CLASS_COUNT] = {{0}, HAK_SIZE_CLASSES(ROW)};

/* Entry i holds the first class whose blocks have 16 * i bytes; test_sizeclass proves it. */
const uint8_t hak_class_of_fast[HAK_FAST_MAX_BYTES / HAK_ALIGN_BYTES + 1] = {
	1,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 17, 18, 18, 19,
	19, 20, 20, 21, 21, 22, 22, 23, 23, 24, 24, 25, 25, 25, 25, 26, 26, 26, 26, 27, 27, 27,
	27, 28, 28, 28, 28, 29, 29, 29, 29, 30, 30, 30, 30, 31, 31, 31, 31, 32, 32, 32, 32,
};
