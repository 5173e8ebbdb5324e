/* SPDX-License-Identifier: MIT */
/*
 * Who calls, and asking polkit whether somebody who is neither root nor ourselves may change something. A
 * filter holds such a call back before it reaches its member, asks, and lets it pass or answers it. So
 * members know nothing of waiting: they ask hak_bus_authorise().
 *
 * Fails closed: no polkit, no answer in time, a caller that went away, too many calls at once are all
 * refusals. Interface: https://www.freedesktop.org/software/polkit/docs/latest/ (CheckAuthorization with a
 * system-bus-name).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"

#define AUTHORITY                                                              \
	"org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", \
		"org.freedesktop.PolicyKit1.Authority"

enum { QUERIES_MOST = 64, QUERIES_PER_UID = QUERIES_MOST / 4, FLAG_INTERACTIVE = 1 };
#define TIMEOUT_USEC             UINT64_C(20000000) /* callers wait for 25 s, and shall learn why */
#define TIMEOUT_INTERACTIVE_USEC UINT64_C(120000000) /* somebody types a password */

static const struct {
	const char *member, *action;
} actions[] = {
	{"SetMode", "org.hakmem1.set-mode"},     {"HoldMode", "org.hakmem1.set-mode"},
	{"ReleaseMode", "org.hakmem1.set-mode"}, {"Purge", "org.hakmem1.purge"},
	{"StartJob", "org.hakmem1.purge"},
	{"SetProfile", "org.hakmem1.set-mode"},  {"ClearProfile", "org.hakmem1.set-mode"},
	{"CancelJob", "org.hakmem1.purge"},      {"Reload", "org.hakmem1.reload"},
	{"Panic", "org.hakmem1.panic"},          {"Freeze", "org.hakmem1.learning"},
	{"Thaw", "org.hakmem1.learning"},        {"Rollback", "org.hakmem1.learning"},
	{"ExportTallies", "org.hakmem1.learning"}, {"ImportTallies", "org.hakmem1.learning"},
	{"ImportPriors", "org.hakmem1.learning"},
};

enum query_state {
	QUERY_ASKED,
	QUERY_GRANTED, /* its message is queued once more */
	QUERY_PASSED,  /* and was let through: forgotten at the next message */
};

struct query {
	LIST_ENTRY(query) link;
	sd_bus_message *message;
	const char *action;
	enum query_state state;
	uid_t uid;
	char cancellation[32];
	sd_bus_slot *slot;   /* of the call to polkit */
	sd_bus_track *track; /* of the caller */
};

static struct {
	struct hak_manager *manager; /* for the journal */
	LIST_HEAD(query_list, query) queries;
	unsigned count;
	uint64_t asked;
} polkit;

int hak_bus_viewer(sd_bus_message *message, struct hak_viewer *ret_viewer, sd_bus_error *error)
{
	sd_bus_creds *creds = NULL;
	uid_t uid;
	int r;

	r = sd_bus_query_sender_creds(message, SD_BUS_CREDS_EUID, &creds);
	if (r >= 0)
		r = sd_bus_creds_get_euid(creds, &uid);
	sd_bus_creds_unref(creds);
	if (r < 0)
		return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
					 "the bus does not tell who is calling");
	*ret_viewer = (struct hak_viewer){.uid = uid, .privileged = uid == 0 || uid == geteuid()};
	return 0;
}

static const char *action_of(sd_bus_message *message)
{
	if (!sd_bus_message_is_method_call(message, HAK_BUS_INTERFACE, NULL))
		return NULL;
	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++)
		if (strcmp(sd_bus_message_get_member(message), actions[i].member) == 0)
			return actions[i].action;
	return NULL;
}

static void forget(struct query *query)
{
	LIST_REMOVE(query, link);
	polkit.count--;
	sd_bus_slot_unref(query->slot);
	sd_bus_track_unref(query->track);
	sd_bus_message_unref(query->message);
	free(query);
}

static struct query *find(const sd_bus_message *message)
{
	struct query *query;

	LIST_FOREACH(query, &polkit.queries, link)
		if (query->message == message)
			return query;
	return NULL;
}

static void refuse(struct query *query, const char *why)
{
	const struct hak_asker asker = {.uid = query->uid, .reason = why};

	hak_manager_journal(polkit.manager, query->action, NULL, "refused", &asker);
	(void)sd_bus_reply_method_errorf(
		query->message, SD_BUS_ERROR_ACCESS_DENIED, "%s: %s; only root and uid %u need no permission",
		query->action, why, (unsigned)geteuid()); /* a caller that is gone needs no answer */
	forget(query);
}

