/* SPDX-License-Identifier: MIT */
/*
 * The counters and gauges of one process, one table for everybody who writes, reads or prints them. Appending
 * is no break; the order and the meaning of what is there never change.
 */
#ifndef HAK_SHM_COUNTERS_H
#define HAK_SHM_COUNTERS_H

/* Monotone since the process (or the forked child) began. "Blocks" are small blocks, from slabs. */
#define HAK_COUNTERS(X)                                                                      \
	X(alloc_count, "allocations that succeeded")                                         \
	X(alloc_bytes, "usable bytes of them")                                               \
	X(free_count, "frees")                                                               \
	X(free_bytes, "usable bytes of them")                                                \
	X(alloc_failed, "allocations that failed")                                           \
	X(slow_visits, "visits of a slow path")                                              \
	X(free_tls_sll, "blocks freed into a thread bin")                                    \
	X(free_ss_local, "blocks given back to a slab of the thread's own heap")             \
	X(free_ss_remote, "blocks given back to a slab of another heap")                     \
	X(free_large, "large blocks freed")                                                  \
	X(remote_posts, "groups in which the remote blocks were given back")                 \
	X(refill_own_slab, "refills from the class's current slab")                          \
	X(refill_remote, "refills from an own slab that strangers had given blocks back to") \
	X(refill_partial, "refills that took another partial slab of the heap")              \
	X(refill_reclaimed, "refills from a slab taken over from an unused heap")            \
	X(refill_new_slab, "refills that made a new slab")                                   \
	X(superslab_cached, "superslabs taken from the cache")                               \
	X(superslab_os, "superslabs mapped from the OS")                                     \
	X(superslab_released, "superslabs given back to the OS")                             \
	X(refill_blocks, "blocks moved by refills")                                          \
	X(early_free_null, "early returns: free(NULL)")                                      \
	X(early_bins_off, "early returns: the policy has no thread bins")                    \
	X(early_bin_full, "early returns: the bin was full and half was flushed")            \
	X(early_no_thread, "early returns: the thread has no cache yet, or is ending")       \
	X(early_large, "early returns: not a small block")                                   \
	X(bigcache_hits, "large allocations served by BigCache")                             \
	X(bigcache_misses, "large allocations that BigCache could not serve")                \
	X(bigcache_evictions, "blocks that left BigCache for the OS")                        \
	X(batch_ranges, "freed ranges collected for giving back")                            \
	X(batch_merged, "ranges that were merged with a neighbour")                          \
	X(batch_flushes, "flushes of the collected ranges")                                  \
	X(batch_bytes, "bytes given back by them")                                           \
	X(madvise_calls, "madvise calls")                                                    \
	X(mmap_calls, "mmap calls")                                                          \
	X(munmap_calls, "munmap calls")                                                      \
	X(mremap_calls, "mremap calls")                                                      \
	X(populated_bytes, "bytes populated ahead of their use")                             \
	X(realloc_in_place, "reallocs that kept the block where it was")                     \
	X(realloc_remapped, "reallocs that moved pages, not bytes")                          \
	X(realloc_copied_bytes, "bytes that realloc copied")                                 \
	X(calloc_cleared_bytes, "bytes that calloc had to clear")                            \
	X(policy_applied, "policies put in force")                                           \
	X(heaps_made, "heaps made")                                                          \
	X(heaps_adopted, "heaps of ended threads taken over")                                \
	X(forks, "forked children seen by the parent")                                       \
	X(purge_runs, "purges of free memory")                                               \
	X(thp_advised_bytes, "bytes advised to use huge pages")                              \
	X(game_windows, "windows of games played")                                           \
	X(game_windows_lost, "of them over the memory budget")                               \
	X(game_pairs, "pairs of games played to the end")                                    \
	X(game_switches, "strategies put in force for a game")                               \
	X(game_freezes, "decisions for a strategy, the safe one included")                   \
	X(game_thaws, "decisions that were taken back")                                      \
	X(bigcache_evicted_excess, "evictions: more was held than is worth it")              \
	X(bigcache_evicted_full, "evictions: there was no place for another")                \
	X(bigcache_evicted_asked, "evictions: a purge, a trim, another policy")              \
	X(bigcache_evicted_short, "evictions: an allocation had failed")                     \
	X(batch_calls, "madvise calls of the flushes")                                       \
	X(returned_bytes, "bytes given back to the kernel, by whichever call")               \
	X(returned_calls, "calls that did: each may interrupt other CPUs (TLB)")

/* Gauges: their value when the process last published. mapped == live + held + free, in bytes. */
#define HAK_GAUGES(X)                                                                        \
	X(mapped_bytes, "address space that holds blocks or could")                          \
	X(live_bytes, "usable bytes of blocks in the program's hands")                       \
	X(held_bytes, "free blocks kept ready: thread bins, BigCache, unflushed batches")    \
	X(free_bytes, "everything else that is mapped")                                      \
	X(resident_free_bytes, "of held and free: pages that may be resident")               \
	X(lazily_free_bytes,                                                                 \
	  "of held and free: pages given back by MADV_FREE, counted in RSS until reclaimed") \
	X(peak_mapped_bytes, "largest mapped so far")                                        \
	X(meta_bytes, "resident at most: the allocator's own tables")                        \
	X(heaps, "heaps in use")                                                             \
	X(threads, "threads with a cache")                                                   \
	X(bins_bytes, "of held: in thread bins")                                             \
	X(cache_bytes, "of held: large blocks")                                              \
	X(dirty_bytes, "of free: whole runs that are resident")                              \
	X(slab_free_bytes, "in slabs in which something lives")                              \
	X(slab_given_bytes, "of them: pages that were given back")

enum hak_counter {
#define HAK_COUNTER_ENUM(name, text) HAK_COUNTER_##name,
	HAK_COUNTERS(HAK_COUNTER_ENUM)
#undef HAK_COUNTER_ENUM
		HAK_COUNTER_COUNT
};

enum hak_gauge {
#define HAK_GAUGE_ENUM(name, text) HAK_GAUGE_##name,
	HAK_GAUGES(HAK_GAUGE_ENUM)
#undef HAK_GAUGE_ENUM
		HAK_GAUGE_COUNT
};

/* For readers that print (counters.c). NULL outside the range. */
const char *hak_counter_name(enum hak_counter counter);
const char *hak_gauge_name(enum hak_gauge gauge);

#endif
