/* SPDX-License-Identifier: MIT */
/*
 * The cost model: what a strategy's dealings with the kernel take on this machine, from counts and the
 * machine's calibrated costs. It decides who plays, never who wins. Pure functions; integers.
 */
#ifndef HAK_LEARNING_COST_H
#define HAK_LEARNING_COST_H

#include "strategy.h"

/* One operation's cost in ns. */
struct hak_cost_table {
	uint32_t fault_small_ns;    /* first touch of a page */
	uint32_t fault_huge_ns;     /* first touch of 2 MiB */
	uint32_t populate_page_ns;  /* a page that is faulted in ahead, beside the call */
	uint32_t give_back_page_ns; /* a page that is given back, beside the call */
	uint32_t call_ns;           /* a system call */
};

/* What a machine costs of which nothing is known. */
extern const struct hak_cost_table hak_cost_unknown;

/* @measured with what is zero in it replaced by the unknown machine's. */
struct hak_cost_table hak_cost_complete(struct hak_cost_table measured);

/* What was to be done for a strategy, in bytes and calls; a page is 4 KiB. */
struct hak_cost_work {
	uint64_t fresh_bytes;       /* runs used for the first time */
	uint64_t again_bytes;       /* runs that were given back and used again */
	uint64_t given_bytes;       /* runs given back */
	uint64_t give_backs;        /* how often */
	uint64_t large_fresh_bytes; /* the same for large blocks, which come and go whole */
	uint64_t large_again_bytes;
	uint64_t large_given_bytes;
	uint64_t large_misses;
	uint64_t large_give_backs;
	uint64_t most_held_bytes; /* that were free and resident at one moment */
};

/* What the strategy cannot change: how the runs are used. */
struct hak_cost_shape {
	uint32_t slab_percent; /* of all bytes of runs are slabs of a growing class, which can be populated */
	uint32_t huge_percent; /* of superslabs use huge pages */
	bool large_huge;       /* large blocks use huge pages */
};

/**
 * hak_cost_predict() - ns of kernel time
 * Source: counts times costs, nothing else; docs/learning.md has its error against measured runs.
 */
uint64_t hak_cost_predict(const struct hak_strategy *strategy, const struct hak_cost_work *work,
			  const struct hak_cost_shape *shape, const struct hak_cost_table *costs);

enum { HAK_SHORTLIST = 3 };

/**
 * hak_cost_shortlist() - the safe strategy and the two that should cost least
 * @predicted:    by strategy, ns
 * @eligible:     bit i: strategy i may play (same layout, within the memory budget)
 * @ret_shortlist: numbers, the safe one first
 * Return: how many, 1 to HAK_SHORTLIST.
 */
unsigned hak_cost_shortlist(const uint64_t *predicted, uint32_t eligible, uint8_t *ret_shortlist);

#endif
