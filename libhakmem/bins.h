/* SPDX-License-Identifier: MIT */
/*
 * Slow visits to a thread's bins: what is counted, refilled and flushed there. What a bin is, and what holds
 * of it, thread.h says.
 *
 * Caller is the owner, inside a visit.
 */
#ifndef HAK_BINS_H
#define HAK_BINS_H

#include "thread.h"

/*
 * Point every bin at its array, or at nothing. The bins must be empty. How wary the first frees need be, an
 * earlier owner's use has told.
 */
void hak_bins_init(struct hak_thread *thread, bool bins_on);

/* Count what happened in all bins since they were last visited. */
void hak_bins_settle(struct hak_thread *thread);

/* Return: NULL: no memory. */
void *hak_bins_malloc(struct hak_thread *thread, unsigned size_class);

void hak_bins_free(struct hak_thread *thread, unsigned size_class, void *block);

/*
 * Empty the next bin (or the hot runs) in turn if it was not used since its last turn: a forgotten block pins
 * a slab.
 */
void hak_bins_tend(struct hak_thread *thread);

/* Account for and empty all bins, and the hot runs. */
void hak_bins_flush(struct hak_thread *thread);

#endif
