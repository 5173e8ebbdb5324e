/* SPDX-License-Identifier: MIT */
/* Answers that are documents about many processes, written between other calls. See bus.h, report_walk.h. */
#include <errno.h>
#include <stdlib.h>

#include "bus.h"
#include "clock.h"
#include "report_walk.h"

enum { DOCUMENTS_MOST = 64, DOCUMENTS_PER_UID = 4, REST_USEC = 300 };

struct hak_bus_document {
	struct hak_bus *bus;
	LIST_ENTRY(hak_bus_document) link;
	sd_bus_message *call;
	sd_bus_track *track; /* the caller: without it there is nobody to answer */
	sd_event_source *source;
	struct hak_report_walk walk;
	struct hak_waiter *waiter; /* owned; NULL: it needs none */
};

/* The walk has ended. */
static void document_free(struct hak_bus_document *document)
{
	LIST_REMOVE(document, link);
	sd_event_source_disable_unref(document->source);
	hak_waiter_free(document->waiter);
	sd_bus_message_unref(document->call);
	sd_bus_track_unref(document->track);
	free(document);
}

static void document_drop(struct hak_bus_document *document)
{
	hak_report_drop(&document->walk);
	document_free(document);
}

static int on_caller_gone(sd_bus_track *track, void *data)
{
	document_drop(data);
	return 0;
}

static int on_turn(sd_event_source *source, uint64_t usec, void *data)
{
	struct hak_bus_document *document = data;
	uint64_t began_usec = hak_clock_usec();
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int fd = hak_report_go_on(&document->walk), r;

	hak_bus_charge(document->bus, &document->walk.viewer, began_usec);
	if (fd == -EAGAIN) /* others have their turn: a timer that is always due starves sd-bus */
		return sd_event_source_set_time(source, hak_clock_usec() + REST_USEC);
	r = fd < 0 ? hak_bus_fail(&error, fd, "no document") : hak_bus_reply_fd(document->call, fd);
	if (r < 0) /* if that fails as well the caller's own timeout ends it */
		(void)sd_bus_reply_method_error(document->call, &error);
	sd_bus_error_free(&error);
	document_free(document);
	return 0;
}

/* With the one that begins. Whoever may stop the daemon need not be kept from asking it. */
static bool is_one_too_many(const struct hak_bus *bus, const struct hak_viewer *viewer)
{
	const struct hak_bus_document *one;
	unsigned all = 0, mine = 0;

	LIST_FOREACH(one, &bus->documents, link) {
		all++;
		mine += one->walk.viewer.uid == viewer->uid;
	}
	return all > DOCUMENTS_MOST || (mine > DOCUMENTS_PER_UID && !viewer->privileged);
}

static int begin(struct hak_bus_document *document)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	struct hak_bus *bus = document->bus;
	int r;

	if (is_one_too_many(bus, &document->walk.viewer)) {
		(void)hak_bus_fail(&error, -ENOBUFS, "documents that are being written");
		r = sd_bus_reply_method_error(document->call, &error);
		sd_bus_error_free(&error);
		return r < 0 ? r : -ENOBUFS;
	}
	r = sd_bus_track_new(bus->bus, &document->track, on_caller_gone, document);
	if (r >= 0)
		r = sd_bus_track_add_sender(document->track, document->call);
	if (r >= 0)
		r = sd_event_add_time(bus->manager->event, &document->source, CLOCK_MONOTONIC, 0, 100,
				      on_turn, document);
	if (r >= 0)
		r = sd_event_source_set_enabled(document->source, SD_EVENT_ON);
	if (r < 0)
		(void)sd_bus_reply_method_errno(document->call, r,
						NULL); /* the caller's timeout ends it else */
	return r;
}

int hak_bus_document(struct hak_bus *bus, sd_bus_message *call, const struct hak_report_walk *walk,
		     struct hak_waiter *waiter)
{
	struct hak_bus_document *document = malloc(sizeof(*document));

	if (!document) {
		struct hak_report_walk none = *walk;

		hak_report_drop(&none);
		hak_waiter_free(waiter);
		return -ENOMEM;
	}
	*document = (struct hak_bus_document){
		.bus = bus, .call = sd_bus_message_ref(call), .walk = *walk, .waiter = waiter};
	LIST_INSERT_HEAD(&bus->documents, document, link);
	if (begin(document) < 0) /* it was answered */
		document_drop(document);
	return 1;
}

void hak_bus_cancel_documents(struct hak_bus *bus)
{
	while (!LIST_EMPTY(&bus->documents))
		document_drop(LIST_FIRST(&bus->documents));
}
