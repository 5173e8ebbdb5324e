/* SPDX-License-Identifier: MIT */
#include "sizeclass.h"

_Static_assert(HAK_CLASS_SMALL_COUNT == 64, "the table of malloc's first branch belongs to these classes");

#define ROW(bytes, first, grown, depth)                             \
	{bytes, (uint32_t)((UINT64_C(0xffffffff) + bytes) / bytes), \
	 first, grown,                                              \
	 depth, bytes % HAK_LINE_BYTES != 0,                        \
	 HAK_DEEPEST_BIN(bytes)},

const struct hak_size_class hak_size_class[HAK_CLASS_COUNT] = {
	{0}, HAK_SIZE_CLASSES(ROW)[HAK_CLASS_MOSAIC] = {.bin_depth = HAK_MOSAIC_BIN_DEPTH},
};

/* Classes from @class on, a @step apart, of which the first begins at entry @from. */
#define ONE(from, step, class, i) [(from) + (step) * (i) ... (from) + (step) * ((i) + 1) - 1] = (class) + (i)
#define FOUR(from, step, class)                                                               \
	ONE(from, step, class, 0), ONE(from, step, class, 1), ONE(from, step, class, 2), \
		ONE(from, step, class, 3)

/* Entry i holds the first class whose blocks have i bytes; test_sizeclass proves it. */
const uint8_t hak_class_of_fast[HAK_FAST_MAX_BYTES + 1] = {
	[0] = 1,
	FOUR(1, 16, 1), FOUR(65, 16, 5), FOUR(129, 16, 9), FOUR(193, 16, 13),
	FOUR(257, 32, 17), FOUR(385, 32, 21),
	FOUR(513, 64, 25), FOUR(769, 64, 29),
};

/* Entry i: the first class of blocks of i + 1 times HAK_COARSE_BYTES. The first eight have no use. */
const uint8_t hak_class_of_coarse[HAK_SMALL_MAX_BYTES / HAK_COARSE_BYTES] = {
	FOUR(8, 1, 33), FOUR(12, 1, 37),
	FOUR(16, 2, 41), FOUR(24, 2, 45),
	FOUR(32, 4, 49), FOUR(48, 4, 53),
	FOUR(64, 16, 57),
	FOUR(128, 32, 61),
};
