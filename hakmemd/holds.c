/* SPDX-License-Identifier: MIT */
/* See holds.h. */
#include "holds.h"

#include <stdio.h>
#include <string.h>

struct hak_hold *hak_holds_add(struct hak_holds *holds, enum hak_mode mode, uid_t uid, const char *reason)
{
	struct hak_hold *hold;

	if (holds->count == HAK_HOLDS_MAX)
		return NULL;
	hold = &holds->hold[holds->count++];
	*hold = (struct hak_hold){.id = ++holds->next_id, .mode = mode, .uid = uid};
	snprintf(hold->reason, sizeof(hold->reason), "%s", reason);
	return hold;
}

struct hak_hold *hak_holds_find(struct hak_holds *holds, uint64_t id)
{
	for (size_t i = 0; i < holds->count; i++) {
		if (holds->hold[i].id == id)
			return &holds->hold[i];
	}
	return NULL;
}

const struct hak_hold *hak_holds_newest(const struct hak_holds *holds)
{
	return holds->count ? &holds->hold[holds->count - 1] : NULL;
}

void hak_holds_remove(struct hak_holds *holds, struct hak_hold *hold)
{
	size_t index = (size_t)(hold - holds->hold);

	sd_bus_track_unref(hold->track);
	holds->count--;
	memmove(hold, hold + 1, (holds->count - index) * sizeof(*hold));
}

void hak_holds_deinit(struct hak_holds *holds)
{
	while (holds->count)
		hak_holds_remove(holds, &holds->hold[holds->count - 1]);
}
