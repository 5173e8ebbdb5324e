/* SPDX-License-Identifier: MIT */
/*
 * What registry*.c, client_life.c, client_look.c and slot_life.c share, each of which calls those above it
 * here alone; identity.c has a share in slots.
 */
#ifndef HAK_REGISTRY_PRIVATE_H
#define HAK_REGISTRY_PRIVATE_H

#include "registry.h"

/* ---- registry_table.c -------------------------------------------------------------------------------- */

/* The clients whose key has this hash. */
struct hak_client_chain *hak_registry_chain(struct hak_registry *registry, const struct hak_key *key);
/* A client of that name, which has none. Return: NULL: no memory, or no name of one. */
struct hak_client *hak_registry_add(struct hak_registry *registry, const char *name);
/* Forget the client, drop its entry, free it. Not its file. */
void hak_registry_remove(struct hak_registry *registry, struct hak_client *client);
/* The slot is found by its pid from now on; until now. */
void hak_registry_index_pid(struct hak_registry *registry, struct hak_slot *slot);
void hak_registry_unindex_pid(struct hak_registry *registry, struct hak_slot *slot);
void hak_registry_count_process(struct hak_registry *registry, int change);

/* The client is looked at at @due_usec, or before; now where that has passed. */
void hak_registry_due(struct hak_registry *registry, struct hak_client *client, uint64_t due_usec);
void hak_registry_undue(struct hak_registry *registry, struct hak_client *client);
/* Something is due then. */
void hak_registry_plan(struct hak_registry *registry, uint64_t usec);

/* @parts more of @client's uid, each as good as a file. Return: false: its quota has no room for them. */
bool hak_registry_admit(struct hak_registry *registry, const struct hak_client *client, uint32_t parts);
bool hak_registry_has_room(struct hak_registry *registry, const struct hak_client *client, uint32_t parts);
/* The file has more parts than are read: these are from now on, as far as its user may have so many. Return:
 * is there a new one? */
bool hak_registry_grow(struct hak_registry *registry, struct hak_client *client);
/* May @client's user have another line in the journal? */
bool hak_registry_may_pass_on(struct hak_registry *registry, const struct hak_client *client,
			      uint64_t *ret_suppressed);

/* ---- registry_publish.c ------------------------------------------------------------------------------ */

/* The client's entry in the control segment as it should be now, which is that of part 0 of its file. */
void hak_registry_publish(struct hak_registry *registry, struct hak_client *client);
/* Which slots of one part are free again. */
void hak_registry_publish_part(struct hak_registry *registry, const struct hak_client *client, unsigned part);

/* ---- client_look.c: what an accepted client's file brings, beside what its slots have come to --------- */

/* Children have opened more parts of the file, which was just read: read these as well, as far as may be. */
void hak_client_look_grow(struct hak_registry *registry, struct hak_client *client, unsigned *news);
/* Children that were faster than what we say of the file. */
void hak_client_look_count_unseen(struct hak_registry *registry, struct hak_client *client, unsigned news);
void hak_client_look_saw_fork(struct hak_registry *registry, struct hak_client *client);
/*
 * What processes wrote into their own logs since the last look. Of one whose unit is still to be found out
 * only when it is known, or never will be. The client was just read; where a later read of it failed the rest
 * waits for the next one.
 */
void hak_client_look_pass_on_logs(struct hak_registry *registry, struct hak_client *client);
/*
 * One of its processes has been found dead: it may have counted on between the last look at the file and its
 * end. An accepted client stays; what its slots' samples say is final for those that are dead.
 */
void hak_client_look_last(struct hak_registry *registry, struct hak_client *client);

/* ---- slot_life.c: claimed -> its process found and verified -> ended -> folded and free again --------- */

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

/* ---- client_life.c ----------------------------------------------------------------------------------- */

/* Remove what is no telemetry file and cannot become one. */
void hak_client_life_refuse(struct hak_registry *registry, const char *name, const char *why);

#endif
