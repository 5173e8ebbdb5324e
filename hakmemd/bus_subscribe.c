/* SPDX-License-Identifier: MIT */
/* Subscribe: a pipe of what happens. See bus.h, events.h. */
#include <string.h>

#include "bus.h"

static int unknown_topic(const char *topic, sd_bus_error *error)
{
	const char *names[HAK_EVENT_TOPIC_COUNT];

	for (int i = 0; i < HAK_EVENT_TOPIC_COUNT; i++)
		names[i] = hak_event_topic_name((enum hak_event_topic)i);
	return hak_bus_unknown(error, HAK_BUS_ERROR("InvalidOption"), "topic", topic, names,
			       HAK_EVENT_TOPIC_COUNT);
}

/* The "as" at the message's position. None at all means all. */
static int read_topics(sd_bus_message *message, unsigned *ret_topics, sd_bus_error *error)
{
	unsigned topics = 0;
	const char *word;
	int r;

	r = sd_bus_message_enter_container(message, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(message, "s", &word)) > 0) {
		int topic = 0;

		while (topic < HAK_EVENT_TOPIC_COUNT &&
		       strcmp(word, hak_event_topic_name((enum hak_event_topic)topic)) != 0)
			topic++;
		if (topic == HAK_EVENT_TOPIC_COUNT)
			return unknown_topic(word, error);
		topics |= 1u << topic;
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(message);
	*ret_topics = topics ? topics : (1u << HAK_EVENT_TOPIC_COUNT) - 1;
	return r < 0 ? r : 0;
}

int hak_bus_subscribe(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	struct hak_viewer viewer;
	unsigned topics = 0;
	int fd, r;

	r = read_topics(message, &topics, error);
	if (r >= 0)
		r = hak_bus_read_options(message, NULL, 0, error);
	if (r >= 0)
		r = hak_bus_viewer(message, &viewer, error);
	if (r < 0)
		return r;
	r = hak_events_subscribe(&bus->manager->events, topics, viewer.uid, viewer.privileged, &fd);
	return r < 0 ? hak_bus_fail(error, r, "subscriptions") : hak_bus_reply_fd(message, fd);
}
