/* SPDX-License-Identifier: MIT */
/* The registry's entries in the control segment, and what of it outlives the daemon. See registry.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "log.h"
#include "registry.h"
#include "target.h"

void hak_registry_publish(struct hak_registry *registry, struct hak_client *client)
{
	struct hak_process_payload payload = {.key = client->key,
					      .context = client->context,
					      .policy_word = client->policy_word,
					      .source = (uint8_t)client->source,
					      .purge_request = client->purge_request,
					      .schedule = client->schedule};
	int r;

	for (size_t i = 0; i < HAK_TELEMETRY_SLOTS; i++)
		payload.slots_freed[i] = client->slot[i].folded;
	r = hak_control_put_process(registry->writer, &payload);
	/* Without an entry it follows the global policy, and its forked children stay untracked. */
	if (r < 0 && hak_registry_may_log(registry))
		hak_log(LOG_WARNING, "the processes table is full; clients/%s goes without an entry",
			client->name);
	client->published = true;
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

size_t hak_registry_request_purge(struct hak_registry *registry, const struct hak_target *target,
				  uint64_t request)
{
	size_t count = 0;

	for (struct hak_client *client = registry->first; client; client = client->next) {
		bool wanted = false;

		for (size_t i = 0; i < HAK_TELEMETRY_SLOTS; i++)
			wanted |= hak_slot_has_process(&client->slot[i]) &&
				  hak_target_matches(target, &client->slot[i]);
		if (!wanted || !client->published)
			continue;
		/* Never down: the clock may have been set back. */
		client->purge_request = request > client->purge_request ? request : client->purge_request + 1;
		hak_registry_publish(registry, client);
		count++;
	}
	return count;
}

struct hak_tallies_file *hak_registry_folded(const struct hak_registry *registry, size_t *ret_count)
{
	struct hak_tallies_file *files = calloc(registry->count + 1, sizeof(*files));
	size_t count = 0;

	*ret_count = 0;
	if (!files)
		return NULL;
	for (const struct hak_client *client = registry->first; client; client = client->next) {
		bool any = client->file_folded;

		for (size_t i = 0; i < HAK_TELEMETRY_SLOTS; i++) {
			files[count].folded[i] = client->slot[i].folded;
			any |= client->slot[i].folded != 0;
		}
		files[count].folded[HAK_TALLIES_FILE_RECORD] = client->file_folded;
		memcpy(files[count].name, client->name, sizeof(client->name));
		count += any;
	}
	*ret_count = count;
	return files;
}

void hak_registry_drop_strays(struct hak_registry *registry)
{
	struct hak_process_payload payload;
	int r = 0;

	for (uint32_t i = 0; r != -ERANGE; i++) {
		struct hak_client *client;

		r = hak_control_read_process(registry->writer->header, i, &payload);
		if (r < 0)
			continue;
		client = *hak_registry_chain(registry, &payload.key);
		while (client && memcmp(&client->key, &payload.key, sizeof(payload.key)) != 0)
			client = client->hash_next;
		if (!client)
			(void)hak_control_drop_process(registry->writer,
						       &payload.key); /* it is there: just read */
	}
}
