/* SPDX-License-Identifier: MIT */
/* See registry_private.h. */
#include "registry_private.h"

#include <syslog.h>

#include "log.h"

void hak_client_look_saw_fork(struct hak_registry *registry, struct hak_client *client)
{
	registry->forkers += client->forked_usec == 0;
	client->forked_usec = hak_registry_now(registry);
}

void hak_client_look_grow(struct hak_registry *registry, struct hak_client *client, unsigned *news)
{
	unsigned more = 0;
	bool grew;

	if (client->parts_told <= client->part_count)
		return;
	grew = hak_registry_grow(registry, client);
	/* One that cannot be read is judged at the next look. */
	if (grew && hak_client_read(client, &registry->home, &more) == 0)
		*news |= more;
	if (client->published && (grew || *news & HAK_NEWS_PARTS))
		hak_registry_publish(registry, client); /* how many are read: children look in no others */
}

void hak_client_look_count_unseen(struct hak_registry *registry, struct hak_client *client, unsigned news)
{
	int unread = client->parts_told - client->part_count;

	if (client->gone || unread < 0 || client->unseen == (uint64_t)unread * HAK_TELEMETRY_SLOTS)
		return; /* all slots are taken, and none will be free again */
	hak_client_count_unseen(client, &registry->home);
	if (client->unseen && news & HAK_NEWS_PARTS && hak_registry_may_log(registry))
		hak_log(LOG_NOTICE,
			"clients/%s: uid %u has more telemetry files than files-per-uid allows: some "
			"children are not seen",
			client->name, (unsigned)client->uid);
}

void hak_client_look_pass_on_logs(struct hak_registry *registry, struct hak_client *client)
{
	HAK_FOREACH_SLOT(slot, client) {
		uint64_t written = slot->sample ? slot->sample->log_written : 0, suppressed;

		if (slot->log_told >= written ||
		    !(hak_slot_has_process(slot) || slot->sample->state == HAK_SLOT_EXITED))
			continue;
		if (written - slot->log_told > HAK_TELEMETRY_LOG_LINES) /* the older ones are overwritten */
			slot->log_told = written - HAK_TELEMETRY_LOG_LINES;
		for (; slot->log_told < written; slot->log_told++) {
			const struct hak_log_line *line = hak_client_log_line(slot, slot->log_told);

			if (!line)
				return;
			if (hak_registry_may_pass_on(registry, client, &suppressed))
				registry->owner.log(registry->owner.data, slot, line, suppressed);
		}
	}
}

void hak_client_look_last(struct hak_registry *registry, struct hak_client *client)
{
	unsigned news = 0;

	if (client->distrusted || client->gone || hak_client_read(client, &registry->home, &news) < 0)
		return; /* the last sample stands */
	if (news & HAK_NEWS_CLAIMS)
		hak_client_look_saw_fork(registry, client);
	if (news & HAK_NEWS_LOG)
		hak_client_look_pass_on_logs(registry, client);
}
