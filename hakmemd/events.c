/* SPDX-License-Identifier: MIT */
/* See events.h. */
#include "events.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"

enum { EVENT_SCHEMA = 1 };

static const char *const topic_names[HAK_EVENT_TOPIC_COUNT] = {"change", "process",  "log",
							       "fatal",  "decision", "job"};

const char *hak_event_topic_name(enum hak_event_topic topic)
{
	return (unsigned)topic < HAK_EVENT_TOPIC_COUNT ? topic_names[topic] : NULL;
}

void hak_events_init(struct hak_events *events, sd_event *event)
{
	*events = (struct hak_events){.event = event};
}

static void unsubscribe(struct hak_subscriber *subscriber)
{
	LIST_REMOVE(subscriber, link);
	sd_event_source_disable_unref(subscriber->source);
	close(subscriber->fd);
	free(subscriber);
}

void hak_events_deinit(struct hak_events *events)
{
	while (!LIST_EMPTY(&events->subscribers))
		unsubscribe(LIST_FIRST(&events->subscribers));
	free(events->text);
	*events = (struct hak_events){.event = events->event};
}

/* Nobody reads any more: the only thing that is watched. */
static int on_reader_gone(sd_event_source *source, int fd, uint32_t revents, void *data)
{
	unsubscribe(data);
	return 0;
}

/* Whole or not at all. A reader that is gone is noticed by the event loop. */
static bool deliver(struct hak_subscriber *subscriber, const char *line, size_t length)
{
	return length <= PIPE_BUF && write(subscriber->fd, line, length) == (ssize_t)length;
}

/* A line of the daemon's own, beside those of events. @members: "" or with a comma before each. */
static bool deliver_own(struct hak_subscriber *subscriber, const char *topic, const char *members)
{
	char line[160];
	int length = snprintf(line, sizeof(line),
			      "{\"schema\":%d,\"sequence\":%llu,\"time_usec\":%llu,\"topic\":\"%s\"%s}\n",
			      EVENT_SCHEMA, (unsigned long long)subscriber->events->sequence,
			      (unsigned long long)hak_clock_realtime_usec(), topic, members);

	return deliver(subscriber, line, (size_t)length);
}

static bool deliver_lost(struct hak_subscriber *subscriber)
{
	char members[40];

	if (!subscriber->lost)
		return true;
	(void)snprintf(members, sizeof(members), ",\"lines\":%llu", (unsigned long long)subscriber->lost);
	if (!deliver_own(subscriber, "lost", members))
		return false;
	subscriber->lost = 0;
	return true;
}

static unsigned count_of(const struct hak_events *events, uid_t uid, unsigned *ret_all)
{
	const struct hak_subscriber *one;
	unsigned mine = 0;

	*ret_all = 0;
	LIST_FOREACH(one, &events->subscribers, link) {
		mine += one->uid == uid;
		++*ret_all;
	}
	return mine;
}

int hak_events_subscribe(struct hak_events *events, unsigned topics, uid_t uid, bool privileged, int *ret_fd)
{
	struct hak_subscriber *subscriber;
	unsigned all;
	int ends[2], r;

	if (count_of(events, uid, &all) >= HAK_EVENTS_PER_UID || all >= HAK_EVENTS_SUBSCRIBERS)
		return -ENOBUFS;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	subscriber = malloc(sizeof(*subscriber));
	/* Our end alone must not block; the reader's flags are its own. */
	r = !subscriber ? -ENOMEM : fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
	if (r == 0) {
		*subscriber = (struct hak_subscriber){.events = events,
						      .fd = ends[1],
						      .uid = uid,
						      .privileged = privileged,
						      .topics = topics};
		r = sd_event_add_io(events->event, &subscriber->source, ends[1], EPOLLERR, on_reader_gone,
				    subscriber);
	}
	if (r < 0) {
		free(subscriber);
		close(ends[0]);
		close(ends[1]);
		return r;
	}
	LIST_INSERT_HEAD(&events->subscribers, subscriber, link);
	(void)deliver_own(subscriber, "hello", ",\"version\":\"" HAK_VERSION "\""); /* there is room */
	*ret_fd = ends[0];
	return 0;
}

struct hak_json *hak_event_begin(struct hak_events *events, enum hak_event_topic topic)
{
	const struct hak_subscriber *one;
	unsigned wanted = 0;

	LIST_FOREACH(one, &events->subscribers, link)
		wanted |= one->topics;
	if (!(wanted & 1u << topic))
		return NULL;
	free(events->text);
	events->text = NULL;
	events->public_length = 0;
	events->topic = topic;
	events->json = (struct hak_json){.file = open_memstream(&events->text, &events->length)};
	if (!events->json.file)
		return NULL; /* without memory nobody hears of it; the journal does */
	hak_json_begin(&events->json, NULL, '{');
	hak_json_u64(&events->json, "schema", EVENT_SCHEMA);
	hak_json_u64(&events->json, "sequence", ++events->sequence);
	hak_json_u64(&events->json, "time_usec", hak_clock_realtime_usec());
	hak_json_string(&events->json, "topic", topic_names[topic]);
	return &events->json;
}

void hak_event_secret(struct hak_events *events)
{
	if (fflush(events->json.file) == 0)
		events->public_length = events->length;
}

static void tell(struct hak_subscriber *subscriber, const struct hak_events *events, uid_t owner)
{
	bool sees = subscriber->privileged || subscriber->uid == owner;
	size_t length = sees ? events->length : events->public_length;
	char line[PIPE_BUF];

	if (length + 2 > sizeof(line)) {
		subscriber->lost++;
		return;
	}
	memcpy(line, events->text, length);
	memcpy(line + length, "}\n", 2);
	if (!deliver_lost(subscriber) || !deliver(subscriber, line, length + 2))
		subscriber->lost++;
}

void hak_event_end(struct hak_events *events, uid_t owner)
{
	bool whole = fclose(events->json.file) == 0;
	struct hak_subscriber *one;

	events->json.file = NULL;
	if (!events->public_length) /* nothing of it is secret */
		events->public_length = events->length;
	LIST_FOREACH(one, &events->subscribers, link)
		if (whole && one->topics & 1u << events->topic)
			tell(one, events, owner);
}

void hak_event_change(struct hak_events *events, const struct hak_log_change *change)
{
	struct hak_json *json = hak_event_begin(events, HAK_EVENT_CHANGE);

	if (!json)
		return;
	hak_json_string(json, "what", change->what);
	hak_json_u64(json, "serial", change->serial);
	hak_event_secret(events);
	hak_json_string(json, "before", change->before);
	hak_json_string(json, "after", change->after);
	hak_json_string(json, "why", change->why);
	hak_json_u64_if(json, "uid", change->uid != (uid_t)-1, change->uid);
	hak_event_end(events, change->uid);
}
