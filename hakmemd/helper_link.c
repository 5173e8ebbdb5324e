/* SPDX-License-Identifier: MIT */
/* See helper_link.h. */
#include "helper_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

/* A request may be about many GiB, or wait for each CPU's worker 16 times (helper.h). */
enum { PATIENCE_SECONDS = 10, SECOND_USEC = 1000000 };

struct hak_helper_waiting {
	STAILQ_ENTRY(hak_helper_waiting) link;
	hak_helper_answered *answered;
	void *data;
	struct hak_helper_request request;
};

static void set_patience(struct hak_helper_link *link, int enabled)
{
	/* A source of ours, a clock that it has: neither can fail. */
	(void)sd_event_source_set_time(link->patience, hak_clock_usec() + PATIENCE_SECONDS * SECOND_USEC);
	(void)sd_event_source_set_enabled(link->patience, enabled);
}

static void note_answered(struct hak_helper_link *link)
{
	link->asked = false;
	link->hangs = false;
	set_patience(link, SD_EVENT_OFF);
}

static void disconnect(struct hak_helper_link *link)
{
	link->source = sd_event_source_disable_unref(link->source);
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	note_answered(link);
}

static struct hak_helper_waiting *take_first(struct hak_helper_queue *queue)
{
	struct hak_helper_waiting *first = STAILQ_FIRST(queue);

	STAILQ_REMOVE_HEAD(queue, link);
	return first;
}

void hak_helper_link_deinit(struct hak_helper_link *link)
{
	disconnect(link);
	link->patience = sd_event_source_disable_unref(link->patience);
	while (!STAILQ_EMPTY(&link->queue))
		free(take_first(&link->queue));
	free(link->path);
	link->path = NULL;
}

static void answer_first(struct hak_helper_queue *queue, const struct hak_helper_reply *reply)
{
	struct hak_helper_waiting *waiting = take_first(queue);

	waiting->answered(waiting->data, reply);
	free(waiting);
}

static void fail_all(struct hak_helper_link *link, int error)
{
	const struct hak_helper_reply reply = {.version = HAK_HELPER_VERSION, .error = error};
	struct hak_helper_queue lost = STAILQ_HEAD_INITIALIZER(lost);

	link->losses += link->waiting > 0;
	link->waiting = 0;
	STAILQ_CONCAT(&lost, &link->queue); /* what is asked anew meanwhile has a helper of its own */
	while (!STAILQ_EMPTY(&lost))
		answer_first(&lost, &reply);
}

static int on_impatience(sd_event_source *source, uint64_t usec, void *data)
{
	struct hak_helper_link *link = data;

	link->hangs = true;
	hak_log(LOG_WARNING,
		"hakmem-helper has not answered for %d s: it is asked no more until it does, or another",
		PATIENCE_SECONDS);
	fail_all(link, -ETIMEDOUT);
	return 0;
}

/* One request at a time: the helper's answers are long in coming, and its socket's buffer is small. */
static void ask_first(struct hak_helper_link *link)
{
	const struct hak_helper_request *request;

	if (STAILQ_EMPTY(&link->queue) || link->asked)
		return;
	request = &STAILQ_FIRST(&link->queue)->request;
	link->asked = true; /* where that fails it hangs up, which on_reply() is told */
	set_patience(link, SD_EVENT_ONESHOT);
	(void)send(link->fd, request, sizeof(*request), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int on_reply(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct hak_helper_link *link = data;
	struct hak_helper_reply reply;
	ssize_t length;
	bool late;

	length = recv(fd, &reply, sizeof(reply), MSG_DONTWAIT);
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (length != (ssize_t)sizeof(reply) || reply.version != HAK_HELPER_VERSION || !link->asked) {
		if (length > 0)
			hak_log(LOG_ERR, "%s does not speak our version: restart hakmem-helper", link->path);
		disconnect(link);
		fail_all(link, -ENOTCONN);
		return 0;
	}
	late = link->hangs;
	note_answered(link);
	if (late) {
		hak_log(LOG_INFO, "hakmem-helper answers again");
		return 0;
	}
	link->waiting--;
	answer_first(&link->queue, &reply);
	ask_first(link);
	return 0;
}

int hak_helper_link_init(struct hak_helper_link *link, sd_event *event, const char *runtime_dir)
{
	int r;

	*link = (struct hak_helper_link){.event = event, .fd = -1};
	STAILQ_INIT(&link->queue);
	r = sd_event_add_time(event, &link->patience, CLOCK_MONOTONIC, 0, SECOND_USEC, on_impatience, link);
	if (r >= 0)
		r = sd_event_source_set_enabled(link->patience, SD_EVENT_OFF);
	if (r >= 0) /* an answer that is there already comes first */
		r = sd_event_source_set_priority(link->patience, SD_EVENT_PRIORITY_NORMAL + 1);
	if (r < 0)
		return r;
	if (asprintf(&link->path, "%s/%s", runtime_dir, HAK_HELPER_SOCKET) < 0) {
		link->path = NULL;
		return -ENOMEM;
	}
	return 0;
}

bool hak_helper_link_is_there(struct hak_helper_link *link)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (link->fd >= 0)
		return !link->hangs;
	if (strlen(link->path) >= sizeof(address.sun_path))
		return false;
	strcpy(address.sun_path, link->path);
	link->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (link->fd < 0)
		return false;
	if (connect(link->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    sd_event_add_io(link->event, &link->source, link->fd, EPOLLIN, on_reply, link) < 0) {
		disconnect(link);
		return false;
	}
	hak_log(LOG_INFO, "connected to hakmem-helper");
	return true;
}

int hak_helper_link_send(struct hak_helper_link *link, const struct hak_helper_request *request,
			 hak_helper_answered *answered, void *data)
{
	struct hak_helper_waiting *waiting;

	if (!hak_helper_link_is_there(link))
		return -ENOTCONN;
	if (link->waiting >= HAK_HELPER_WAITING_MOST)
		return -ENOBUFS;
	waiting = malloc(sizeof(*waiting));
	if (!waiting)
		return -ENOMEM;
	*waiting = (struct hak_helper_waiting){.answered = answered, .data = data, .request = *request};
	STAILQ_INSERT_TAIL(&link->queue, waiting, link);
	link->waiting++;
	ask_first(link);
	return 0;
}
