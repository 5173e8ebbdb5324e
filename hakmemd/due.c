/* SPDX-License-Identifier: MIT */
/* See due.h. */
#include "due.h"

#include <errno.h>
#include <stdlib.h>

#include "client.h"

int hak_due_reserve(struct hak_due *queue, size_t count)
{
	struct hak_client **grown;
	size_t room = queue->room ? queue->room : 64;

	if (count <= queue->room)
		return 0;
	while (room < count)
		room *= 2;
	grown = reallocarray(queue->client, room, sizeof(struct hak_client *));
	if (!grown)
		return -ENOMEM;
	queue->client = grown;
	queue->room = room;
	return 0;
}

void hak_due_deinit(struct hak_due *queue)
{
	free(queue->client);
	*queue = (struct hak_due){.client = NULL};
}

static void set(struct hak_due *queue, size_t index, struct hak_client *client)
{
	queue->client[index] = client;
	client->due_place = (uint32_t)index + 1;
}

/* Towards the root, past all that are due later. Return: where it came to rest. */
static size_t rise(struct hak_due *queue, size_t index, struct hak_client *client)
{
	while (index && queue->client[(index - 1) / 2]->due_usec > client->due_usec) {
		set(queue, index, queue->client[(index - 1) / 2]);
		index = (index - 1) / 2;
	}
	set(queue, index, client);
	return index;
}

static void sink(struct hak_due *queue, size_t index, struct hak_client *client)
{
	for (;;) {
		size_t child = 2 * index + 1;

		if (child + 1 < queue->count &&
		    queue->client[child + 1]->due_usec < queue->client[child]->due_usec)
			child++;
		if (child >= queue->count || queue->client[child]->due_usec >= client->due_usec)
			break;
		set(queue, index, queue->client[child]);
		index = child;
	}
	set(queue, index, client);
}

void hak_due_put(struct hak_due *queue, struct hak_client *client)
{
	size_t index = client->due_place ? client->due_place - 1u : queue->count++;

	sink(queue, rise(queue, index, client), client);
}

void hak_due_remove(struct hak_due *queue, struct hak_client *client)
{
	size_t index = client->due_place - 1u;
	struct hak_client *last;

	if (!client->due_place)
		return;
	client->due_place = 0;
	last = queue->client[--queue->count];
	if (last != client)
		sink(queue, rise(queue, index, last), last);
}

struct hak_client *hak_due_first(const struct hak_due *queue)
{
	return queue->count ? queue->client[0] : NULL;
}
