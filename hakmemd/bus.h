/* SPDX-License-Identifier: MIT */
/*
 * org.hakmem1 on the bus: bus.c owns the connection and the table of members. They are in bus_modes.c (the
 * mode in force), bus_profiles.c (that of some processes), bus_processes.c (what is known of processes),
 * bus_waits.c (waiting for them), bus_jobs.c (work that takes longer), bus_learning.c (what was learned),
 * bus_wishes.c (what waits for the disk), bus_subscribe.c (what happens) and bus_properties.c.
 * bus_documents.c writes long answers, bus_polkit.c asks polkit, bus_call.c has what all calls share.
 *
 * Who may: everybody may read (others' processes redacted); root and the daemon's own uid may change, and
 * on the system bus whom polkit allows it. One thread.
 */
#ifndef HAK_BUS_H
#define HAK_BUS_H

#include <sys/queue.h>
#include <systemd/sd-bus.h>

#include "budget.h"
#include "bus_connect.h"
#include "jobs.h"
#include "manager.h"
#include "report_walk.h"
#include "waiter.h"

struct hak_bus {
	sd_bus *bus;
	sd_bus_slot *vtable_slot;
	sd_bus_slot *disconnect_slot;
	sd_bus_slot *polkit_slot;    /* NULL: not on the system bus */
	struct hak_manager *manager; /* borrowed */
	LIST_HEAD(hak_bus_wait_list, hak_bus_wait) waits; /* calls that are not answered yet */
	size_t wait_count;
	LIST_HEAD(hak_bus_wish_list, hak_bus_wish) wishes; /* that are not durable yet */
	size_t wish_count;
	LIST_HEAD(hak_bus_document_list, hak_bus_document) documents; /* that are being written */
	struct hak_jobs jobs;
	struct hak_budget budget;
	bool lost; /* the bus went away */
};

/**
 * hak_bus_init() - connect, own the name; logs what is wrong
 * Members answer only after hak_bus_start(). Return: 0; -EEXIST (somebody owns the name); or why not.
 */
int hak_bus_init(struct hak_bus *bus, struct hak_manager *manager, const char *where);
int hak_bus_start(struct hak_bus *bus);
/* What is queued is written out first. */
void hak_bus_deinit(struct hak_bus *bus);

/* ---- members ----------------------------------------------------------------------------------------- */

typedef int hak_bus_member(sd_bus_message *message, void *data, sd_bus_error *error);
hak_bus_member hak_bus_set_mode, hak_bus_hold_mode, hak_bus_release_mode, hak_bus_set_profile,
	hak_bus_clear_profile, hak_bus_panic, hak_bus_reload, hak_bus_wait_applied, hak_bus_verify,
	hak_bus_purge, hak_bus_start_job, hak_bus_open_job_output, hak_bus_import_priors, hak_bus_get_job,
	hak_bus_cancel_job, hak_bus_list_processes, hak_bus_dump_stats, hak_bus_explain, hak_bus_subscribe,
	hak_bus_freeze, hak_bus_thaw, hak_bus_roll_back, hak_bus_dump_ratings, hak_bus_export_tallies,
	hak_bus_import_tallies, hak_bus_list_contexts;
/* hak_jobs.ended */
void hak_bus_job_ended(void *data, const struct hak_job *job);
/* hak_manager.decided */
void hak_bus_decided(void *data, const struct hak_learned *learned, const char *what);
/* hak_manager.saved */
void hak_bus_saved(void *data, const struct hak_durable_batch *batch);
void hak_bus_cancel_waits(struct hak_bus *bus);
void hak_bus_cancel_wishes(struct hak_bus *bus);
void hak_bus_cancel_documents(struct hak_bus *bus);

/* What was imported is in memory: answer when @file ("": tallies) is durable. Return: 1; negative with an
 * error set. */
int hak_bus_import_wish(struct hak_bus *bus, sd_bus_message *call, const char *file,
			const struct hak_asker *asker, uint64_t tallies, uint64_t news, sd_bus_error *error);
/* What the call changed is in force since @serial: answer when @file is durable. Return: as above. */
int hak_bus_mode_wish(struct hak_bus *bus, sd_bus_message *call, const char *file, uint64_t serial,
		      sd_bus_error *error);

