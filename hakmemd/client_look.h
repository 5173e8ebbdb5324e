/* SPDX-License-Identifier: MIT */
/*
 * What a look at an accepted client's file brings, beside what its slots have come to: more parts, forks,
 * lines of logs. Called by client_life.c and slot_life.c; one thread.
 */
#ifndef HAK_CLIENT_LOOK_H
#define HAK_CLIENT_LOOK_H

#include "registry.h"

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

#endif
