/* SPDX-License-Identifier: MIT */
/* See helper_link.h. */
#include "helper_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "log.h"

struct hak_helper_waiting {
	STAILQ_ENTRY(hak_helper_waiting) link;
	hak_helper_answered *answered;
	void *data;
	struct hak_helper_request request;
};

int hak_helper_link_init(struct hak_helper_link *link, sd_event *event, const char *runtime_dir)
{
	*link = (struct hak_helper_link){.event = event, .fd = -1};
	STAILQ_INIT(&link->queue);
	if (asprintf(&link->path, "%s/%s", runtime_dir, HAK_HELPER_SOCKET) < 0) {
		link->path = NULL;
		return -ENOMEM;
	}
	return 0;
}

static void disconnect(struct hak_helper_link *link)
{
	link->source = sd_event_source_disable_unref(link->source);
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
	link->asked = false;
}

static struct hak_helper_waiting *take_first(struct hak_helper_link *link)
{
	struct hak_helper_waiting *first = STAILQ_FIRST(&link->queue);

	STAILQ_REMOVE_HEAD(&link->queue, link);
	link->waiting--;
	return first;
}

void hak_helper_link_deinit(struct hak_helper_link *link)
{
	disconnect(link);
	while (!STAILQ_EMPTY(&link->queue))
		free(take_first(link));
	free(link->path);
	link->path = NULL;
}

static void answer_first(struct hak_helper_link *link, const struct hak_helper_reply *reply)
{
	struct hak_helper_waiting *waiting = take_first(link);

	waiting->answered(waiting->data, reply);
	free(waiting);
}

static void fail_all(struct hak_helper_link *link, int error)
{
	const struct hak_helper_reply reply = {.version = HAK_HELPER_VERSION, .error = error};
	unsigned count = link->waiting; /* what is asked anew meanwhile has a helper of its own */

	disconnect(link);
	while (count--)
		answer_first(link, &reply);
}

/* One request at a time: the helper's answers are long in coming, and its socket's buffer is small. */
static void ask_first(struct hak_helper_link *link)
{
	const struct hak_helper_request *request;

	if (STAILQ_EMPTY(&link->queue) || link->asked)
		return;
	request = &STAILQ_FIRST(&link->queue)->request;
	link->asked = true; /* where that fails it hangs up, which on_reply() is told */
	(void)send(link->fd, request, sizeof(*request), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int on_reply(sd_event_source *source, int fd, uint32_t events, void *data)
{
	struct hak_helper_link *link = data;
	struct hak_helper_reply reply;
	ssize_t length;

	(void)source;
	(void)events;
	length = recv(fd, &reply, sizeof(reply), MSG_DONTWAIT);
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (length != (ssize_t)sizeof(reply) || reply.version != HAK_HELPER_VERSION ||
	    STAILQ_EMPTY(&link->queue)) {
		if (length != 0)
			hak_log(LOG_ERR, "%s does not speak our version: restart hakmem-helper", link->path);
		fail_all(link, -ENOTCONN);
		return 0;
	}
	link->asked = false;
	answer_first(link, &reply);
	ask_first(link);
	return 0;
}

bool hak_helper_link_is_there(struct hak_helper_link *link)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (link->fd >= 0)
		return true;
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
