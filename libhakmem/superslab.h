/* SPDX-License-Identifier: MIT */
/*
 * Superslabs: 2 MiB from the OS, cut into 512 grains, handed out in runs of grains. A run becomes a slab
 * (slab.h) or a large block (large.h). The lowest place that fits wins, so that the tops of superslabs empty.
 *
 * Of each grain we know whether a run has it (`used`) and, if none has, whether it may be resident
 * (`dirty`). Dirty free grains are the pending batch of what goes back to the OS: sorted by address and
 * merged where they touch by their very form. hak_superslab_purge() flushes it: lazily where somebody
 * collects (lazy.h) and as far as the recent peak goes, else for good.
 *
 * How much may stay dirty is a base and what reuse has earned (hold.h; `purged` and `lazy` are the ghost
 * list).
 *
 *   used_grains + free_grains == 512 * superslabs        dirty_grains + lazy_grains <= free_grains
 *
 * Each superslab belongs to an arena, whose lock guards it. That is held over the mmap and munmap of whole
 * superslabs, never over madvise.
 */
#ifndef HAK_SUPERSLAB_H
#define HAK_SUPERSLAB_H

#include "geometry.h"
#include "grainmap.h"
#include "pagemap.h"

struct hak_heap;
struct hak_lazy_ranges;

/* Where a slab stands in its heap; written under the heap's lock. */
enum hak_slab_place {
	HAK_SLAB_FULL,    /* on no list: nothing to take */
	HAK_SLAB_CURRENT, /* the class refills from it */
	HAK_SLAB_DENSE,   /* on the list of slabs that are mostly in use */
	HAK_SLAB_SPARSE,  /* on the list of the others */
	HAK_SLAB_HOLLOW,  /* on the list of those whose free pages were given back */
	HAK_SLAB_MOSAIC,  /* on the first list of mosaics; so many more follow: */
	HAK_MOSAIC_KINDS = 9,
	HAK_SLAB_PLACES = HAK_SLAB_MOSAIC + HAK_MOSAIC_KINDS
};

enum {
	HAK_NEAR_WORDS = HAK_LINE_BYTES / 8,                         /* of bits beside a descriptor */
	HAK_FAR_WORDS = HAK_GRAIN_BYTES / HAK_ALIGN_BYTES / 64, /* a grain, for the smallest blocks */
	HAK_CELL_WORDS = HAK_GRAIN_BYTES / HAK_ALIGN_BYTES / 64,        /* a grain, of a mosaic */
	HAK_CELL_WORDS_BEHIND = 9, /* may be read behind the last where a pointer is wrong */
	HAK_SPARES = HAK_SUPERSLAB_GRAINS * sizeof(uint16_t) / sizeof(void *),
};

/* Of 64 cells of HAK_ALIGN_BYTES in a mosaic (mosaic.h): */
struct hak_cells {
	uint64_t free;
	_Atomic uint64_t last; /* of a block that is out */
};

/* Descriptor of a run, one cache line and one of bits. `base` and `grains` are the superslab's; the rest its
 * user's. */
struct hak_slab {
	struct hak_slab *next, *prev; /* the heap's list; heap's lock */
	char *base;
	uint64_t *bits;                  /* of a slab, one a carved block: 1 free, 0 out; heap's lock */
	_Atomic(struct hak_heap *) heap; /* owner; changes only under the old owner's lock */
	uint32_t block_bytes;            /* large block: of the whole run */
	uint32_t reciprocal;
	uint16_t capacity; /* blocks */
	uint16_t carved;   /* blocks that were ever handed out */
	uint16_t free;     /* bits set: free + out == carved */
	uint16_t hint;     /* no word of `bits` below has a bit set; mosaic: so much free: look again */
	uint16_t grains;
	uint8_t size_class;         /* HAK_CLASS_LARGE: a large block; HAK_CLASS_MOSAIC: blocks of many */
	uint8_t place : 4;          /* enum hak_slab_place */
	uint8_t from_strangers : 1; /* another heap's thread gave blocks back since the last refill */
	uint8_t dirty : 1;          /* some of the run's grains were dirty when it was acquired */
	uint8_t warm : 1;           /* all were */
	uint8_t stepwise : 1;       /* faulted in ahead by small steps as it is carved */
	union {
		uint16_t regretted_grains; /* so many had been given back out of a huge page, */
					   /* which is no more, when the run was acquired */
		uint16_t most_cells;       /* mosaic: blocks of more were looked for in vain */
	};
	/* Of a mosaic: */
	uint8_t seen_words;  /* in so many, the first, nothing is left */
	uint8_t seen_class;  /* for blocks of this class, or larger ones */
	uint64_t near_bits[HAK_NEAR_WORDS] HAK_ALIGNED(HAK_LINE_BYTES); /* zero while no slab has them */
};
_Static_assert(offsetof(struct hak_slab, near_bits) == HAK_LINE_BYTES, "a slab's descriptor is a cache line");
_Static_assert(HAK_SLAB_PLACES <= 16, "`place` has four bits");

