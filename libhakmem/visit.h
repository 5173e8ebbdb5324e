/* SPDX-License-Identifier: MIT */
/*
 * Slow visits: what a call does that the hot path cannot. Each begins by entering the thread's structure and
 * catching up with the policy, and ends by publishing now and then and by purging where a release has found
 * it due. No lock is held between.
 */
#ifndef HAK_VISIT_H
#define HAK_VISIT_H

#include "thread.h"

/* @frees: it only gives back. Return: the caller's bins, or the orphan's: see hak_thread_enter(). */
struct hak_thread *hak_visit_begin(bool frees);
void hak_visit_end(struct hak_thread *thread);

/*
 * Inside a visit: give back all that can be but @keep_bytes, since the call is about to fail or somebody asks
 * for it. @reason: the counter of BigCache's evictions for it. Return: bytes that went back, but for
 * BigCache's.
 */
size_t hak_visit_release(struct hak_thread *thread, size_t keep_bytes, enum hak_counter reason);

#endif