static int on_answer(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
	int authorised = 0, challenge = 0, r;
	struct query *query = data;

	if (sd_bus_message_is_method_error(reply, NULL)) {
		refuse(query, "polkit does not answer");
		return 0;
	}
	r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
	if (r >= 0)
		r = sd_bus_message_read(reply, "bb", &authorised, &challenge);
	if (r < 0 || !authorised) {
		refuse(query, challenge ? "polkit wants a password, and there is nobody to ask for it"
					: "polkit does not allow it");
		return 0;
	}
	query->state = QUERY_GRANTED;
	r = sd_bus_message_rewind(query->message, 1);
	if (r >= 0)
		r = sd_bus_enqueue_for_read(sd_bus_message_get_bus(query->message), query->message);
	if (r < 0)
		refuse(query, strerror(-r));
	return 0;
}

/* The caller is gone: polkit need not ask anybody any more. */
static int on_gone(sd_bus_track *track, void *data)
{
	struct query *query = data;

	if (query->state == QUERY_ASKED) {
		(void)sd_bus_call_method_async(sd_bus_track_get_bus(track), NULL, AUTHORITY,
					       "CancelCheckAuthorization", NULL, NULL, "s",
					       query->cancellation);
		forget(query);
	}
	return 0;
}

static int ask(sd_bus *bus, struct query *query)
{
	int interactive = sd_bus_message_get_allow_interactive_authorization(query->message), r;
	sd_bus_message *call = NULL;

	snprintf(query->cancellation, sizeof(query->cancellation), "hakmem-%" PRIu64, ++polkit.asked);
	r = sd_bus_track_new(bus, &query->track, on_gone, query);
	if (r >= 0)
		r = sd_bus_track_add_sender(query->track, query->message);
	if (r >= 0)
		r = sd_bus_message_new_method_call(bus, &call, AUTHORITY, "CheckAuthorization");
	if (r >= 0)
		r = sd_bus_message_append(call, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
					  sd_bus_message_get_sender(query->message), query->action, 0,
					  interactive > 0 ? FLAG_INTERACTIVE : 0, query->cancellation);
	if (r >= 0)
		r = sd_bus_call_async(bus, &query->slot, call, on_answer, query,
				      interactive > 0 ? TIMEOUT_INTERACTIVE_USEC : TIMEOUT_USEC);
	sd_bus_message_unref(call);
	return r;
}

/* Nobody may keep others from asking: a password may be two minutes in coming. */
static bool is_one_too_many(uid_t uid)
{
	const struct query *query;
	unsigned mine = 0;

	LIST_FOREACH(query, &polkit.queries, link)
		mine += query->uid == uid;
	return polkit.count >= QUERIES_MOST || mine >= QUERIES_PER_UID;
}

static int begin(sd_bus_message *message, const char *action, uid_t uid)
{
	struct query *query = is_one_too_many(uid) ? NULL : calloc(1, sizeof(*query));
	int r;

	if (!query)
		return sd_bus_reply_method_errorf(message, HAK_BUS_ERROR("LimitExceeded"),
						  "too many calls wait for polkit already");
	*query = (struct query){.message = sd_bus_message_ref(message), .action = action, .uid = uid};
	LIST_INSERT_HEAD(&polkit.queries, query, link);
	polkit.count++;
	r = ask(sd_bus_message_get_bus(message), query);
	if (r < 0)
		refuse(query, strerror(-r));
	return 1;
}

static int on_message(sd_bus_message *message, void *data, sd_bus_error *error)
{
	const char *action;
	struct query *query, *next;
	struct hak_viewer viewer;

	for (query = LIST_FIRST(&polkit.queries); query; query = next) {
		next = LIST_NEXT(query, link);
		if (query->state == QUERY_PASSED)
			forget(query);
	}
	action = action_of(message);
	if (!action)
		return 0;
	query = find(message);
	if (query) {
		query->state = QUERY_PASSED;
		return 0;
	}
	if (hak_bus_viewer(message, &viewer, error) < 0 || viewer.privileged)
		return 0; /* an unknown sender is refused by the member itself */
	return begin(message, action, viewer.uid);
}

int hak_bus_authorise(sd_bus_message *message, uid_t *ret_uid, sd_bus_error *error)
{
	const struct query *query = find(message);
	struct hak_viewer viewer;
	int r;

	r = hak_bus_viewer(message, &viewer, error);
	if (r < 0)
		return r;
	*ret_uid = viewer.uid;
	if (!viewer.privileged && !(query && query->state == QUERY_PASSED))
		return sd_bus_error_setf(error, SD_BUS_ERROR_ACCESS_DENIED,
					 "only root and uid %u may change the policy of these processes",
					 (unsigned)geteuid());
	return 0;
}

int hak_bus_polkit_init(struct hak_bus *bus)
{
	polkit.manager = bus->manager;
	return sd_bus_add_filter(bus->bus, &bus->polkit_slot, on_message, bus);
}

void hak_bus_polkit_deinit(struct hak_bus *bus)
{
	bus->polkit_slot = sd_bus_slot_unref(bus->polkit_slot);
	while (!LIST_EMPTY(&polkit.queries))
		forget(LIST_FIRST(&polkit.queries));
}
