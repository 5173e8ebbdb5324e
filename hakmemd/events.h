/* SPDX-License-Identifier: MIT */
/*
 * What happens, told as it happens: each subscriber has a pipe of JSON lines (docs/org.hakmem1.5 describes
 * them). The daemon never waits for a reader: a line is written whole or not at all (it is at most PIPE_BUF
 * long), and a reader that was too slow is told how many lines it missed.
 *
 * Used as
 *	struct hak_json *json = hak_event_begin(events, HAK_EVENT_CHANGE);
 *	if (json) {
 *		hak_json_string(json, "what", "mode");        what everybody may know
 *		hak_event_secret(events);
 *		hak_json_string(json, "unit", unit);          for the owner of that uid, and for root
 *		hak_event_end(events, uid);
 *	}
 *
 * hak_event_begin() gives NULL where nobody listens, so that an event costs nothing then. One thread; events
 * do not nest.
 */
#ifndef HAK_EVENTS_H
#define HAK_EVENTS_H

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "json_out.h"
#include "log.h"

enum {
	HAK_EVENTS_SUBSCRIBERS = 32,
	HAK_EVENTS_PER_UID = 8,
};

enum hak_event_topic {
	HAK_EVENT_CHANGE,   /* somebody asked for something, or the daemon decided it: what the journal has */
	HAK_EVENT_PROCESS,  /* one came or went */
	HAK_EVENT_LOG,      /* a line of a process's own log */
	HAK_EVENT_FATAL,    /* a process aborted itself */
	HAK_EVENT_DECISION, /* of learning, about a context */
	HAK_EVENT_JOB,      /* one ended */
	HAK_EVENT_TOPIC_COUNT
};

struct hak_events;

struct hak_subscriber {
	struct hak_events *events;
	LIST_ENTRY(hak_subscriber) link;
	int fd; /* the pipe's write end */
	sd_event_source *source;
	uid_t uid;
	bool privileged; /* is told everything */
	unsigned topics; /* bits 1 << enum hak_event_topic */
	uint64_t lost;   /* lines, since it last could take one */
};

struct hak_events {
	sd_event *event; /* borrowed */
	LIST_HEAD(hak_subscribers, hak_subscriber) subscribers;
	uint64_t sequence; /* of the last event that anybody was told */
	/* the event that is being written */
	enum hak_event_topic topic;
	char *text;
	size_t length, public_length; /* without the closing bracket */
	struct hak_json json;
};

void hak_events_init(struct hak_events *events, sd_event *event);
/* All pipes are closed: readers see the end. */
void hak_events_deinit(struct hak_events *events);

/* "change", …; NULL outside the range. */
const char *hak_event_topic_name(enum hak_event_topic topic);

/**
 * hak_events_subscribe() - a pipe of events
 * @ret_fd: the read end, the caller's; its first line has the topic "hello"
 * A subscription ends when its last reader closes it. Return: 0; -ENOBUFS: too many, of this user or in all;
 * or why there is no pipe.
 */
int hak_events_subscribe(struct hak_events *events, unsigned topics, uid_t uid, bool privileged, int *ret_fd);

/* Return: where to put the event's members; NULL: nobody would hear of it. */
struct hak_json *hak_event_begin(struct hak_events *events, enum hak_event_topic topic);
/* What follows is for the owner and the privileged alone. */
void hak_event_secret(struct hak_events *events);
/* @owner: whose it is; (uid_t)-1: the daemon's, so only the privileged see the secret part. */
void hak_event_end(struct hak_events *events, uid_t owner);

/* What hak_log_changed() writes into the journal. */
void hak_event_change(struct hak_events *events, const struct hak_log_change *change);

#endif
