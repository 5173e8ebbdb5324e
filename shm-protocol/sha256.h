/* SPDX-License-Identifier: MIT */
/* SHA-256, and the 128-bit keys of both tables that are made from it. Threads: any. No allocation. */
#ifndef HAK_SHM_SHA256_H
#define HAK_SHM_SHA256_H

#include "control.h"

enum { HAK_SHA256_BYTES = 32 };

void hak_sha256(const void *bytes, size_t length, uint8_t ret_digest[HAK_SHA256_BYTES]);

/**
 * hak_key_hash() - the key of a versioned byte string
 * Return: the digest's first 16 bytes as two little-endian words; {1, 0} should both be zero, which means
 * "none".
 */
struct hak_key hak_key_hash(const void *bytes, size_t length);

#endif