/* From now on polkit is asked about callers who are neither root nor ourselves (bus_polkit.c). */
int hak_bus_polkit_init(struct hak_bus *bus);
void hak_bus_polkit_deinit(struct hak_bus *bus);
/* May the caller change things? Return: 0; negative with AccessDenied in @error. */
int hak_bus_authorise(sd_bus_message *message, uid_t *ret_uid, sd_bus_error *error);

int hak_bus_get_property(sd_bus *bus, const char *path, const char *interface, const char *property,
			 sd_bus_message *reply, void *data, sd_bus_error *error);
/* hak_manager.changed */
void hak_bus_view_changed(void *data, const struct hak_view *before, const struct hak_view *after);

/* ---- what calls share (bus_call.c) ------------------------------------------------------------------- */

struct hak_bus_option {
	const char *name;
	char type;   /* 's' const char **, 'b' int *, 't' uint64_t * */
	void *value; /* left alone where the option is absent */
	bool *given; /* may be NULL */
};

/**
 * hak_bus_read_options() - the a{sv} at the message's position
 * Strings live as long as the message. Return: 0; negative with InvalidOption in @error.
 */
int hak_bus_read_options(sd_bus_message *message, const struct hak_bus_option *options, size_t count,
			 sd_bus_error *error);
/* All that a call has: its arguments, of @types, and options. @asker: of one that changes something, which
 * the caller may do; else NULL. Return: 0; negative with an error set. */
int hak_bus_read(sd_bus_message *message, const struct hak_bus_option *options, size_t count,
		 struct hak_asker *asker, sd_bus_error *error, const char *types, ...);
/* @word is none of @words: what is meant, or which there are. @name: of the error. Return: negative. */
int hak_bus_unknown(sd_bus_error *error, const char *name, const char *what, const char *word,
		    const char *const *words, size_t count);
/* A mode's name. Return: 0; negative with NoSuchMode in @error. */
int hak_bus_parse_mode(const char *text, enum hak_mode *ret_mode, sd_bus_error *error);
/* Return: 0; negative with NoSuchTarget in @error. */
int hak_bus_parse_target(const char *text, struct hak_target *ret_target, sd_bus_error *error);
/* "context:NAME", "pid:N", or a name as hak_learner_resolve() knows it. Return: NULL: @error was set. */
struct hak_learned *hak_bus_find_context(struct hak_bus *bus, const char *text, sd_bus_error *error);
/* Who calls. Return: 0; negative with an error set. */
int hak_bus_viewer(sd_bus_message *message, struct hak_viewer *ret_viewer, sd_bus_error *error);
/* NoSuchTarget, with what a person could look at. Return: negative. */
int hak_bus_no_process(sd_bus_error *error, const char *target);
/* An errno of the manager's as an error with a name. Return: negative. */
int hak_bus_fail(sd_bus_error *error, int r, const char *what);
/* A bulk call begins: whose is it? @ret_began_usec: for hak_bus_charge() once it was answered. Return: 0;
 * negative with RateLimited in @error. */
int hak_bus_afford(struct hak_bus *bus, sd_bus_message *message, struct hak_viewer *ret_viewer,
		   uint64_t *ret_began_usec, sd_bus_error *error);
void hak_bus_charge(struct hak_bus *bus, const struct hak_viewer *viewer, uint64_t began_usec);
/**
 * hak_bus_document() - answer @call with what a walk writes, between other calls
 * @walk, @waiter: taken over; @waiter may be NULL
 * Return: 1 (answered later, or with an error); negative: it was not answered.
 */
int hak_bus_document(struct hak_bus *bus, sd_bus_message *call, const struct hak_report_walk *walk,
		     struct hak_waiter *waiter);
/* Begin such a walk (kind, and what that needs), of which @text tells, and answer with it. Return: 1;
 * negative with an error set. */
int hak_bus_report(struct hak_bus *bus, sd_bus_message *message, struct hak_report_walk *walk,
		   const char *text, sd_bus_error *error);
/* Answer "h"; closes @fd. */
int hak_bus_reply_fd(sd_bus_message *call, int fd);

#endif
