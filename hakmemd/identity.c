/* SPDX-License-Identifier: MIT */
/* See identity.h. */
#include "identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "registry_private.h"

/* One question; outlives the slot. */
struct asked {
	struct hak_registry *registry;
	uint64_t client_id;
	char name[HAK_TELEMETRY_NAME_CHARS + 1];
	uint16_t slot;
	uint32_t claims;
};

static struct hak_slot *slot_of(const struct asked *asked)
{
	struct hak_client *client = hak_registry_find(asked->registry, asked->name);
	struct hak_slot *slot = client && client->id == asked->client_id
					? hak_client_slot(client, asked->slot)
					: NULL;

	return slot && slot->claims == asked->claims && slot->phase == HAK_PHASE_UNVERIFIED ? slot : NULL;
}

static void on_answer(void *data, const struct hak_helper_reply *reply)
{
	struct asked *asked = data;
	struct hak_slot *slot = slot_of(asked);

	if (slot)
		slot->asked = false;
	if (slot && reply->error == 0)
		hak_slot_verified(asked->registry, slot, reply->pid, reply->born, &reply->executable);
	else if (slot && reply->error == -ESRCH) /* it became another program, or never was it */
		hak_slot_end(asked->registry, slot);
	free(asked);
}

void hak_identity_ask(struct hak_registry *registry, struct hak_helper_link *link, struct hak_slot *slot)
{
	struct hak_helper_request request = {.version = HAK_HELPER_VERSION, .kind = HAK_HELPER_IDENTIFY};
	struct asked *asked;

	if (slot->asked || !hak_helper_link_is_there(link))
		return;
	asked = calloc(1, sizeof(*asked));
	if (!asked)
		return; /* the sweep asks again */
	*asked = (struct asked){.registry = registry,
				.client_id = slot->client->id,
				.slot = slot->index,
				.claims = slot->claims};
	memcpy(asked->name, slot->client->name, sizeof(asked->name));
	memcpy(request.name, slot->client->name, sizeof(slot->client->name));
	request.candidate_count = (uint32_t)hak_slot_candidates(registry, slot, request.candidate,
								HAK_HELPER_CANDIDATES);
	slot->asked = hak_helper_link_send(link, &request, on_answer, asked) == 0;
	if (!slot->asked)
		free(asked);
}
