/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C four bits at a time. Entries have 116 bytes and are checked only when the serial moved, so 64 bytes
 * of table in every process are worth more than speed.
 */
#include "crc32c.h"

/* The remainder that each low half-byte leaves behind. */
static const uint32_t crc32c_table[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
	0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t hak_crc32c(const void *bytes, size_t length)
{
	const uint8_t *p = bytes;
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < length; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ crc32c_table[crc & 0xf];
		crc = crc >> 4 ^ crc32c_table[crc & 0xf];
	}
	return ~crc;
}
