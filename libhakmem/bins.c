/* SPDX-License-Identifier: MIT */
#include "bins.h"

#include <string.h>

#include "fatal.h"
#include "knobs.h"
#include "meta.h"

enum {
	WARY_FREES = 16, /* the first frees of a class are all slow visits, which see every double free */
	LOOK_BACK = 16,  /* newest blocks of a bin that those are compared with */
	LOOK_BACK_BUSY = 4,
	GIVERS_PART = 2, /* of the usual depth, for bins that nobody takes from */
	HOME_CHECK = 4,  /* entries of a bin that are asked at each visit whether they should go home */
};

static unsigned count_of(const struct hak_thread *thread, unsigned c)
{
	return (unsigned)(thread->top[c] - thread->bottom[c]);
}

/* Frees from one visit of this bin to the next: one at first, then doubling. */
static unsigned tick_of(const struct hak_thread *thread, unsigned c)
{
	unsigned visits = thread->free_visits[c];

	return visits < WARY_FREES ? 1 : 2u << (visits - WARY_FREES);
}

/* Before it overflows and runs empty by turns. At least two, so that one is not flushed at each free. */
static unsigned usual_depth(const struct hak_thread *thread, unsigned c)
{
	unsigned deep = hak_size_class[c].bin_depth, depth = deep >> thread->shallower;

	return deep && depth < 2 ? 2 : depth;
}

/* Before anything was taken: what a thread only frees it need not keep for itself. */
static unsigned first_depth(const struct hak_thread *thread, unsigned c)
{
	unsigned usual = usual_depth(thread, c), part = usual / GIVERS_PART;

	if (c == HAK_CLASS_MOSAIC) /* is not taken from */
		return usual;
	return part < 2 && usual ? 2 : part;
}

static bool is_giver(const struct hak_thread *thread, unsigned c)
{
	return thread->depth[c] < usual_depth(thread, c);
}

static void note_free_visit(struct hak_thread *thread, unsigned c)
{
	if (tick_of(thread, c) < HAK_TICK_FREES)
		thread->free_visits[c]++;
}

/* How many frees may follow before the next visit: never more than the array takes. */
static void grant(struct hak_thread *thread, unsigned c)
{
	unsigned space = thread->depth[c] - count_of(thread, c);
	unsigned tick = tick_of(thread, c);

	thread->stood[c] = (uint16_t)count_of(thread, c);
	thread->room[c] = (space < tick ? space : tick - 1) + 1;
	thread->granted[c] = (uint16_t)thread->room[c];
}

void hak_bins_init(struct hak_thread *thread, bool bins_on)
{
	uint32_t first_want = hak_knob(refill_blocks);

	memcpy(thread->class_of, hak_class_of_fast, sizeof(thread->class_of));
	thread->bins_on = bins_on;
	thread->deep_bytes[false] = thread->deep_bytes[true] = 0;
	thread->unused = thread->slots;
	hak_hot_forget_look(&thread->hot);
	for (unsigned c = 0; c < HAK_CLASS_COUNT; c++) {
		thread->top[c] = thread->bottom[c] = &hak_empty_bin[1];
		thread->depth[c] = 0;
		/* What may never be used is not carved ahead by pages. */
		thread->want[c] = (uint8_t)first_want;
		if (first_want * hak_size_class[c].block_bytes > HAK_GRAIN_BYTES)
			thread->want[c] = 1;
		thread->overflowed[c] = false;
		thread->stood[c] = 0;
		thread->granted[c] = thread->room[c] = 1;
	}
}

/*
 * Before a bin is first used. Its array begins where those of the bins end that were used before, so that the
 * few that a small program uses share pages.
 */
static void give_place(struct hak_thread *thread, unsigned c)
{
	if (hak_likely(thread->depth[c]))
		return;
	*thread->unused = NULL;
	thread->top[c] = thread->bottom[c] = thread->unused + 1;
	thread->unused += HAK_BIN_SLOTS_OF(usual_depth(thread, c));
	thread->depth[c] = (uint16_t)first_depth(thread, c);
}

/*
 * Let there be an array for so many. Those of up to a page lie side by side, or forty classes would touch
 * eighty pages; of longer ones only what is used is resident.
 */
static bool reach_depth(struct hak_thread *thread, unsigned c, unsigned depth)
{
	void **array;

	if (depth <= thread->deep_most[c])
		return true;
	if (depth * sizeof(void *) > HAK_GRAIN_BYTES)
		depth = hak_size_class[c].deepest_bin;
	array = hak_meta_alloc(HAK_BIN_SLOTS_OF(depth) * sizeof(void *));
	if (!array)
		return false;
	thread->deep[c] = array;
	thread->deep_most[c] = (uint16_t)depth;
	return true;
}

