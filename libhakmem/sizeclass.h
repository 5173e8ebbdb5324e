/* SPDX-License-Identifier: MIT */
/*
 * Size classes of small blocks: steps of 16 bytes to 256, then eight a doubling to 8 KiB and four to 32 KiB,
 * so that a block is at most 12.5 % (25 % above 8 KiB) larger than asked for.
 *
 * Classes count from 1. The page map's byte of a grain is its class; four values are not size classes: 0 for
 * what is not ours, HAK_CLASS_LARGE for the first grain of a large block, HAK_CLASS_FREED for where one was
 * last freed, HAK_CLASS_MOSAIC where blocks of many classes lie (mosaic.h).
 */
#ifndef HAK_SIZECLASS_H
#define HAK_SIZECLASS_H

#include "base.h"
#include "geometry.h"

/*
 * X(block bytes, grains of a first slab, grains of a grown slab, depth of a busy bin). A slab wastes at most
 * 6.25 %. Bins hold 32 KiB, above 1 KiB 64 KiB, or a few blocks would be refilled again and again.
 */
#define HAK_SIZE_CLASSES(X) \
	X(16, 1, 16, 128)   \
	X(32, 1, 16, 128)   \
	X(48, 1, 16, 128)   \
	X(64, 1, 16, 128)   \
	X(80, 1, 16, 128)   \
	X(96, 1, 15, 128)   \
	X(112, 1, 16, 128)  \
	X(128, 1, 16, 128)  \
	X(144, 1, 16, 128)  \
	X(160, 1, 15, 128)  \
	X(176, 1, 15, 128)  \
	X(192, 1, 15, 128)  \
	X(208, 1, 16, 128)  \
	X(224, 1, 14, 128)  \
	X(240, 1, 16, 128)  \
	X(256, 1, 16, 128)  \
	X(288, 1, 14, 113)  \
	X(320, 1, 15, 102)  \
	X(352, 1, 16, 93)   \
	X(384, 1, 15, 85)   \
	X(416, 2, 13, 78)   \
	X(448, 1, 14, 73)   \
	X(480, 1, 15, 68)   \
	X(512, 1, 16, 64)   \
	X(576, 1, 12, 56)   \
	X(640, 1, 15, 51)   \
	X(704, 2, 16, 46)   \
	X(768, 1, 15, 42)   \
	X(832, 3, 13, 39)   \
	X(896, 2, 14, 36)   \
	X(960, 1, 15, 34)   \
	X(1024, 1, 16, 32)  \
	X(1152, 2, 15, 56) \
	X(1280, 1, 16, 51) \
	X(1408, 4, 16, 46) \
	X(1536, 2, 15, 42) \
	X(1664, 3, 13, 39) \
	X(1792, 4, 14, 36) \
	X(1920, 1, 16, 34) \
	X(2048, 1, 16, 32) \
	X(2304, 3, 13, 28) \
	X(2560, 2, 15, 25) \
	X(2816, 5, 16, 23) \
	X(3072, 3, 15, 21) \
	X(3328, 5, 13, 19) \
	X(3584, 7, 14, 18) \
	X(3840, 1, 16, 17) \
	X(4096, 1, 16, 16) \
	X(4608, 6, 16, 14) \
	X(5120, 4, 15, 12) \
	X(5632, 7, 14, 11) \
	X(6144, 3, 15, 10) \
	X(6656, 5, 13, 9) \
	X(7168, 7, 14, 9) \
	X(7680, 2, 15, 8) \
	X(8192, 2, 16, 8) \
	X(10240, 5, 15, 4) \
	X(12288, 3, 15, 4) \
	X(14336, 7, 14, 4) \
	X(16384, 4, 16, 4) \
	X(20480, 5, 15, 4) \
	X(24576, 6, 18, 4) \
	X(28672, 7, 14, 4) \
	X(32768, 8, 16, 4)

enum {
#define HAK_CLASS_ENUM(bytes, first, grown, depth) HAK_CLASS_##bytes##_before,
	HAK_SIZE_CLASSES(HAK_CLASS_ENUM)
#undef HAK_CLASS_ENUM
		HAK_CLASS_SMALL_COUNT,
	HAK_CLASS_FOREIGN = 0,
	HAK_CLASS_LARGE = HAK_CLASS_SMALL_COUNT + 1,
	HAK_CLASS_FREED,
	HAK_CLASS_MOSAIC,
	HAK_CLASS_COUNT,
	HAK_MOSAIC_BIN_DEPTH = 128, /* blocks of whatever class */
};

struct hak_size_class {
	uint32_t block_bytes;
	uint32_t reciprocal; /* ceil(2^32 / block_bytes): offset * reciprocal >> 32 == offset / block_bytes */
	uint8_t first_grains;
	uint8_t grown_grains;
	uint8_t bin_depth;
	uint8_t shares_lines; /* neighbours lie in one cache line */
	uint16_t deepest_bin;
};

/* Blocks above are wide: no line is shared, few pages are, so they are as fast in whatever order. */
enum { HAK_WIDE_BYTES = 512 };

/* Blocks of a bin that overflows and runs empty by turns (bins.c): 4 MiB of wide ones, of others 512 KiB. */
#define HAK_DEEPEST_BYTES(bytes) ((bytes) > HAK_WIDE_BYTES ? 4 << 20 : 512 << 10)
#define HAK_DEEPEST_BIN(bytes) \
	(HAK_DEEPEST_BYTES(bytes) / (bytes) > 8192 ? 8192 : HAK_DEEPEST_BYTES(bytes) / (bytes))

extern const struct hak_size_class hak_size_class[HAK_CLASS_COUNT];

/* By bytes, not by sixteenths of them: that is a KiB of table for two instructions less in malloc. */
extern const uint8_t hak_class_of_fast[HAK_FAST_MAX_BYTES + 1];

enum { HAK_COARSE_BYTES = 128 }; /* above HAK_FAST_MAX_BYTES all classes are multiples of it */

extern const uint8_t hak_class_of_coarse[HAK_SMALL_MAX_BYTES / HAK_COARSE_BYTES];

/* For 0 <= bytes <= HAK_SMALL_MAX_BYTES. */
static inline unsigned hak_class_of(size_t bytes)
{
	return bytes <= HAK_FAST_MAX_BYTES ? hak_class_of_fast[bytes]
					   : hak_class_of_coarse[(bytes - 1) / HAK_COARSE_BYTES];
}

#endif
