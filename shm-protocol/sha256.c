/* SPDX-License-Identifier: MIT */
/* SHA-256 as in FIPS 180-4. Short inputs, a few times in a process's life: written to be read. */
#include "sha256.h"

#include <string.h>

enum {
	BLOCK_BYTES = 64,
	LENGTH_BYTES = 8, /* the message's length in bits ends the last block */
	ROUNDS = 64,
	STATE_WORDS = 8,
};

/* First 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t round_constants[ROUNDS] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The same of the square roots of the first eight. */
static const uint32_t initial_state[STATE_WORDS] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t rotate_right(uint32_t x, unsigned bits)
{
	return x >> bits | x << (32 - bits);
}

static uint32_t load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_be32(uint8_t *p, uint32_t x)
{
	p[0] = (uint8_t)(x >> 24);
	p[1] = (uint8_t)(x >> 16);
	p[2] = (uint8_t)(x >> 8);
	p[3] = (uint8_t)x;
}

static void sha256_block(uint32_t state[STATE_WORDS], const uint8_t block[BLOCK_BYTES])
{
	uint32_t w[ROUNDS], v[STATE_WORDS];

	for (unsigned i = 0; i < 16; i++)
		w[i] = load_be32(block + 4 * i);
	for (unsigned i = 16; i < ROUNDS; i++) {
		uint32_t s0 = rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t s1 = rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ w[i - 2] >> 10;

		w[i] = w[i - 16] + s0 + w[i - 7] + s1;
	}
	memcpy(v, state, sizeof(v));
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t s1 = rotate_right(v[4], 6) ^ rotate_right(v[4], 11) ^ rotate_right(v[4], 25);
		uint32_t choose = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t t1 = v[7] + s1 + choose + round_constants[i] + w[i];
		uint32_t s0 = rotate_right(v[0], 2) ^ rotate_right(v[0], 13) ^ rotate_right(v[0], 22);
		uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

		memmove(v + 1, v, (STATE_WORDS - 1) * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + s0 + majority;
	}
	for (unsigned i = 0; i < STATE_WORDS; i++)
		state[i] += v[i];
}

void hak_sha256(const void *bytes, size_t length, uint8_t ret_digest[HAK_SHA256_BYTES])
{
	const uint8_t *p = bytes;
	size_t left = length;
	uint8_t tail[2 * BLOCK_BYTES] = {0};
	uint64_t bits = (uint64_t)length * 8;
	uint32_t state[STATE_WORDS];
	size_t tail_bytes;

	memcpy(state, initial_state, sizeof(state));
	for (; left >= BLOCK_BYTES; left -= BLOCK_BYTES, p += BLOCK_BYTES)
		sha256_block(state, p);
	if (left > 0)
		memcpy(tail, p, left);
	tail[left] = 0x80;
	tail_bytes = left + 1 + LENGTH_BYTES <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
	store_be32(tail + tail_bytes - 8, (uint32_t)(bits >> 32));
	store_be32(tail + tail_bytes - 4, (uint32_t)bits);
	for (size_t done = 0; done < tail_bytes; done += BLOCK_BYTES)
		sha256_block(state, tail + done);
	for (unsigned i = 0; i < STATE_WORDS; i++)
		store_be32(ret_digest + 4 * i, state[i]);
}

static uint64_t load_le64(const uint8_t *p)
{
	uint64_t x = 0;

	for (unsigned i = 8; i-- > 0;)
		x = x << 8 | p[i];
	return x;
}

struct hak_key hak_key_hash(const void *bytes, size_t length)
{
	uint8_t digest[HAK_SHA256_BYTES];
	struct hak_key key;

	hak_sha256(bytes, length, digest);
	key.word[0] = load_le64(digest);
	key.word[1] = load_le64(digest + 8);
	if (key.word[0] == 0 && key.word[1] == 0)
		key.word[0] = 1;
	return key;
}
