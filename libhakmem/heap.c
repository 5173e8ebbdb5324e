/* SPDX-License-Identifier: MIT */
/* Refill and flush: how blocks leave a heap's slabs, and come back. See heap.h. */
#include "fatal.h"
#include "heap_private.h"

/* Can blocks be taken from a slab that the class has? */
static bool has_own(const struct hak_heap_class *class)
{
	return (class->current && hak_slab_available(class->current)) || class->dense || class->sparse ||
	       class->hollow;
}

/* After a block came back: where does the slab stand now? */
static HAK_NOINLINE void place_slab(struct hak_heap *heap, struct hak_slab *slab)
{
	struct hak_heap_class *class = &heap->class[slab->size_class];
	bool sparse = slab->free * 4u >= slab->capacity;

	if (slab->place == HAK_SLAB_CURRENT)
		return;
	if (hak_mosaic_is(slab)) {
		hak_heap_place_mosaic(heap, slab);
		return;
	}
	if (hak_slab_is_empty(slab)) {
		if (slab->place != HAK_SLAB_FULL)
			hak_heap_unlink(heap, slab);
		if (has_own(class)) {
			hak_heap_retire(heap, slab);
		} else {
			/* The class's last with anything to take stays: it would be made again at once. */
			if (class->current)
				class->current->place = HAK_SLAB_FULL;
			slab->place = HAK_SLAB_CURRENT;
			class->current = slab;
		}
	} else if (slab->place == HAK_SLAB_FULL) {
		hak_heap_link(heap, slab, sparse ? HAK_SLAB_SPARSE : HAK_SLAB_DENSE);
	} else if (slab->place == HAK_SLAB_DENSE && sparse) {
		hak_heap_unlink(heap, slab);
		hak_heap_link(heap, slab, HAK_SLAB_SPARSE);
	}
}

/* ---- refill ------------------------------------------------------------------------------------------ */

/* The fullest kind first, so that sparse slabs get the chance to empty. */
static struct hak_slab *next_partial(struct hak_heap *heap, unsigned size_class)
{
	const struct hak_heap_class *class = &heap->class[size_class];
	struct hak_slab *slab = class->dense ? class->dense : class->sparse ? class->sparse : class->hollow;

	if (!slab)
		return NULL;
	hak_heap_unlink(heap, slab);
	return slab;
}

/* A slab with something free, from a heap without users. Only tries locks: see the order in heap.h. */
static struct hak_slab *reclaim(struct hak_heap *heap, unsigned size_class)
{
	struct hak_heap *other = hak_heap_first();
	struct hak_slab *slab = NULL;

	for (; other && !slab; other = other->next) {
		struct hak_heap_class *class = &other->class[size_class];

		/* A stale view of `users` is harmless: a heap in use may lose a slab, nothing else. */
		if (other == heap || hak_heap_users(other) || !hak_lock_try(&other->lock))
			continue;
		if (class->current && hak_slab_available(class->current)) {
			slab = class->current;
			class->current = NULL;
		} else {
			slab = next_partial(other, size_class);
		}
		if (slab) {
			size_t out_bytes = (size_t)(slab->carved - slab->free) * slab->block_bytes;
			size_t slab_bytes = (size_t)slab->grains << HAK_GRAIN_SHIFT;

			class->slabs--;
			hak_heap_add_bytes(&other->out_bytes, -out_bytes);
			hak_heap_add_bytes(&other->slab_bytes, -slab_bytes);
			heap->class[size_class].slabs++;
			hak_heap_add_bytes(&heap->out_bytes, out_bytes);
			hak_heap_add_bytes(&heap->slab_bytes, slab_bytes);
			slab->place = HAK_SLAB_CURRENT;
			/* relaxed: who reads it locks that heap and looks again */
			atomic_store_explicit(&slab->heap, heap, memory_order_relaxed);
		}
		hak_lock_release(&other->lock);
	}
	return slab;
}

static struct hak_slab *new_slab(struct hak_heap *heap, unsigned size_class, bool may_map)
{
	const struct hak_size_class *limits = &hak_size_class[size_class];
	struct hak_heap_class *class = &heap->class[size_class];
	unsigned grains = class->slabs < 5 ? (unsigned)limits->first_grains << class->slabs
					   : limits->grown_grains;
	struct hak_slab *slab;

