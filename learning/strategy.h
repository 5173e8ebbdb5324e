/* SPDX-License-Identifier: MIT */
/*
 * Strategies: the players of the games. Each is a named, fixed vector of what the slow paths of an allocator
 * may do; a process has one in force. A strategy is known to other hosts and versions by the hash of its
 * vector, never by its place in the table.
 *
 * Strategy 0 is the safe default: it is in force where nothing was learned.
 */
#ifndef HAK_LEARNING_STRATEGY_H
#define HAK_LEARNING_STRATEGY_H

#include <stdbool.h>
#include <stdint.h>

/*
 * name, unit, least, most, meaning. Appending is a new version of the key. *Layout* dimensions carry over
 * from one window to the next and so are not compared within a process; all others are live.
 */
#define HAK_DIMENSIONS(X)                                                                                    \
	X(populate, "KiB", 0, 2048,                                                                          \
	  "fresh memory of a growing class is faulted in by steps of this; 0: by use")                       \
	X(populate_part, "1/n", 1, 64, "of what its class has is faulted in ahead at most")                  \
	X(hold_base, "MiB", 0, 4096, "free runs in superslabs that always stay resident")                    \
	X(hold_share, "%", 0, 400, "of the memory in use may stay resident beside")                          \
	X(hold_unearned, "MiB", 0, 65535, "of the recent peak may stay before reuse has earned it")          \
	X(hold_earned, "%", 0, 100, "of what reuse has earned may stay")                                     \
	X(cache, "MiB", 0, 65535, "large blocks that BigCache always keeps")                                 \
	X(cache_smallest, "KiB", 32, 65535, "large blocks below go back at once")                            \
	X(lazy, "0 or 1", 0, 1, "give back by MADV_FREE while somebody collects; else by MADV_DONTNEED")     \
	X(batch, "1/64", 1, 64, "of what may stay is given back beyond what must go")                        \
	X(huge_from, "superslabs", 0, 65535, "heaps of this size use huge pages; 65535: none does (layout)") \
	X(refill, "blocks", 1, 64, "the first refill of a class moves so many")

enum hak_dimension {
#define HAK_DIMENSION_ENUM(name, unit, least, most, text) HAK_DIMENSION_##name,
	HAK_DIMENSIONS(HAK_DIMENSION_ENUM)
#undef HAK_DIMENSION_ENUM
		HAK_DIMENSION_COUNT
};

struct hak_strategy {
	uint16_t value[HAK_DIMENSION_COUNT];
};

enum { HAK_STRATEGY_COUNT = 12, HAK_HUGE_NEVER = 65535 };

struct hak_strategy_entry {
	const char *name;
	const char *text; /* what it is for, one line */
	struct hak_strategy strategy;
};
extern const struct hak_strategy_entry hak_strategy_table[HAK_STRATEGY_COUNT];

struct hak_dimension_limits {
	const char *name;
	const char *unit;
	const char *text;
	uint16_t least, most;
};
extern const struct hak_dimension_limits hak_dimension_limits[HAK_DIMENSION_COUNT];

/* The hash that a strategy is known by; never 0. Threads: any, all functions here: they are pure. */
uint64_t hak_strategy_key(const struct hak_strategy *strategy);

/* The number in the table of the strategy with this key; -1: this version does not know it. */
int hak_strategy_find(uint64_t key);

/* The number in the table of the strategy that users call @name; -1: there is none. */
int hak_strategy_parse(const char *name);

/* Is every value within its limits? */
bool hak_strategy_is_sound(const struct hak_strategy *strategy);

/* May they play against each other in one process: do they agree in what carries over? */
static inline bool hak_strategy_shares_layout(const struct hak_strategy *left,
					      const struct hak_strategy *right)
{
	return left->value[HAK_DIMENSION_huge_from] == right->value[HAK_DIMENSION_huge_from];
}

#endif