static bool is_wide(unsigned c)
{
	return hak_size_class[c].block_bytes > HAK_WIDE_BYTES;
}

/* How much bins of such blocks may hold beyond their usual depth. */
static size_t most_deep_bytes(const struct hak_thread *thread, bool wide)
{
	size_t least = (size_t)HAK_BINS_DEEP_BYTES >> thread->shallower;
	size_t part = wide ? HAK_BINS_WIDE_BYTES / hak_thread_count() : 0;

	return part > least ? part : least;
}

/* It overflowed and now is empty: twice the depth would have kept what is to be fetched again. */
static void deepen(struct hak_thread *thread, unsigned c)
{
	const struct hak_size_class *class = &hak_size_class[c];
	unsigned depth = thread->depth[c] * 2u;
	size_t *deep_bytes = &thread->deep_bytes[is_wide(c)];
	size_t more_bytes;

	if (depth > class->deepest_bin)
		depth = class->deepest_bin;
	more_bytes = (size_t)(depth - thread->depth[c]) * class->block_bytes;
	if (!more_bytes || *deep_bytes + more_bytes > most_deep_bytes(thread, is_wide(c)))
		return;
	if (!reach_depth(thread, c, depth))
		return;
	thread->top[c] = thread->bottom[c] = thread->deep[c] + 1;
	*deep_bytes += more_bytes;
	thread->depth[c] = (uint16_t)depth;
}

static void add_held(struct hak_thread *thread, unsigned c, int blocks)
{
	/* relaxed, both: a gauge */
	size_t held = atomic_load_explicit(&thread->held_bytes, memory_order_relaxed);

	atomic_store_explicit(&thread->held_bytes, held + (size_t)blocks * hak_size_class[c].block_bytes,
			      memory_order_relaxed);
}

/* Count what happened since the last visit of this class. */
static void account(struct hak_thread *thread, unsigned c)
{
	unsigned count = count_of(thread, c);
	uint64_t frees = thread->granted[c] - thread->room[c];
	uint64_t mallocs = thread->stood[c] + frees - count;
	uint64_t bytes = hak_size_class[c].block_bytes;

	thread->granted[c] = (uint16_t)thread->room[c];
	thread->visited[c] = true;
	if (frees) {
		hak_tally_frees(&thread->tally, frees, frees * bytes);
		hak_tally_add(&thread->tally, HAK_COUNTER_free_tls_sll, frees);
	}
	if (mallocs) {
		hak_tally_mallocs(&thread->tally, mallocs, mallocs * bytes);
		if (is_giver(thread, c))
			thread->depth[c] = (uint16_t)usual_depth(thread, c);
	}
	add_held(thread, c, (int)count - thread->stood[c]);
	thread->stood[c] = (uint16_t)count;
}

static void refuse_recent(const struct hak_thread *thread, unsigned c, const void *block)
{
	unsigned count = count_of(thread, c), look = tick_of(thread, c) == 1 ? LOOK_BACK : LOOK_BACK_BUSY;
	void *const *slot = thread->top[c] - (count < look ? count : look);

	for (; slot < thread->top[c]; slot++)
		if (hak_unlikely(*slot == block))
			hak_fatal("free", block, "double free");
}

/* ---- blocks of mosaics wait in a bin of their own: the hot path cannot know their class ---------------- */

static unsigned class_in_mosaic(const void *block)
{
	unsigned c = hak_mosaic_class_of(block);

	if (hak_unlikely(!c))
		hak_fatal("free", block,
			  hak_mosaic_is_free(block) ? "double free" : "not the start of a block");
	return c;
}

/* As if it were freed now, by a visit where that is due. Return: false: the bin of its class is full. */
static bool move_to_its_bin(struct hak_thread *thread, unsigned c, void *block)
{
	bool visits = thread->room[c] <= 1;

	give_place(thread, c);
	if (count_of(thread, c) >= thread->depth[c])
		return false;
	if (visits)
		refuse_recent(thread, c, block);
	thread->room[c]--;
	*thread->top[c]++ = block;
	if (visits) {
		account(thread, c);
		note_free_visit(thread, c);
		grant(thread, c);
	}
	return true;
}

/* What class they are of is asked there. */
static void send_mosaic_bin_home(struct hak_thread *thread)
{
	unsigned c = HAK_CLASS_MOSAIC, count = count_of(thread, c);

	if (count) {
		hak_tally_add(&thread->tally, HAK_COUNTER_free_count, count);
		hak_tally_add(&thread->tally, HAK_COUNTER_free_tls_sll, count);
		hak_heap_put(thread->heap, c, thread->bottom[c], count, &thread->tally);
	}
	thread->top[c] = thread->bottom[c];
	grant(thread, c);
}

