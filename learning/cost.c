/* SPDX-License-Identifier: MIT */
#include "cost.h"

enum { PAGE_BYTES = 4096, HUGE_BYTES = 2 << 20, PAGES_OF_HUGE = HUGE_BYTES / PAGE_BYTES };

/* Between bare metal and the virtual machines of docs/benchmarks.md. */
const struct hak_cost_table hak_cost_unknown = {
	.fault_small_ns = 2000,
	.fault_huge_ns = 60000,
	.populate_page_ns = 400,
	.give_back_page_ns = 100,
	.call_ns = 400,
};

struct hak_cost_table hak_cost_complete(struct hak_cost_table measured)
{
	const struct hak_cost_table *unknown = &hak_cost_unknown;

	if (!measured.fault_small_ns)
		measured.fault_small_ns = unknown->fault_small_ns;
	if (!measured.fault_huge_ns)
		measured.fault_huge_ns = unknown->fault_huge_ns;
	if (!measured.populate_page_ns)
		measured.populate_page_ns = unknown->populate_page_ns;
	if (!measured.give_back_page_ns)
		measured.give_back_page_ns = unknown->give_back_page_ns;
	if (!measured.call_ns)
		measured.call_ns = unknown->call_ns;
	return measured;
}

static uint64_t pages_of(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

/* One page of a slab in small pages. */
static uint64_t slab_page_ns(const struct hak_strategy *strategy, const struct hak_cost_table *costs)
{
	uint32_t step_pages = strategy->value[HAK_DIMENSION_populate] / (PAGE_BYTES >> 10);

	return step_pages ? costs->populate_page_ns + costs->call_ns / step_pages : costs->fault_small_ns;
}

static uint64_t fresh_ns(const struct hak_strategy *strategy, uint64_t bytes,
			 const struct hak_cost_shape *shape, const struct hak_cost_table *costs)
{
	uint64_t pages = pages_of(bytes), huge = pages / 100 * shape->huge_percent, small = pages - huge;
	uint64_t slab = small / 100 * shape->slab_percent;

	return huge * costs->fault_huge_ns / PAGES_OF_HUGE + slab * slab_page_ns(strategy, costs) +
	       (small - slab) * costs->fault_small_ns;
}

static uint64_t again_ns(const struct hak_strategy *strategy, uint64_t bytes,
			 const struct hak_cost_shape *shape, const struct hak_cost_table *costs)
{
	uint64_t pages = pages_of(bytes), slab = pages / 100 * shape->slab_percent;

	return slab * slab_page_ns(strategy, costs) + (pages - slab) * costs->fault_small_ns;
}

static uint64_t large_ns(const struct hak_cost_work *work, bool huge, const struct hak_cost_table *costs)
{
	uint64_t bytes = work->large_fresh_bytes + work->large_again_bytes;
	uint64_t touch = huge ? bytes / HUGE_BYTES * costs->fault_huge_ns
			      : pages_of(bytes) * costs->fault_small_ns;

	/* A miss is a mapping and its advice; what leaves is unmapped. */
	return touch + 2 * work->large_misses * costs->call_ns + work->large_give_backs * costs->call_ns +
	       pages_of(work->large_given_bytes) * costs->give_back_page_ns;
}

uint64_t hak_cost_predict(const struct hak_strategy *strategy, const struct hak_cost_work *work,
			  const struct hak_cost_shape *shape, const struct hak_cost_table *costs)
{
	bool huge = shape->large_huge && strategy->value[HAK_DIMENSION_huge_from] != HAK_HUGE_NEVER;

	/* Pages that were given back come back small: the huge page they were part of is broken up. */
	return fresh_ns(strategy, work->fresh_bytes, shape, costs) +
	       again_ns(strategy, work->again_bytes, shape, costs) + work->give_backs * costs->call_ns +
	       pages_of(work->given_bytes) * costs->give_back_page_ns + large_ns(work, huge, costs);
}

unsigned hak_cost_shortlist(const uint64_t *predicted, uint32_t eligible, uint8_t *ret_shortlist)
{
	unsigned count = 1;

	ret_shortlist[0] = 0;
	eligible &= ~UINT32_C(1);
	for (; count < HAK_SHORTLIST && eligible; count++) {
		unsigned best = (unsigned)__builtin_ctz(eligible);

		for (unsigned i = best + 1; i < HAK_STRATEGY_COUNT; i++)
			if (eligible >> i & 1 && predicted[i] < predicted[best])
				best = i;
		ret_shortlist[count] = (uint8_t)best;
		eligible &= ~(UINT32_C(1) << best);
	}
	return count;
}
