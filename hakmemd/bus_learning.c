/* SPDX-License-Identifier: MIT */
/* What was learned, on the bus: told, and exchanged with other hosts. See bus.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "exchange.h"
#include "file_replace.h"

enum { LIST_MOST = 1000 };

int hak_bus_dump_ratings(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_report_walk walk = {.kind = &hak_report_ratings};
	const char *text = "*";
	const struct hak_bus_option options[] = {{"target", 's', &text, NULL}};
	const struct hak_learned *learned;
	uint64_t began_usec;
	int r;

	r = hak_bus_read_options(message, options, 1, error);
	if (r >= 0) /* before the context is looked for, on the disk as well */
		r = hak_bus_afford(data, message, &walk.viewer, &began_usec, error);
	if (r >= 0 && strcmp(text, "*") != 0) {
		learned = hak_bus_find_context(data, text, error);
		if (!learned)
			return -ENOENT;
		walk.context = learned->context;
	}
	return r < 0 ? r : hak_bus_report(data, message, &walk, text, error);
}

/* ---- exchange ---------------------------------------------------------------------------------------- */

int hak_bus_export_tallies(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_asker asker = {.reason = ""};
	struct hak_bus *bus = data;
	struct hak_report_walk walk = {.kind = &hak_report_export, .manager = bus->manager};
	int r;

	r = hak_bus_read(message, NULL, 0, &asker, error, ""); /* it names everybody's programs */
	if (r < 0)
		return r;
	walk.viewer = (struct hak_viewer){.uid = asker.uid, .privileged = true};
	r = hak_report_open(&walk);
	if (r < 0)
		return hak_bus_fail(error, r, "export");
	hak_manager_journal(bus->manager, "export", NULL, "all tallies", &asker);
	return hak_bus_document(bus, message, &walk, NULL);
}

typedef int (*import_fn)(struct hak_learner *learner, const char *text, uint64_t *ret_tallies,
			 uint64_t *ret_news);

/* @what: in the journal. */
static int import(sd_bus_message *message, struct hak_bus *bus, import_fn take, const char *what,
		  sd_bus_error *error)
{
	struct hak_asker asker = {.reason = ""};
	char *text = NULL, why[128];
	uint64_t tallies, news;
	size_t length;
	int r, fd;

	r = hak_bus_read(message, NULL, 0, &asker, error, "h", &fd);
	if (r < 0)
		return r;
	r = hak_file_read_fd(fd, &text, &length); /* regular: a pipe's writer could keep us waiting */
	if (r < 0)
		return hak_bus_fail(error, r, "import");
	r = take(&bus->manager->learner, text, &tallies, &news);
	if (r == -EBADMSG)
		hak_exchange_explain(text, why, sizeof(why));
	free(text);
	if (r == -EBADMSG)
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
					 "that is no export of tallies (%s); nothing was taken; "
					 "'hakctl export' writes one",
					 why);
	if (r == -EPROTONOSUPPORT)
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
					 "a later version of hakmemd wrote that; nothing was taken");
	if (r == -EEXIST)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("StateUnavailable"),
					 "%s/%s cannot be read, and is not written over; nothing was taken",
					 bus->manager->options->state_dir, HAK_PRIORS_FILE);
	if (r < 0)
		return hak_bus_fail(error, r, what);
	return hak_bus_import_wish(bus, message, take == hak_learner_import ? "" : HAK_PRIORS_FILE, &asker,
				   tallies, news, error);
}

int hak_bus_import_tallies(sd_bus_message *message, void *data, sd_bus_error *error)
{
	return import(message, data, hak_learner_import, "import", error);
}

int hak_bus_import_priors(sd_bus_message *message, void *data, sd_bus_error *error)
{
	return import(message, data, hak_learner_import_priors, "import-priors", error);
}

/* ---- lists and signals ------------------------------------------------------------------------------- */

static int append_context(sd_bus_message *reply, const struct hak_learned *learned)
{
	char context[HAK_CONTEXT_HEX_CHARS + 1];

	hak_context_format(&learned->context, context);
	return sd_bus_message_append(reply, "a{sv}", 6, "context", "s", context, "phase", "s",
				     hak_life_phase_name((enum hak_phase_of_life)learned->life.phase),
				     "strategy", "s", hak_strategy_table[learned->life.winner].name, "epoch",
				     "u", learned->life.epoch, "games", "t", 2 * hak_learned_pairs(learned),
				     "live", "u", learned->live);
}

int hak_bus_list_contexts(sd_bus_message *message, void *data, sd_bus_error *error)
{
	struct hak_bus *bus = data;
	const struct hak_learner *learner = &bus->manager->learner;
	struct hak_learned *learned = NULL;
	char next[HAK_CONTEXT_HEX_CHARS + 1] = "";
	sd_bus_message *reply = NULL;
	const char *cursor;
	uint32_t limit, count = 0;
	int r;

	r = hak_bus_read_options(message, NULL, 0, error);
	if (r >= 0)
		r = sd_bus_message_read(message, "su", &cursor, &limit);
	if (r < 0)
		return r;
	if (!limit || limit > LIST_MOST)
		limit = LIST_MOST;
	if (!*cursor)
		learned = hak_learner_next(learner, NULL);
	else if (hak_learner_resolve(&bus->manager->learner, cursor, &learned) < 0)
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "'%s' is no cursor", cursor);
	r = sd_bus_message_new_method_return(message, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "a{sv}");
	for (; r >= 0 && learned && count < limit; learned = hak_learner_next(learner, learned), count++)
		r = append_context(reply, learned);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (learned)
		hak_context_format(&learned->context, next);
	if (r >= 0)
		r = sd_bus_message_append(reply, "s", next);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

/* Hashes only: everybody hears signals. A signal that is lost is in the journal, too. */
void hak_bus_decided(void *data, const struct hak_learned *learned, const char *what)
{
	struct hak_bus *bus = data;
	const char *phase = hak_life_phase_name((enum hak_phase_of_life)learned->life.phase);
	const char *strategy = hak_strategy_table[learned->life.winner].name;
	char context[HAK_CONTEXT_HEX_CHARS + 1];

	hak_context_format(&learned->context, context);
	(void)sd_bus_emit_signal(bus->bus, HAK_BUS_PATH, HAK_BUS_INTERFACE, "ContextChanged", "sa{sv}",
				 context, 3, "phase", "s", phase, "strategy", "s", strategy, "epoch", "u",
				 learned->life.epoch);
	(void)sd_bus_emit_signal(bus->bus, HAK_BUS_PATH, HAK_BUS_INTERFACE, "Decision", "tssa{sv}",
				 bus->manager->decisions, context, what, 3, "strategy", "s", strategy,
				 "games", "t", 2 * learned->evidence_pairs, "why", "s", learned->why);
}
