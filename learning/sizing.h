/* SPDX-License-Identifier: MIT */
/*
 * How much work a window needs: the least with which windows of one strategy can be compared at all. Larger
 * ones scatter less, but there are fewer of them, and each pair's coin is thrown less often; so windows are
 * doubled only while they are noisy, and not once they are long. Pure.
 */
#ifndef HAK_LEARNING_SIZING_H
#define HAK_LEARNING_SIZING_H

#include <stdbool.h>
#include <stdint.h>

enum {
	HAK_SIZING_FIRST_TICKS = 16,
	HAK_SIZING_MOST_TICKS = 1 << 16,
	HAK_SIZING_STEPS = 7,            /* from one window to the next, to judge by */
	HAK_SIZING_NOISY = 104858,       /* Q20: a standard deviation above 10 % */
	HAK_SIZING_LONG_NSEC = 20 << 20, /* CPU time of a window that is not doubled any more */
};

struct hak_sizing {
	uint32_t window_ticks;
	uint32_t windows; /* of this size, so far */
	uint64_t last_cost;
	int32_t step[HAK_SIZING_STEPS]; /* Q20: the last log ratios of neighbours, without their sign */
	int32_t scatter;                /* Q20; of the size before, while this one is young */
};

void hak_sizing_begin(struct hak_sizing *sizing);

/**
 * hak_sizing_add() - a window of sizing->window_ticks has ended
 * @cost: per unit of work
 * Return: true: the size will do. sizing->scatter is then the windows' standard deviation, as of a normal
 * distribution whose neighbours differ by as much in the median (which an odd window does not move).
 */
bool hak_sizing_add(struct hak_sizing *sizing, uint64_t cost, uint64_t cpu_ns);

#endif
