/* SPDX-License-Identifier: MIT */
/*
 * Members that are answered when what they changed is durable: Freeze, Thaw and RollBack, which change
 * nothing before that; ImportTallies, ImportPriors, SetMode, SetProfile, ClearProfile and Panic, which are in
 * force already. See bus.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "learned_file.h"

enum { WISHES_MAX = 64 };

/* Answered when batch number `batch`, or a later one, has written its file. Who asked may have gone: nobody
 * hears it then. */
struct hak_bus_wish {
	struct hak_bus *bus;
	LIST_ENTRY(hak_bus_wish) link;
	sd_bus_message *call;
	uint64_t batch;
	char file[HAK_DURABLE_NAME_CHARS + 1]; /* "": all of the batch */
	/* @result: 0: it is durable; or why not. */
	void (*answer)(struct hak_bus_wish *wish, int result);
	struct hak_asker asker; /* its reason is in the call, as is `target` */
	sd_event_source *timer; /* when it waits no longer; NULL: for ever */
	/* About a context: */
	enum hak_learner_wish what;
	const char *target;
	bool waits_for_another; /* decision about it, which has to be durable first */
	/* An import: */
	uint64_t tallies, news;
	/* A mode: */
	uint64_t serial;
};

static void wish_free(struct hak_bus_wish *wish)
{
	LIST_REMOVE(wish, link);
	wish->bus->wish_count--;
	sd_event_source_disable_unref(wish->timer);
	sd_bus_message_unref(wish->call);
	free(wish);
}

void hak_bus_cancel_wishes(struct hak_bus *bus)
{
	while (!LIST_EMPTY(&bus->wishes))
		wish_free(LIST_FIRST(&bus->wishes));
}

/* Return: 1 (answered later); negative with an error set. */
static int wait_for_disk(const struct hak_bus_wish *template, sd_bus_error *error)
{
	struct hak_bus *bus = template->bus;
	struct hak_bus_wish *wish;

	wish = malloc(sizeof(*wish));
	if (!wish)
		return hak_bus_fail(error, -ENOMEM, "a call that waits");
	*wish = *template;
	sd_bus_message_ref(wish->call);
	wish->batch = bus->manager->batches + 1;
	LIST_INSERT_HEAD(&bus->wishes, wish, link);
	bus->wish_count++;
	return 1;
}

/* Return: is its file in the batch? Without memory for it it is not. */
static bool is_written(const struct hak_bus_wish *wish, const struct hak_durable_batch *batch,
		       int *ret_result)
{
	bool found = false;

	*ret_result = 0;
	for (size_t i = 0; i < batch->file_count; i++) {
		const struct hak_durable_file *file = &batch->files[i];

		if (*wish->file && strcmp(wish->file, file->name) != 0)
			continue;
		found = true;
		if (file->result < 0)
			*ret_result = file->result;
	}
	return found;
}

/* ---- what is in force -------------------------------------------------------------------------------- */

/* Return: 0: decided, or it has to wait; negative with an error set. */
static int decide(struct hak_bus_wish *wish, sd_bus_error *error)
{
	struct hak_learned *learned;
	int r;

	if (wish->bus->manager->state.panicked)
		return hak_bus_fail(error, -EPERM, "nothing was changed");
	learned = hak_bus_find_context(wish->bus, wish->target, error);
	if (!learned)
		return -ENOENT;
	hak_learned_file_name(&learned->context, wish->file);
	r = hak_learner_wish(&wish->bus->manager->learner, learned, wish->what, wish->asker.uid);
	wish->waits_for_another = r == -EAGAIN;
	return r < 0 && r != -EAGAIN ? hak_bus_fail(error, r, wish->target) : 0;
}

static void answer_decision(struct hak_bus_wish *wish, int result)
{
	static const char *const names[] = {"freeze", "thaw", "rollback"};
	struct hak_manager *manager = wish->bus->manager;

	if (result < 0) {
		(void)sd_bus_reply_method_errorf(
			wish->call, HAK_BUS_ERROR("StateUnavailable"),
			"%s stays as it was: the state directory %s cannot be written: %s", wish->target,
			manager->options->state_dir, strerror(-result));
		return;
	}
	hak_manager_journal(manager, names[wish->what], NULL, wish->target, &wish->asker);
	(void)sd_bus_reply_method_return(wish->call, "t", manager->view.serial); /* nobody may be there */
}

/* Return: is it over? */
static bool try_again(struct hak_bus_wish *wish)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	bool failed = decide(wish, &error) < 0;

	if (failed)
		(void)sd_bus_reply_method_error(wish->call, &error); /* nobody may be there */
	sd_bus_error_free(&error);
	return failed;
}

/* hak_manager.saved */
void hak_bus_saved(void *data, const struct hak_durable_batch *batch)
{
	struct hak_bus *bus = data;
	struct hak_bus_wish *wish, *next;

	for (wish = LIST_FIRST(&bus->wishes); wish; wish = next) {
		bool is_over = false;
		int result;

		next = LIST_NEXT(wish, link);
		if (wish->waits_for_another) {
			is_over = try_again(wish);
			wish->batch = bus->manager->batches + 1;
		} else if (wish->batch <= bus->manager->batches && is_written(wish, batch, &result)) {
			wish->answer(wish, result);
			is_over = true;
		}
		if (is_over)
			wish_free(wish);
	}
}