/*
 * Descriptors are given to runs lowest first, whatever the run's place, so that those of a superslab lie
 * together: what many superslabs with few runs each cost is a page apiece. So do the bits: those of up to 512
 * blocks beside the descriptor, those of more in the places of further descriptors.
 */

struct hak_superslab {
	char *base;
	struct hak_arena *arena; /* while it is mapped */
	struct hak_superslab *next_spare; /* unused: the next that has addresses of others */
	uint32_t free_grains;
	uint32_t freed_msec; /* when a run was last given back (hak_os_coarse_msec()) */
	_Atomic bool huge; /* advised to use huge pages; written under the lock, read without */
	bool whole;        /* it was since it was mapped: any of it may be resident, touched or not */
	uint16_t trimmed_grains; /* free when this descriptor's idle pages last went; 0: a run came since */
	uint16_t offered_grains; /* of slabs that are about to give pages back, in that round */
	uint16_t spares;         /* unused: so many addresses in `spare` */
	uint32_t offer_round;
	uint32_t table_bytes;    /* of this descriptor that may be resident */
	uint16_t touched_slabs;  /* of `slab`, from the first; the others are zero */
	bool far_used;           /* far_bits may be resident */
	_Atomic uint8_t cells_used; /* so may cells, a bit for each page of them; written under the lock, */
				    /* read without */
	uint64_t used[HAK_GRAIN_WORDS];
	/* Of free grains, at most one: */
	uint64_t dirty[HAK_GRAIN_WORDS];  /* may be resident */
	uint64_t lazy[HAK_GRAIN_WORDS];   /* given back by MADV_FREE: resident until somebody collects */
	uint64_t purged[HAK_GRAIN_WORDS]; /* given back since they were last used: taking one is a regret */
	uint64_t given[HAK_GRAIN_WORDS];  /* of used ones: pages without a live block that were given back */
	uint64_t slab_used[HAK_GRAIN_WORDS];   /* descriptors that runs have, or their bits */
	union {
		uint16_t run_slab[HAK_SUPERSLAB_GRAINS]; /* by grain: the descriptor of the run that begins */
							 /* there, or of the slab that has it */
		struct hak_superslab *spare[HAK_SPARES]; /* unused descriptors without a page of their own */
	};
	struct hak_slab slab[HAK_SUPERSLAB_GRAINS];
	uint64_t far_bits[HAK_SUPERSLAB_GRAINS][HAK_FAR_WORDS]; /* by the run's first grain, where no */
								/* places lie side by side any more */
	struct hak_cells cells[HAK_SUPERSLAB_GRAINS * HAK_CELL_WORDS + HAK_CELL_WORDS_BEHIND];
};

struct hak_superslab_stats {
	size_t mapped_bytes, free_bytes, dirty_bytes, lazy_bytes;
	size_t given_bytes; /* inside runs */
	size_t untouched_table_bytes; /* of descriptors: never resident, or given back */
};

/* Superslabs that were mapped since a visit last made BigCache give way to them. relaxed: a hint */
extern _Atomic size_t hak_superslabs_mapped;

/*
 * More lies free, here or in slabs, than may. Set where something was freed; who ends a visit next clears it
 * and purges. relaxed: a hint
 */
extern _Atomic bool hak_superslabs_purge_due;

static inline bool hak_superslab_is_purge_due(void)
{
	return atomic_load_explicit(&hak_superslabs_purge_due, memory_order_relaxed);
}

static inline void hak_superslab_set_purge_due(bool due)
{
	atomic_store_explicit(&hak_superslabs_purge_due, due, memory_order_relaxed);
}

/* What mappings of large blocks take, live and kept, as their owner tells. relaxed: a hint */
extern _Atomic size_t hak_superslabs_beside_bytes;

static inline struct hak_slab *hak_superslab_run_at(struct hak_superslab *superslab, const void *p)
{
	size_t grain = ((uintptr_t)p & (HAK_SUPERSLAB_BYTES - 1)) >> HAK_GRAIN_SHIFT;

	return &superslab->slab[superslab->run_slab[grain]];
}

/* The run's descriptor, for its start, and where it was shared out for any address inside. */
static inline struct hak_slab *hak_superslab_run(const void *p)
{
	return hak_superslab_run_at(hak_pagemap_owner(p), p);
}

/* Was the superslab of a live run advised to use huge pages? */
static inline bool hak_superslab_is_huge(const struct hak_slab *slab)
{
	const struct hak_superslab *superslab = hak_pagemap_owner(slab->base);

	return atomic_load_explicit(&superslab->huge, memory_order_relaxed); /* a hint */
}

enum { HAK_ARENAS = 32 };

