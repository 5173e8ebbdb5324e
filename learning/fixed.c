/* SPDX-License-Identifier: MIT */
#include "fixed.h"

#include <stdbool.h>

/* Base 2 first, a bit at a time: squaring the mantissa doubles its logarithm. */
static int64_t log2_q32(uint64_t value)
{
	unsigned whole = 63 - (unsigned)__builtin_clzll(value);
	uint64_t mantissa = whole >= 31 ? value >> (whole - 31) : value << (31 - whole); /* 1 to 2, Q31 */
	int64_t log = (int64_t)whole << 32;

	for (unsigned bit = 32; bit-- > 0;) {
		uint64_t square = mantissa * mantissa; /* Q62 */
		bool doubled = square >> 63;

		mantissa = square >> (doubled ? 32 : 31);
		log |= (int64_t)doubled << bit;
	}
	return log;
}

int64_t hak_fixed_ln(uint64_t value)
{
	int64_t log = log2_q32(value);

	/* 6 + 32 bits times 32 bits: in two parts. */
	return (log >> 32) * HAK_Q32_LN2 + (int64_t)(((uint64_t)(log & 0xffffffff) * HAK_Q32_LN2) >> 32);
}

int64_t hak_fixed_exp(int64_t exponent)
{
	int64_t whole;
	uint64_t rest, term = HAK_Q32_ONE, sum = HAK_Q32_ONE;

	if (exponent < -22 * HAK_Q32_ONE)
		return 0;
	if (exponent > 20 * HAK_Q32_ONE)
		exponent = 20 * HAK_Q32_ONE;
	whole = exponent / HAK_Q32_LN2;
	if (exponent % HAK_Q32_LN2 < 0)
		whole--;
	rest = (uint64_t)(exponent - whole * HAK_Q32_LN2); /* 0 to ln 2 */
	for (unsigned i = 1; term; i++) {                  /* the series */
		term = (term * rest >> 32) / i;
		sum += term;
	}
	return whole >= 0 ? (int64_t)(sum << whole) : (int64_t)(sum >> -whole);
}

uint64_t hak_fixed_sqrt(uint64_t value)
{
	uint64_t root = 0;

	for (uint64_t bit = UINT64_C(1) << 31; bit; bit >>= 1)
		if ((root | bit) * (root | bit) <= value)
			root |= bit;
	return root;
}

/* Long division, bit by bit: gcc would call a function of libgcc for the 128-bit one. */
static uint64_t divide(unsigned __int128 value, uint64_t divisor)
{
	unsigned __int128 rest = 0;
	uint64_t quotient = 0;

	if (value >> 64 >= divisor)
		return INT64_MAX;
	for (unsigned bit = 128; bit-- > 0;) {
		rest = rest << 1 | (value >> bit & 1);
		quotient <<= 1;
		if (rest >= divisor) {
			rest -= divisor;
			quotient |= 1;
		}
	}
	return quotient > INT64_MAX ? INT64_MAX : quotient;
}

static uint64_t magnitude(int64_t value)
{
	return value < 0 ? -(uint64_t)value : (uint64_t)value;
}

int64_t hak_fixed_scale(int64_t value, int64_t factor, int64_t divisor)
{
	bool negative = (value < 0) ^ (factor < 0) ^ (divisor < 0);
	int64_t quotient = (int64_t)divide((unsigned __int128)magnitude(value) * magnitude(factor),
					   magnitude(divisor));

	return negative ? -quotient : quotient;
}

int32_t hak_fixed_log_ratio(uint64_t numerator, uint64_t denominator)
{
	int64_t ratio = (hak_fixed_ln(numerator ? numerator : 1) -
			 hak_fixed_ln(denominator ? denominator : 1)) /
			(1 << 12);

	if (ratio > HAK_Q20_ONE)
		return (int32_t)HAK_Q20_ONE;
	return (int32_t)(ratio < -HAK_Q20_ONE ? -HAK_Q20_ONE : ratio);
}
