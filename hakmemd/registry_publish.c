/* SPDX-License-Identifier: MIT */
/* The registry's entries in the control segment, and what of it outlives the daemon. See registry.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "log.h"
#include "registry_private.h"
#include "target.h"

void hak_registry_publish_part(struct hak_registry *registry, const struct hak_client *client, unsigned part)
{
	struct hak_process_payload payload = {.key = hak_telemetry_part_key(&client->key, part),
					      .part = (uint8_t)part};
	int r;

	if (part == 0) {
		payload.context = client->context;
		payload.policy_word = client->policy_word;
		payload.source = (uint8_t)client->source;
		payload.purge_request = client->purge_request;
		payload.schedule = client->schedule;
		payload.parts = hak_registry_has_room(registry, client, 1) ? HAK_TELEMETRY_PARTS
									   : client->part_count;
	}
	for (size_t i = 0; i < HAK_TELEMETRY_SLOTS; i++)
		payload.slots_freed[i] = client->part[part]->slot[i].freed;
	r = hak_control_put_process(registry->writer, &payload);
	/* Without an entry it follows the global policy, and slots of ended children are not used again. */
	if (r < 0 && hak_registry_may_log(registry))
		hak_log(LOG_WARNING, "the processes table is full; clients/%s goes without an entry",
			client->name);
}

void hak_registry_publish(struct hak_registry *registry, struct hak_client *client)
{
	hak_registry_publish_part(registry, client, 0);
	client->published = true;
}

uint64_t hak_registry_policy_word(const struct hak_registry *registry, const struct hak_client *client)
{
	return client && client->policy_word
		       ? client->policy_word
		       : atomic_load_explicit(&registry->writer->header->policy_word,
					      memory_order_relaxed); /* only we write */
}

/* Return: another policy than before? */
static bool repolicy(struct hak_registry *registry, struct hak_client *client)
{
	enum hak_policy_source source;
	uint64_t word, before = client->policy_word;

	if (!client->published)
		return false;
	word = registry->owner.policy_for(registry->owner.data, client, &source);
	if (word == before && source == client->source)
		return false;
	client->policy_word = word;
	client->source = source;
	hak_registry_publish(registry, client);
	return word != before;
}

size_t hak_registry_repolicy(struct hak_registry *registry)
{
	size_t changed = 0;

	for (struct hak_client *client = registry->first; client; client = client->next)
		changed += repolicy(registry, client);
	return changed;
}

void hak_registry_reconsider(struct hak_registry *registry, struct hak_client *client)
{
	bool changed = repolicy(registry, client);

	if (client->published)
		hak_registry_publish(registry, client); /* the context is in the entry, too */
	if (changed)
		registry->owner.policy_differs(registry->owner.data);
}

void hak_registry_request_purge_of(struct hak_registry *registry, struct hak_client *client, uint64_t request)
{
	if (!client->published)
		return;
	/* Never down: the clock may have been set back. */
	client->purge_request = request > client->purge_request ? request : client->purge_request + 1;
	hak_registry_publish(registry, client);
}

size_t hak_registry_request_purge(struct hak_registry *registry, const struct hak_target *target,
				  uint64_t request)
{
	size_t count = 0;

	for (struct hak_client *client = registry->first; client; client = client->next) {
		if (!client->published || !hak_target_matches_client(target, client))
			continue;
		hak_registry_request_purge_of(registry, client, request);
		count++;
	}
	return count;
}

void hak_registry_begin_freeing(struct hak_client *client)
{
	if (!client->frees)
		return;
	HAK_FOREACH_SLOT(slot, client)
		slot->freeing = slot->folded;
}

void hak_registry_end_freeing(struct hak_registry *registry, struct hak_client *client, int result)
{
	if (!client->frees || result < 0)
		return;
	client->frees = false;
	for (unsigned part = 0; part < client->part_count; part++) {
		bool changes = false;

		for (size_t i = 0; i < HAK_TELEMETRY_SLOTS; i++) {
			struct hak_slot *slot = &client->part[part]->slot[i];

			changes |= slot->freed != slot->freeing;
			slot->freed = slot->freeing;
			client->frees |= slot->freed != slot->folded;
		}
		if (changes && client->published) /* a forking process waits for it */
			hak_registry_publish_part(registry, client, part);
	}
}

/* Return: was anything folded of it? */
static bool folded_of(const struct hak_client *client, unsigned part, struct hak_tallies_file *ret_file)
{
	bool any = part == 0 && client->file_folded;

	*ret_file = (struct hak_tallies_file){.folded = {0}};
	hak_tallies_part_name(client->name, part, ret_file->name);
	for (size_t i = 0; i < HAK_TELEMETRY_SLOTS; i++) {
		ret_file->folded[i] = client->part[part]->slot[i].folded;
		any |= ret_file->folded[i] != 0;
	}
	ret_file->folded[HAK_TALLIES_FILE_RECORD] = part == 0 && client->file_folded;
	return any;
}

struct hak_tallies_file *hak_registry_folded(const struct hak_registry *registry, size_t *ret_count)
{
	struct hak_tallies_file *files;
	size_t parts = 0, count = 0;

	*ret_count = 0;
	for (const struct hak_client *client = registry->first; client; client = client->next)
		parts += client->part_count;
	files = calloc(parts + 1, sizeof(*files));
	if (!files)
		return NULL;
	for (const struct hak_client *client = registry->first; client; client = client->next)
		for (unsigned i = 0; i < client->part_count; i++)
			count += folded_of(client, i, &files[count]);
	*ret_count = count;
	return files;
}

void hak_registry_drop_strays(struct hak_registry *registry)
{
	struct hak_process_payload payload;
	int r = 0;

	for (uint32_t i = 0; r != -ERANGE; i++) {
		struct hak_client *client;
		struct hak_key key;

		r = hak_control_read_process(registry->writer->header, i, &payload);
		if (r < 0)
			continue;
		key = hak_telemetry_file_key(&payload.key, payload.part);
		SLIST_FOREACH(client, hak_registry_chain(registry, &key), same_hash)
			if (memcmp(&client->key, &key, sizeof(key)) == 0)
				break;
		if (!client)
			(void)hak_control_drop_process(registry->writer,
						       &payload.key); /* it is there: just read */
	}
}
