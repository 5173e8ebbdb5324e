/* SPDX-License-Identifier: MIT */
/*
 * A slot's life: claimed -> its process found and verified -> ended -> folded and free again. Called by
 * client_life.c and identity.c; one thread.
 */
#ifndef HAK_SLOT_LIFE_H
#define HAK_SLOT_LIFE_H

#include "registry.h"

/**
 * hak_slot_settle() - find the process of a slot in HAK_PHASE_NEW
 * Return: true once the slot has left that phase; false: ask again after hak_slot_retry_usec().
 */
bool hak_slot_settle(struct hak_registry *registry, struct hak_slot *slot);

/* How long to wait before the next attempt: 1, 3, 9, 27, 81, 243 ms, then 729. Counts the attempt. */
uint64_t hak_slot_retry_usec(struct hak_slot *slot);

/* Has its process ended, said good-bye, or become another program? Takes its name anew. */
bool hak_slot_is_over(struct hak_registry *registry, struct hak_slot *slot, enum hak_look look);

/* Who could be behind it: the process of that number, and those of inner namespaces that have it. Return: how
 * many were stored. */
size_t hak_slot_candidates(const struct hak_registry *registry, const struct hak_slot *slot,
			   int32_t *ret_pids, size_t room);

/* An unverified slot's process was found by somebody who may look at it. */
void hak_slot_verified(struct hak_registry *registry, struct hak_slot *slot, pid_t pid, uint64_t born,
		       const struct hak_executable *executable);

/* Count what it did; it is free again when that is written. Without memory it stays in HAK_PHASE_ENDED. */
void hak_slot_end(struct hak_registry *registry, struct hak_slot *slot);

#endif
