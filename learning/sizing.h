/* SPDX-License-Identifier: MIT */
/*
 * How much work a window needs: the least with which windows of one strategy scatter little. Found by
 * watching windows in a row, doubling until they are quiet enough, or so long that learning would take for
 * ever. Pure.
 */
#ifndef HAK_LEARNING_SIZING_H
#define HAK_LEARNING_SIZING_H

#include <stdbool.h>
#include <stdint.h>

enum {
	HAK_SIZING_FIRST_TICKS = 16,
	HAK_SIZING_MOST_TICKS = 1 << 16,
	HAK_SIZING_WINDOWS = 8,          /* in a row, to judge by */
	HAK_SIZING_QUIET = 52429,        /* Q20: a standard deviation of 5 % is quiet */
	HAK_SIZING_NOISY = 104858,       /* Q20: above 10 % nothing can be told */
	HAK_SIZING_LONG_NSEC = 20 << 20, /* CPU time of a window that is not doubled any more */
};

struct hak_sizing {
	uint32_t window_ticks;
	uint32_t windows; /* of this size, so far */
	uint64_t last_cost;
	int64_t moved;   /* sum of the log ratios of neighbours, without their sign */
	int32_t scatter; /* Q20; of the size before, while this one is young */
};

void hak_sizing_begin(struct hak_sizing *sizing);

/**
 * hak_sizing_add() - a window of sizing->window_ticks has ended
 * @cost: per unit of work
 * Return: true: the size is found, and sizing->scatter is its standard deviation (0.886 times the mean
 * difference of neighbours, as of a normal distribution).
 */
bool hak_sizing_add(struct hak_sizing *sizing, uint64_t cost, uint64_t cpu_ns);

#endif
