/* SPDX-License-Identifier: MIT */
/*
 * The daemon's connection to hakmem-helper. Requests are answered in order; without a helper, or when it
 * goes, they fail with -ENOTCONN. A helper that starts later is found at the next request.
 *
 * One that does not answer for ten seconds hangs: whoever waits is told so (-ETIMEDOUT), and it counts as
 * absent until it answers after all, or is another. One thread.
 */
#ifndef HAK_HELPER_LINK_H
#define HAK_HELPER_LINK_H

#include <errno.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "helper_protocol.h"

enum { HAK_HELPER_WAITING_MOST = 4096 };

typedef void hak_helper_answered(void *data, const struct hak_helper_reply *reply);

struct hak_helper_waiting;

struct hak_helper_link {
	sd_event *event; /* borrowed */
	char *path;
	int fd; /* -1: not connected */
	sd_event_source *source;
	STAILQ_HEAD(hak_helper_queue, hak_helper_waiting) queue;
	unsigned waiting;
	bool asked; /* the first one has been sent */
	bool hangs; /* that one was not answered in time, and is nobody's any more */
	sd_event_source *patience;
	unsigned losses; /* how often requests failed because it hung, or went */
};

int hak_helper_link_init(struct hak_helper_link *link, sd_event *event, const char *runtime_dir);
/* Whoever waits is not told. */
void hak_helper_link_deinit(struct hak_helper_link *link);

/* Is there a helper, and does it answer? Connects if need be. */
bool hak_helper_link_is_there(struct hak_helper_link *link);

/* Does the error say that the helper went away or hangs? */
static inline bool hak_helper_is_lost(int error)
{
	return error == -ENOTCONN || error == -ETIMEDOUT;
}

/**
 * hak_helper_link_send() - ask the helper
 * @answered: called once, from the event loop, never from here; with error -ENOTCONN where the helper went
 * away, -ETIMEDOUT where it hangs
 * Return: 0; -ENOTCONN: no helper; -ENOBUFS: too many requests wait; -ENOMEM.
 */
int hak_helper_link_send(struct hak_helper_link *link, const struct hak_helper_request *request,
			 hak_helper_answered *answered, void *data);

#endif
