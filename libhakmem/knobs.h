/* SPDX-License-Identifier: MIT */
/*
 * What the policy in force says of memory, and its strategy, in the units of those who obey. A policy is
 * stored here as a whole; who is about to map, fault in, keep or give back reads the one value that it needs.
 *
 * Concurrency: any thread may store and any may load, relaxed: a value is obeyed from the next call on, and
 * two values of different policies for the length of one call do no harm.
 */
#ifndef HAK_KNOBS_H
#define HAK_KNOBS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy.h"
#include "strategy.h"

struct hak_knobs {
	/* The policy's: */
	_Atomic uint32_t thp;    /* enum hak_thp */
	_Atomic bool bigcache;   /* keep what reuse has earned beside the strategy's base */
	_Atomic bool batch;      /* collect freed ranges; without either each goes back at once */
	_Atomic bool solo_slabs; /* each slab has a superslab: what does sharing save? (the environment's) */
	/* The strategy's: */
	_Atomic size_t populate_bytes;       /* a step of faulting in ahead; 0: by use */
	_Atomic uint32_t populate_part;      /* at most one nth of what its class has */
	_Atomic size_t hold_base_bytes;      /* dirty free runs that always stay */
	_Atomic size_t hold_unearned_bytes;  /* of the recent peak, for runs and large blocks alike */
	_Atomic uint32_t hold_share_percent; /* of what is in use may stay free beside */
	_Atomic uint32_t hold_earned_percent;
	_Atomic size_t cache_base_bytes; /* large blocks that BigCache always keeps */
	_Atomic size_t cache_smallest_bytes;
	_Atomic uint32_t batch_64ths; /* given back beyond what must go */
	_Atomic uint32_t huge_from_superslabs;
	_Atomic uint32_t refill_blocks; /* of a class's first refill */
	_Atomic bool lazy;
};
extern struct hak_knobs hak_knobs; /* mode balanced and strategy 0 before anything else is known */

#define hak_knob(name) atomic_load_explicit(&hak_knobs.name, memory_order_relaxed)

/* Put a strategy, or a policy with its own, in force. Return: true where huge pages change by it. */
bool hak_knobs_set(const struct hak_strategy *strategy);
bool hak_knobs_set_policy(const struct hak_policy *policy);

#endif