/* A malloc found nothing in the bin of its class: perhaps it waits here, as what others will look for. */
static void sort_mosaic_bin(struct hak_thread *thread)
{
	void **block = thread->bottom[HAK_CLASS_MOSAIC], **left = block;

	for (; block < thread->top[HAK_CLASS_MOSAIC]; block++)
		if (!move_to_its_bin(thread, class_in_mosaic(*block), *block))
			*left++ = *block;
	thread->top[HAK_CLASS_MOSAIC] = left;
	send_mosaic_bin_home(thread);
}

static void free_in_mosaic(struct hak_thread *thread, void *block)
{
	unsigned c = HAK_CLASS_MOSAIC;

	give_place(thread, c);
	*thread->top[c]++ = block;
	thread->visited[c] = true;
	if (count_of(thread, c) > thread->depth[c]) {
		send_mosaic_bin_home(thread);
		return;
	}
	note_free_visit(thread, c);
	grant(thread, c);
}

static void *malloc_without_bin(struct hak_thread *thread, unsigned c)
{
	void *block;

	hak_tally_add(&thread->tally, HAK_COUNTER_early_bins_off, 1);
	if (hak_heap_take(thread->heap, c, &block, 1, true, &thread->tally) == 0)
		return NULL;
	hak_tally_mallocs(&thread->tally, 1, hak_size_class[c].block_bytes);
	return block;
}

/* Before a superslab is mapped, hot runs go home: much of what they are may serve. */
static unsigned refill(struct hak_thread *thread, unsigned c, unsigned want)
{
	bool has_much = hak_hot_is_much(&thread->hot);
	unsigned count =
		hak_heap_take(thread->heap, c, thread->bottom[c], want, !has_much, &thread->tally);

	if (count || !has_much)
		return count;
	hak_hot_flush_runs(&thread->hot);
	return hak_heap_take(thread->heap, c, thread->bottom[c], want, true, &thread->tally);
}

void *hak_bins_malloc(struct hak_thread *thread, unsigned c)
{
	unsigned want, count;

	if (!thread->bins_on)
		return malloc_without_bin(thread, c);
	if (count_of(thread, c) == 0 && count_of(thread, HAK_CLASS_MOSAIC))
		sort_mosaic_bin(thread);
	account(thread, c);
	if (count_of(thread, c) == 0) {
		give_place(thread, c);
		want = thread->want[c];
		if (thread->overflowed[c])
			deepen(thread, c);
		thread->overflowed[c] = false;
		if (want > thread->depth[c])
			want = thread->depth[c];
		count = refill(thread, c, want);
		if (count == 0)
			return NULL;
		thread->top[c] = thread->bottom[c] + count;
		if (thread->want[c] < usual_depth(thread, c))
			thread->want[c] = (uint8_t)(thread->want[c] * 2);
	}

	void *block = *--thread->top[c];

	add_held(thread, c, (int)count_of(thread, c) - thread->stood[c]);
	hak_tally_mallocs(&thread->tally, 1, hak_size_class[c].block_bytes);
	grant(thread, c);
	return block;
}

/* The oldest half goes back to the slabs; all of it where nobody takes. */
static void flush_oldest(struct hak_thread *thread, unsigned c)
{
	bool giver = is_giver(thread, c);
	unsigned count = count_of(thread, c), oldest = giver ? count : (count + 1) / 2;

	hak_heap_put(thread->heap, c, thread->bottom[c], oldest, &thread->tally);
	memmove(thread->bottom[c], thread->bottom[c] + oldest, (count - oldest) * sizeof(void *));
	thread->top[c] -= oldest;
	thread->overflowed[c] = !giver; /* of whose depth that says nothing */
	add_held(thread, c, -(int)oldest);
	hak_tally_add(&thread->tally, HAK_COUNTER_early_bin_full, 1);
}

/*
 * Blocks of other heaps stay in the freer's bin, which is what makes remote frees cheap. Where a block shares
 * a cache line with its neighbours that would let two threads write one line for ever, so at each visit some
 * of those next in line are sent home.
 */
