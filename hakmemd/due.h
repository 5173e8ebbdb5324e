/* SPDX-License-Identifier: MIT */
/*
 * Which client has to be looked at next: a binary heap by due_usec. Each client knows its place, so that it
 * can be moved and taken out as fast as it is put in. One thread.
 *
 * place 0 <=> not in it; otherwise queue->client[place - 1] is the client, and no parent is due after its
 * child
 */
#ifndef HAK_DUE_H
#define HAK_DUE_H

#include <stddef.h>

struct hak_client;

struct hak_due {
	struct hak_client **client;
	size_t count, room;
};

/* Room for so many in all, so that hak_due_put() cannot fail. Return: 0, -ENOMEM. */
int hak_due_reserve(struct hak_due *queue, size_t count);
void hak_due_deinit(struct hak_due *queue);

/* At client->due_usec, which may have changed since it was put in. */
void hak_due_put(struct hak_due *queue, struct hak_client *client);
/* It may not be in it. */
void hak_due_remove(struct hak_due *queue, struct hak_client *client);
/* The one that is due first; NULL where there is none. */
struct hak_client *hak_due_first(const struct hak_due *queue);

#endif
