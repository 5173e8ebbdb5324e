/* SPDX-License-Identifier: MIT */
#include "ghost.h"

#include <string.h>

#include "hold.h"
#include "os.h"

struct hak_ghost_watch hak_ghost_watch;

struct ghost {
	struct hak_hold hold;
	size_t held_bytes; /* free and resident */
	size_t gone_bytes; /* given back and not wanted since */
	size_t most_held_bytes;
	uint64_t fresh_bytes, again_bytes, given_bytes;
	uint64_t misses, give_backs;
};

static struct {
	_Atomic uint32_t generation;                 /* counts starts */
	uint32_t reset_for[HAK_GHOST_KEEPERS];       /* the generation that the ghosts are of */
	struct ghost ghost[HAK_GHOST_KEEPERS][HAK_STRATEGY_COUNT];
} ghosts;

void hak_ghost_start(void)
{
	atomic_fetch_add_explicit(&ghosts.generation, 1, memory_order_relaxed);
	atomic_store_explicit(&hak_ghost_watch.watching, true, memory_order_relaxed);
}

void hak_ghost_stop(void)
{
	atomic_store_explicit(&hak_ghost_watch.watching, false, memory_order_relaxed);
}

/* The first that a keeper tells after a start: its ghosts begin with nothing free. */
static struct ghost *ghosts_of(enum hak_ghost_keeper keeper, size_t used_bytes)
{
	uint32_t generation = atomic_load_explicit(&ghosts.generation, memory_order_relaxed);
	struct ghost *all = ghosts.ghost[keeper];

	if (ghosts.reset_for[keeper] == generation)
		return all;
	ghosts.reset_for[keeper] = generation;
	memset(all, 0, sizeof(ghosts.ghost[keeper]));
	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++) {
		all[i].hold.faded_at_msec = hak_os_coarse_msec();
		hak_hold_note(&all[i].hold, used_bytes);
	}
	return all;
}

static struct hak_hold_limits limits_of(const uint16_t *value, enum hak_ghost_keeper keeper)
{
	enum hak_dimension base = keeper == HAK_GHOST_RUNS ? HAK_DIMENSION_hold_base : HAK_DIMENSION_cache;

	return (struct hak_hold_limits){
		.base = (size_t)value[base] << 20,
		.unearned = (size_t)value[HAK_DIMENSION_hold_unearned] << 20,
		.earned_percent = value[HAK_DIMENSION_hold_earned],
		.share_percent = value[HAK_DIMENSION_hold_share],
		.above_part = keeper == HAK_GHOST_LARGE ? HAK_HOLD_ABOVE_PART : 0,
	};
}

HAK_NOINLINE void hak_ghost_note_used(enum hak_ghost_keeper keeper, size_t bytes, size_t used_bytes)
{
	struct ghost *ghost = ghosts_of(keeper, used_bytes), *end = ghost + HAK_STRATEGY_COUNT;

	for (; ghost < end; ghost++) {
		size_t hit = hak_least(bytes, ghost->held_bytes);
		size_t again = hak_least(bytes - hit, ghost->gone_bytes);

		ghost->held_bytes -= hit;
		ghost->gone_bytes -= again;
		ghost->again_bytes += again;
		ghost->fresh_bytes += bytes - hit - again;
		ghost->misses += hit < bytes;
		if (again)
			hak_hold_regret(&ghost->hold, again);
		hak_hold_note(&ghost->hold, used_bytes);
	}
}

static void give_back(struct ghost *ghost, size_t bytes)
{
	ghost->held_bytes -= bytes;
	ghost->gone_bytes += bytes;
	ghost->given_bytes += bytes;
	ghost->give_backs++;
}

HAK_NOINLINE void hak_ghost_note_freed(enum hak_ghost_keeper keeper, size_t bytes, size_t used_bytes)
{
	struct ghost *ghost = ghosts_of(keeper, used_bytes);
	uint32_t now_msec = hak_os_coarse_msec();

	for (unsigned i = 0; i < HAK_STRATEGY_COUNT; i++, ghost++) {
		const uint16_t *value = hak_strategy_table[i].strategy.value;
		size_t allowed, keep;

		ghost->held_bytes += bytes;
		hak_hold_fade(&ghost->hold, used_bytes, now_msec);
		if (keeper == HAK_GHOST_LARGE &&
		    bytes < (size_t)value[HAK_DIMENSION_cache_smallest] << 10) {
			give_back(ghost, bytes);
			continue;
		}
		keep = allowed = hak_hold_allowed(&ghost->hold, used_bytes, limits_of(value, keeper));
		if (keeper == HAK_GHOST_RUNS)
			keep -= allowed / 64 * value[HAK_DIMENSION_batch];
		if (ghost->held_bytes > allowed)
			give_back(ghost, ghost->held_bytes - keep);
		if (ghost->held_bytes > ghost->most_held_bytes)
			ghost->most_held_bytes = ghost->held_bytes;
	}
}

struct hak_cost_work hak_ghost_work(unsigned strategy)
{
	uint32_t generation = atomic_load_explicit(&ghosts.generation, memory_order_relaxed);
	const struct ghost *runs = &ghosts.ghost[HAK_GHOST_RUNS][strategy];
	const struct ghost *large = &ghosts.ghost[HAK_GHOST_LARGE][strategy];
	static const struct ghost none;

	if (ghosts.reset_for[HAK_GHOST_RUNS] != generation)
		runs = &none;
	if (ghosts.reset_for[HAK_GHOST_LARGE] != generation)
		large = &none;
	return (struct hak_cost_work){
		.fresh_bytes = runs->fresh_bytes,
		.again_bytes = runs->again_bytes,
		.given_bytes = runs->given_bytes,
		.give_backs = runs->give_backs,
		.large_fresh_bytes = large->fresh_bytes,
		.large_again_bytes = large->again_bytes,
		.large_given_bytes = large->given_bytes,
		.large_misses = large->misses,
		.large_give_backs = large->give_backs,
		.most_held_bytes = runs->most_held_bytes + large->most_held_bytes,
	};
}
