/* SPDX-License-Identifier: MIT */
/*
 * Logarithms, powers and roots in integers: the same bits on every machine, compiler and libc, and nothing of
 * the caller's floating-point environment is touched.
 *
 * Q20 and Q32 are numbers in units of 2^-20 and 2^-32. Pure functions; any thread.
 */
#ifndef HAK_LEARNING_FIXED_H
#define HAK_LEARNING_FIXED_H

#include <stdint.h>

enum { HAK_Q20_SHIFT = 20 };
#define HAK_Q20_ONE  (INT64_C(1) << 20)
#define HAK_Q32_ONE  (INT64_C(1) << 32)
#define HAK_Q32_LN2  INT64_C(2977044472) /* ln 2 */
#define HAK_Q32_LN10 INT64_C(9889527671) /* ln 10 */

/* Natural logarithm. @value: an integer >= 1. Return: Q32, off by less than 2^-28. */
int64_t hak_fixed_ln(uint64_t value);

/* e to the power of @exponent, Q32. Return: Q32, relative error below 2^-27; 0 below -22, at most e^20. */
int64_t hak_fixed_exp(int64_t exponent);

/* The greatest integer whose square is not above @value. */
uint64_t hak_fixed_sqrt(uint64_t value);

/* @value * @factor / @divisor, rounded towards zero, where the product may exceed 64 bits; saturates. */
int64_t hak_fixed_scale(int64_t value, int64_t factor, int64_t divisor);

/**
 * hak_fixed_log_ratio() - ln(numerator / denominator)
 * Zero counts as one. Return: Q20, within -1 and 1: a factor of e; what is beyond is noise, or as clear.
 */
int32_t hak_fixed_log_ratio(uint64_t numerator, uint64_t denominator);

#endif
