/* SPDX-License-Identifier: MIT */
/*
 * A client's life: not valid yet -> accepted -> its slots' processes verified -> ended and folded -> file
 * removed. Called by the registry and its timers; one thread.
 */
#ifndef HAK_CLIENT_LIFE_H
#define HAK_CLIENT_LIFE_H

#include "registry.h"

/* Look at the client and do its next step; plans the one after it. May remove the client. */
void hak_client_life_step(struct hak_registry *registry, struct hak_client *client, enum hak_look look);

/* What a leaving client told is durable (0), or why it is not. It may go with this. */
void hak_client_life_saved(struct hak_registry *registry, struct hak_client *client, int result);

/* Believe its file no more, and say so once; its processes stay known until they end. */
void hak_client_life_distrust(struct hak_client *client, const char *why);

/* Remove what is no telemetry file and cannot become one. */
void hak_client_life_refuse(struct hak_registry *registry, const char *name, const char *why);

#endif