	if (grains > limits->grown_grains)
		grains = limits->grown_grains;
	slab = hak_superslab_acquire(&heap->choice, grains, 1, may_map);
	if (!slab && may_map && grains > limits->first_grains)
		slab = hak_superslab_acquire(&heap->choice, limits->first_grains, 1, true);
	if (!slab)
		return NULL;
	hak_slab_init(slab, size_class, heap);
	class->slabs++;
	hak_heap_add_bytes(&heap->slab_bytes, (size_t)slab->grains << HAK_GRAIN_SHIFT);
	if (grains == limits->grown_grains)
		hak_heap_populate_slab(heap, slab);
	return slab;
}

/* Make a slab with something to take the current one. Return: the stage that found it; -1: no memory. */
static int find_current(struct hak_heap *heap, unsigned size_class, bool may_map)
{
	struct hak_heap_class *class = &heap->class[size_class];
	struct hak_slab *slab = class->current;
	int stage = HAK_COUNTER_refill_own_slab;

	if (slab && hak_slab_available(slab) == 0) {
		slab->place = HAK_SLAB_FULL;
		slab = NULL;
	}
	if (!slab) {
		slab = next_partial(heap, size_class);
		stage = HAK_COUNTER_refill_partial;
	}
	if (!slab) {
		slab = reclaim(heap, size_class);
		stage = HAK_COUNTER_refill_reclaimed;
	}
	if (!slab) {
		slab = new_slab(heap, size_class, may_map);
		stage = HAK_COUNTER_refill_new_slab;
	}
	class->current = slab;
	if (!slab)
		return -1;
	slab->place = HAK_SLAB_CURRENT;
	if (slab->from_strangers) {
		slab->from_strangers = 0;
		stage = HAK_COUNTER_refill_remote;
	}
	return stage;
}

unsigned hak_heap_take(struct hak_heap *heap, unsigned size_class, void **blocks, unsigned want, bool may_map,
		       struct hak_tally *tally)
{
	unsigned count = 0;
	int stage = HAK_COUNTER_refill_partial;

	hak_lock_acquire(&heap->lock);
	if (hak_unlikely(!has_own(&heap->class[size_class])))
		count = hak_heap_take_mosaic(heap, size_class, blocks, want);
	if (!count && (stage = find_current(heap, size_class, may_map)) >= 0) {
		struct hak_slab *slab = heap->class[size_class].current;
		unsigned available = hak_slab_available(slab);

		count = want < available ? want : available;
		if (hak_unlikely(slab->stepwise && count > slab->free))
			hak_heap_populate_step(heap, slab, count - slab->free);
		hak_slab_take(slab, blocks, count);
	}
	hak_heap_add_bytes(&heap->out_bytes, (size_t)count * hak_size_class[size_class].block_bytes);
	hak_lock_release(&heap->lock);
	if (count) {
		hak_tally_add(tally, (enum hak_counter)stage, 1);
		hak_tally_add(tally, HAK_COUNTER_refill_blocks, count);
	}
	return count;
}

/* ---- flush ------------------------------------------------------------------------------------------- */

/*
 * A block comes home that should not; whoever flushes it now, it was given to free().
 * @locked: the heap whose lock the caller holds, if any. It is given back first: what the program does about
 * SIGABRT may allocate, or fork, and would wait for ever.
 */
static _Noreturn void refuse_put(struct hak_heap *locked, const void *block, enum hak_slab_fault fault)
{
	if (locked)
		hak_lock_release(&locked->lock);
	hak_fatal("free", block, fault == HAK_SLAB_DOUBLE_FREE ? "double free" : "not the start of a block");
}

/*
 * The slab of a block that is out. Where the page map no longer says so, the block came home before, from
 * another bin, and its slab was given back since.
 */
static inline struct hak_slab *slab_of(const struct hak_pagemap_batch *map, void *block, unsigned size_class,
				       struct hak_heap *locked)
{
	unsigned c = hak_pagemap_batch_class(map, block);

	if (hak_unlikely(c != size_class && c != HAK_CLASS_MOSAIC))
		refuse_put(locked, block, HAK_SLAB_DOUBLE_FREE);
	struct hak_slab *slab = hak_superslab_run_at(hak_pagemap_batch_owner(map, block), block);

	hak_settle(slab);
	return slab;
}

struct hak_heap *hak_heap_of(void *block, unsigned size_class)
{
	struct hak_pagemap_batch map = hak_pagemap_look_for_batch();

	/* relaxed: it may change at once; who needs to be sure looks again under that heap's lock */
	return atomic_load_explicit(&slab_of(&map, block, size_class, NULL)->heap, memory_order_relaxed);
}

