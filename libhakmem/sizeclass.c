/* SPDX-License-Identifier: MIT */
#include "sizeclass.h"

_Static_assert(HAK_CLASS_SMALL_COUNT == 64, "the table of malloc's first branch belongs to these classes");

#define ROW(bytes, first, grown, depth)                             \
	{bytes, (uint32_t)((UINT64_C(0xffffffff) + bytes) / bytes), \
	 first, grown,                                              \
	 depth, bytes % HAK_LINE_BYTES != 0,                        \
	 HAK_DEEPEST_BIN(bytes, depth)},

const struct hak_size_class hak_size_class[HAK_CLASS_COUNT] = {
	{0}, HAK_SIZE_CLASSES(ROW)[HAK_CLASS_MOSAIC] = {.bin_depth = HAK_MOSAIC_BIN_DEPTH},
};

/* Classes from @class on, of blocks a @step apart, whose first has more than @above bytes. */
#define ONE(above, step, class, i) \
	[(above) + (step) * (i) + 1 ... (above) + (step) * ((i) + 1)] = (class) + (i)
#define FOUR(above, step, class)                                                               \
	ONE(above, step, class, 0), ONE(above, step, class, 1), ONE(above, step, class, 2), \
		ONE(above, step, class, 3)

/* Entry i holds the first class whose blocks have i bytes; test_sizeclass proves it. */
const uint8_t hak_class_of_fast[HAK_FAST_MAX_BYTES + 1] = {
	[0] = 1,
	FOUR(0, 16, 1), FOUR(64, 16, 5), FOUR(128, 16, 9), FOUR(192, 16, 13),
	FOUR(256, 32, 17), FOUR(384, 32, 21),
	FOUR(512, 64, 25), FOUR(768, 64, 29),
};
