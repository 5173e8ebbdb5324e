/* SPDX-License-Identifier: MIT */
/* What registry*.c, client_life.c, client_look.c and slot_life.c share; nobody else's. */
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

#endif