/*
 * From which arena a thread or a heap takes runs. All do from the first, where free memory is used best,
 * until threads on other CPUs have it between two of theirs again and again. Then each takes from that of the
 * CPU it runs on; runs return whence they came. Zero at first, but for @for_slabs; its owner's.
 */
struct hak_arena_choice {
	uint8_t arena;
	bool for_slabs;      /* follows to an arena that the CPU has, and is no reason to give it one */
	uint8_t crossings;   /* so many runs came from an arena that another CPU had had, */
	uint32_t since_msec; /* since then */
	unsigned cpu;        /* that it ran on then, and one more; 0: not known */
};

/* From so many runs may have come. A gauge. */
extern _Atomic unsigned hak_arenas_used;

/**
 * hak_superslab_acquire() - a run of grains
 * @choice: the caller's
 * @grains: 1 to 512
 * @align: of the first grain: power of two, at most 512
 * @may_map: a superslab, if that is what it takes; else NULL says that it does
 * Threads: any; takes an arena's lock. Syscalls: mmap where no superslab has room.
 * Return: the descriptor with base, grains and dirty set and all else zero; NULL: no memory. The page map's
 * bytes say that nothing of ours begins there, or something was freed: the caller sets them.
 */
struct hak_slab *hak_superslab_acquire(struct hak_arena_choice *choice, unsigned grains, unsigned align,
				       bool may_map);

/* Blocks will begin anywhere in the run. Threads: the one that acquired it; no lock, nobody asks yet. */
void hak_superslab_share_out(const struct hak_slab *slab);

/* Where the bits of a slab of @blocks lie; all zero. Threads: any; may take an arena's lock. */
uint64_t *hak_superslab_bits(struct hak_slab *slab, unsigned blocks);

/* Where the cells of a mosaic lie; what they say is left from before. Threads: any; may take it, too. */
struct hak_cells *hak_superslab_cells(const struct hak_slab *slab);

/**
 * hak_superslab_release() - give a run back
 * @touched_grains: how many from its start may be resident now
 * The caller has set the page map's bytes to HAK_CLASS_FOREIGN, or where a block began to HAK_CLASS_FREED.
 */
void hak_superslab_release(struct hak_slab *slab, unsigned touched_grains);

/* Lengthen a run over free grains right behind it. Return: true if it now has @grains. */
bool hak_superslab_extend(struct hak_slab *slab, unsigned grains);

/* Shorten a run; the tail counts as dirty. */
void hak_superslab_shorten(struct hak_slab *slab, unsigned grains);

/**
 * hak_superslab_populate_behind() - fault in up to @bytes of the free memory right behind a run
 * They are dirty afterwards: the next runs find them resident. A failure leaves them as they were.
 * Threads: any; the lock is not held over the system call. Syscalls: madvise.
 */
void hak_superslab_populate_behind(const struct hak_slab *slab, size_t bytes);

/*
 * The policy's THP has changed: superslabs that exist are advised anew. Pages that exist stay as large as
 * they are.
 */
void hak_superslab_convert(void);

/*
 * Pages in the middle of runs go back in two steps, so that no huge page is split that is mostly in use: all
 * slabs that could give some are offered under the number of a round, and those whose superslab is then
 * worth it may. It uses huge pages no more, or the kernel would fill it up again by and by (khugepaged).
 * Threads: any; takes the lock where the superslab is huge.
 */
void hak_superslab_offer(const struct hak_slab *slab, uint32_t round);
bool hak_superslab_may_break_up(const struct hak_slab *slab, uint32_t round);
/* @given: of the run's grains, counted from its start: were given back. Until the slab is used again: */
void hak_superslab_break_up(const struct hak_slab *slab, const uint64_t *given);
void hak_superslab_forget_given(const struct hak_slab *slab);

/**
 * hak_superslab_purge() - give dirty free grains back until at most @keep_bytes are left, highest first
 * @keep_bytes: HAK_KEEP_ALLOWED: what the policy allows, less a little; 0: spare superslabs go, too
 * Runs that are being given back are not available meanwhile; the lock is not held over madvise.
 * Return: bytes given back.
 */
#define HAK_KEEP_ALLOWED SIZE_MAX
size_t hak_superslab_purge(size_t keep_bytes);

struct hak_superslab_stats hak_superslab_stats(void);

/* What is counted here: @counter has HAK_COUNTER_COUNT of them. */
void hak_superslab_add_counters(uint64_t *counter);

/* Free, never taken, and resident nevertheless: the first touch of a huge page made all of it so. Looks at
 * every superslab. */
size_t hak_superslab_huge_untouched_bytes(void);

/* What is lazily free in this range goes back for good; of memory that is no superslab's nothing. */
void hak_superslab_purge_lazy(uintptr_t start, size_t bytes);

/* What is lazily free, in order of address. */
void hak_superslab_add_lazy(struct hak_lazy_ranges *ranges);

void hak_superslab_fork_prepare(void);
void hak_superslab_fork_parent(void);
void hak_superslab_fork_child(void);

#endif
