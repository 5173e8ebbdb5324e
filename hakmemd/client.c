/* SPDX-License-Identifier: MIT */
/* What a client is: its parts and slots in memory, and who it is. Its file: client_read.c. See client.h. */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int hak_client_add_part(struct hak_client *client)
{
	struct hak_part **grown = reallocarray(client->part, client->part_count + 1u, sizeof(*grown));
	struct hak_part *part = calloc(1, sizeof(*part));

	if (grown)
		client->part = grown;
	if (!grown || !part) {
		free(part);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < HAK_TELEMETRY_SLOTS; i++)
		part->slot[i] = (struct hak_slot){
			.client = client,
			.index = (uint16_t)(client->part_count * HAK_TELEMETRY_SLOTS + i)};
	client->part[client->part_count++] = part;
	return 0;
}

struct hak_client *hak_client_new(const char *name)
{
	struct hak_client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	memcpy(client->name, name, HAK_TELEMETRY_NAME_CHARS + 1);
	if (hak_telemetry_key(name, &client->key) < 0 || hak_client_add_part(client) < 0) {
		hak_client_free(client);
		return NULL;
	}
	client->uid = (uid_t)-1;
	return client;
}

void hak_client_free(struct hak_client *client)
{
	if (!client)
		return;
	HAK_FOREACH_SLOT(slot, client)
		free(slot->sample);
	for (size_t i = 0; i < client->part_count; i++)
		free(client->part[i]);
	free(client->part);
	free(client->scores);
	free(client->exe);
	free(client);
}

/* Its context, and all that names it, from what it runs. */
void hak_client_take_executable(struct hak_client *client, const struct hak_executable *executable)
{
	free(client->exe);
	/* without memory it stays unknown to readers; the context is computed below */
	client->exe = strdup(executable->path);
	memcpy(client->build_id, executable->build_id, sizeof(client->build_id));
	hak_context_key(&client->place, executable->path, &client->context);
}

void hak_client_identify(struct hak_client *client, pid_t pid, const char *comm)
{
	struct hak_executable executable;

	hak_process_place(pid, &client->place);
	hak_executable_read(pid, &executable);
	if (*executable.path)
		hak_client_take_executable(client, &executable);
	else /* another user's process: its name is all that the kernel tells us */
		hak_context_key(&client->place, comm, &client->context);
}