/* Does a slab that got blocks back stand where it should not? */
static bool is_misplaced(const struct hak_slab *slab)
{
	if (hak_mosaic_is(slab))
		return hak_mosaic_may_have_merged(slab) || hak_slab_is_empty(slab);
	return slab->place == HAK_SLAB_FULL || hak_slab_is_empty(slab) ||
	       (slab->place == HAK_SLAB_DENSE && slab->free * 4u >= slab->capacity);
}

/* What is freed in the order of allocation, or in the reverse, lies in rows. The first two blocks tell. */
static bool lie_in_rows(unsigned size_class, void *const *blocks, unsigned count)
{
	ptrdiff_t block_bytes = hak_size_class[size_class].block_bytes;
	ptrdiff_t step = count > 1 ? (char *)blocks[1] - (char *)blocks[0] : 0;

	return step == block_bytes || step == -block_bytes;
}

static inline size_t put_in_slab(struct hak_slab *slab, void *const *blocks, size_t count, bool in_rows,
				 enum hak_slab_fault *ret_fault)
{
	size_t row = in_rows ? hak_slab_put_row(slab, blocks, count) : 0;

	*ret_fault = HAK_SLAB_OK;
	return row ? row : hak_slab_put(slab, blocks, count, ret_fault);
}

/*
 * Put back the blocks that are @owner's, whose lock is held, and move the others to the front. Blocks that
 * come one after another from the same slab share what can be shared. Return: how many others.
 */
static unsigned put_own(struct hak_heap *owner, unsigned size_class, void **blocks, unsigned count,
			bool stranger, size_t *ret_bytes)
{
	const struct hak_pagemap_batch map = hak_pagemap_look_for_batch();
	void **next = blocks, **left = blocks, **const end = blocks + count;
	const bool in_rows = lie_in_rows(size_class, blocks, count);
	size_t mosaic_bytes = 0;

	while (next < end) {
		struct hak_slab *slab = slab_of(&map, *next, size_class, owner);
		enum hak_slab_fault fault;

		/* relaxed: it equals `owner` only if it does so under owner's lock */
		if (atomic_load_explicit(&slab->heap, memory_order_relaxed) != owner) {
			*left++ = *next++;
			continue;
		}
		if (stranger)
			slab->from_strangers = 1;
		if (hak_unlikely(hak_mosaic_is(slab))) {
			struct hak_superslab *superslab = hak_pagemap_batch_owner(&map, *next);
			unsigned before = slab->free;

			fault = hak_mosaic_put(slab, hak_mosaic_word_at(superslab, *next), *next, size_class);
			next += fault == HAK_SLAB_OK;
			mosaic_bytes += (size_t)(slab->free - before) << HAK_ALIGN_SHIFT;
		} else {
			next += put_in_slab(slab, next, (size_t)(end - next), in_rows, &fault);
		}
		if (hak_unlikely(fault != HAK_SLAB_OK))
			refuse_put(owner, *next, fault);
		if (is_misplaced(slab))
			place_slab(owner, slab);
	}
	count -= (unsigned)(left - blocks);
	*ret_bytes = size_class == HAK_CLASS_MOSAIC
			     ? mosaic_bytes : (size_t)count * hak_size_class[size_class].block_bytes;
	hak_heap_add_bytes(&owner->out_bytes, -*ret_bytes);
	return (unsigned)(left - blocks);
}

void hak_heap_put(struct hak_heap *heap, unsigned size_class, void **blocks, unsigned count,
		  struct hak_tally *tally)
{
	/* One owner a round; in most programs there is one round. */
	while (count) {
		struct hak_heap *owner = hak_heap_of(blocks[0], size_class);
		bool stranger = owner != heap;
		unsigned left;
		size_t bytes;

		hak_lock_acquire(&owner->lock);
		left = put_own(owner, size_class, blocks, count, stranger, &bytes);
		hak_heap_note_idle(owner);
		hak_lock_release(&owner->lock);
		hak_tally_add(tally, stranger ? HAK_COUNTER_free_ss_remote : HAK_COUNTER_free_ss_local,
			      count - left);
		if (size_class == HAK_CLASS_MOSAIC)
			hak_tally_add(tally, HAK_COUNTER_free_bytes, bytes);
		if (stranger)
			hak_tally_add(tally, HAK_COUNTER_remote_posts, 1);
		count = left;
	}
}