static void send_strangers_home(struct hak_thread *thread, unsigned c, void *block)
{
	unsigned count = count_of(thread, c), check = count < HOME_CHECK ? count : HOME_CHECK;
	void **kept = thread->top[c] - check;
	void *strangers[HOME_CHECK];
	unsigned away = 0;

	/* The block just freed stands for those before it: where it is ours, no other is looked at. */
	if (!count || !hak_size_class[c].shares_lines || hak_heap_is_only() ||
	    hak_heap_of(block, c) == thread->heap)
		return;
	for (void **slot = kept; slot < thread->top[c]; slot++) {
		if (hak_heap_of(*slot, c) != thread->heap)
			strangers[away++] = *slot;
		else
			*kept++ = *slot;
	}
	if (!away)
		return;
	thread->top[c] = kept;
	add_held(thread, c, -(int)away);
	hak_heap_put(thread->heap, c, strangers, away, &thread->tally);
}

static void free_without_bin(struct hak_thread *thread, unsigned c, void *block)
{
	if (c == HAK_CLASS_MOSAIC)
		c = class_in_mosaic(block);
	hak_tally_add(&thread->tally, HAK_COUNTER_early_bins_off, 1);
	hak_heap_put(thread->heap, c, &block, 1, &thread->tally);
	hak_tally_frees(&thread->tally, 1, hak_size_class[c].block_bytes);
}

static void free_in_bin(struct hak_thread *thread, unsigned c, void *block)
{
	give_place(thread, c);
	refuse_recent(thread, c, block);
	/* Counted like those of the hot path. A full bin has a slot for it. */
	thread->room[c]--;
	*thread->top[c]++ = block;
	account(thread, c);
	if (count_of(thread, c) > thread->depth[c])
		flush_oldest(thread, c);
	send_strangers_home(thread, c, block);
	note_free_visit(thread, c);
	grant(thread, c);
}

void hak_bins_free(struct hak_thread *thread, unsigned c, void *block)
{
	if (!thread->bins_on)
		free_without_bin(thread, c, block);
	else if (c == HAK_CLASS_MOSAIC)
		free_in_mosaic(thread, block);
	else
		free_in_bin(thread, c, block);
}

/* Caller has accounted for it. */
static void empty_bin(struct hak_thread *thread, unsigned c)
{
	unsigned count = count_of(thread, c);

	if (count)
		hak_heap_put(thread->heap, c, thread->bottom[c], count, &thread->tally);
	thread->top[c] = thread->bottom[c];
	add_held(thread, c, -(int)count);
	grant(thread, c);
}

/* Back to the usual depth: what a bin of another class may need. */
static void make_shallow(struct hak_thread *thread, unsigned c)
{
	unsigned usual = usual_depth(thread, c);

	if (thread->depth[c] <= usual)
		return;
	thread->deep_bytes[is_wide(c)] -= (size_t)(thread->depth[c] - usual) * hak_size_class[c].block_bytes;
	thread->depth[c] = (uint16_t)usual;
}

/* What is of no class. */
static void tend_others(struct hak_thread *thread)
{
	if (!thread->visited[HAK_CLASS_MOSAIC])
		send_mosaic_bin_home(thread);
	thread->visited[HAK_CLASS_MOSAIC] = false;
	if (thread->hot_tended == thread->hot.uses) {
		hak_hot_flush(&thread->hot, &thread->tally);
		hak_hot_forget_look(&thread->hot);
	}
	thread->hot_tended = thread->hot.uses;
}

void hak_bins_tend(struct hak_thread *thread)
{
	unsigned c = thread->tend_next;
	/* The array is shorter than the bits that room has for itself. */
	uint32_t look = (uint32_t)((uintptr_t)thread->top[c] ^ thread->room[c] << 24);

	thread->tend_next = (uint8_t)(c < HAK_CLASS_SMALL_COUNT ? c + 1 : 0);
	if (c == 0) {
		tend_others(thread);
		return;
	}
	if (!thread->visited[c] && look == thread->tended[c] && count_of(thread, c) && thread->bins_on) {
		account(thread, c);
		make_shallow(thread, c);
		empty_bin(thread, c);
	}
	thread->tended[c] = look;
	thread->visited[c] = false;
}

void hak_bins_settle(struct hak_thread *thread)
{
	send_mosaic_bin_home(thread);
	for (unsigned c = 1; c <= HAK_CLASS_SMALL_COUNT && thread->bins_on; c++)
		if (thread->room[c] != thread->granted[c] || count_of(thread, c) != thread->stood[c])
			account(thread, c);
}

void hak_bins_flush(struct hak_thread *thread)
{
	hak_hot_flush(&thread->hot, &thread->tally);
	send_mosaic_bin_home(thread);
	for (unsigned c = 1; c <= HAK_CLASS_SMALL_COUNT && thread->bins_on; c++) {
		account(thread, c);
		empty_bin(thread, c);
	}
}
