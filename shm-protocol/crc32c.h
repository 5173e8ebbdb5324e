/* SPDX-License-Identifier: MIT */
/* CRC-32C (Castagnoli), as in iSCSI: reflected polynomial 0x82f63b78, initial and final value inverted. */
#ifndef HAK_SHM_CRC32C_H
#define HAK_SHM_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Checks against accidents, not against enemies. Threads: any. */
uint32_t hak_crc32c(const void *bytes, size_t length);

#endif
