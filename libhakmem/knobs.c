/* SPDX-License-Identifier: MIT */
#include "knobs.h"

struct hak_knobs hak_knobs = {
	.thp = HAK_THP_AUTO,
	.bigcache = true,
	.batch = true,
	.populate_bytes = 64 << 10,
	.populate_part = 8,
	.hold_base_bytes = 4 << 20,
	.hold_unearned_bytes = 64 << 20,
	.hold_earned_percent = 100,
	.cache_base_bytes = 4 << 20,
	.cache_smallest_bytes = 32 << 10,
	.batch_64ths = 4,
	.huge_from_superslabs = 4,
	.refill_blocks = 4,
	.lazy = true,
};

#define store(name, value) atomic_store_explicit(&hak_knobs.name, (value), memory_order_relaxed)

bool hak_knobs_set(const struct hak_strategy *strategy)
{
	const uint16_t *value = strategy->value;
	uint32_t huge_before = hak_knob(huge_from_superslabs);

	store(populate_bytes, (size_t)value[HAK_DIMENSION_populate] << 10);
	store(populate_part, value[HAK_DIMENSION_populate_part]);
	store(hold_base_bytes, (size_t)value[HAK_DIMENSION_hold_base] << 20);
	store(hold_share_percent, value[HAK_DIMENSION_hold_share]);
	store(hold_unearned_bytes, (size_t)value[HAK_DIMENSION_hold_unearned] << 20);
	store(hold_earned_percent, value[HAK_DIMENSION_hold_earned]);
	store(cache_base_bytes, (size_t)value[HAK_DIMENSION_cache] << 20);
	store(cache_smallest_bytes, (size_t)value[HAK_DIMENSION_cache_smallest] << 10);
	store(lazy, value[HAK_DIMENSION_lazy] != 0);
	store(batch_64ths, value[HAK_DIMENSION_batch]);
	store(huge_from_superslabs, value[HAK_DIMENSION_huge_from]);
	store(refill_blocks, value[HAK_DIMENSION_refill]);
	return value[HAK_DIMENSION_huge_from] != huge_before;
}

bool hak_knobs_set_policy(const struct hak_policy *policy)
{
	unsigned strategy = policy->strategy < HAK_STRATEGY_COUNT ? policy->strategy : 0; /* a newer one's */
	bool thp_changes = hak_knob(thp) != policy->thp;

	store(thp, policy->thp);
	store(bigcache, policy->bigcache);
	store(batch, policy->batch);
	return hak_knobs_set(&hak_strategy_table[strategy].strategy) || thp_changes;
}