static int fulfil(sd_bus_message *message, struct hak_bus *bus, enum hak_learner_wish what,
		  sd_bus_error *error)
{
	struct hak_bus_wish wish = {.bus = bus,
				    .call = message,
				    .answer = answer_decision,
				    .what = what,
				    .asker = {.reason = ""}};
	const struct hak_bus_option options[] = {{"reason", 's', &wish.asker.reason, NULL}};
	int r;

	r = hak_bus_read(message, options, 1, &wish.asker, error, "s", &wish.target);
	if (r < 0)
		return r;
	if (bus->wish_count >= WISHES_MAX)
		return hak_bus_fail(error, -ENOBUFS, "calls that wait");
	r = decide(&wish, error);
	return r < 0 ? r : wait_for_disk(&wish, error);
}

int hak_bus_freeze(sd_bus_message *message, void *data, sd_bus_error *error)
{
	return fulfil(message, data, HAK_LEARNER_FREEZE, error);
}

int hak_bus_thaw(sd_bus_message *message, void *data, sd_bus_error *error)
{
	return fulfil(message, data, HAK_LEARNER_THAW, error);
}

int hak_bus_roll_back(sd_bus_message *message, void *data, sd_bus_error *error)
{
	return fulfil(message, data, HAK_LEARNER_ROLL_BACK, error);
}

/* ---- imports ----------------------------------------------------------------------------------------- */

static void answer_import(struct hak_bus_wish *wish, int result)
{
	struct hak_manager *manager = wish->bus->manager;
	char text[64];

	if (result < 0) {
		/* Nobody may be there, as below. */
		(void)sd_bus_reply_method_errorf(
			wish->call, HAK_BUS_ERROR("StateUnavailable"),
			"what was imported is in force, but not saved yet: the state directory %s cannot be "
			"written: %s",
			manager->options->state_dir, strerror(-result));
		return;
	}
	(void)snprintf(text, sizeof(text), "%" PRIu64 " tallies, %" PRIu64 " news", wish->tallies,
		       wish->news); /* fits */
	hak_manager_journal(manager, *wish->file ? "import-priors" : "import", NULL, text, &wish->asker);
	(void)sd_bus_reply_method_return(wish->call, "a{sv}", 2, "tallies", "t", wish->tallies, "news", "t",
					 wish->news);
}

int hak_bus_import_wish(struct hak_bus *bus, sd_bus_message *call, const char *file,
			const struct hak_asker *asker, uint64_t tallies, uint64_t news, sd_bus_error *error)
{
	struct hak_bus_wish wish = {.bus = bus,
				    .call = call,
				    .answer = answer_import,
				    .asker = *asker,
				    .tallies = tallies,
				    .news = news};

	(void)snprintf(wish.file, sizeof(wish.file), "%s", file); /* fits */
	if (tallies)
		return wait_for_disk(&wish, error);
	answer_import(&wish, 0);
	return 1;
}

/* ---- modes ------------------------------------------------------------------------------------------- */

static void fail_mode(struct hak_bus_wish *wish, const char *why)
{
	/* Nobody may be there, as below. */
	(void)sd_bus_reply_method_errorf(
		wish->call, HAK_BUS_ERROR("StateUnavailable"),
		"in force, but not saved, so that a restart of hakmemd would undo it: the state directory %s "
		"%s; hakmemd goes on trying",
		wish->bus->manager->options->state_dir, why);
}

static void answer_mode(struct hak_bus_wish *wish, int result)
{
	char why[128];

	(void)snprintf(why, sizeof(why), "cannot be written: %s", strerror(-result)); /* fits */
	if (result < 0)
		fail_mode(wish, why);
	else
		(void)sd_bus_reply_method_return(wish->call, "t", wish->serial);
}

static int on_late(sd_event_source *source, uint64_t usec, void *data)
{
	fail_mode(data, "lies on a disk that does not answer");
	wish_free(data);
	return 0;
}

int hak_bus_mode_wish(struct hak_bus *bus, sd_bus_message *call, const char *file, uint64_t serial,
		      sd_bus_error *error)
{
	const uint64_t patience_usec = 5000000; /* shorter than callers have */
	struct hak_bus_wish wish = {.bus = bus, .call = call, .answer = answer_mode, .serial = serial};
	int r;

	(void)snprintf(wish.file, sizeof(wish.file), "%s", file); /* fits */
	if (bus->wish_count >= WISHES_MAX) {
		fail_mode(&wish, "lies on a disk that many wait for");
		return 1;
	}
	r = wait_for_disk(&wish, error);
	if (r >= 0) /* without a timer it waits as long as the caller does */
		(void)sd_event_add_time_relative(bus->manager->event, &LIST_FIRST(&bus->wishes)->timer,
						 CLOCK_MONOTONIC, patience_usec, 0, on_late,
						 LIST_FIRST(&bus->wishes));
	return r;
}
