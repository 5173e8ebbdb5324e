/* SPDX-License-Identifier: MIT */
/*
 * The daemon's one object: owns segment, state, configuration, holds and registry, decides which mode is in
 * force, and publishes it. Knows the bus only by the callback that tells it what changed.
 *
 * Order of a change of modes that somebody asked for: published, then durable in the state directory, then
 * answered. So it is in force whatever the disk does, and who is answered without an error has what survives
 * all that comes. What cannot be written is tried again each second.
 *
 * All that waits for the disk is written beside the loop (durable.h); manager_saving.c.
 *
 * One thread, but for that.
 */
#ifndef HAK_MANAGER_H
#define HAK_MANAGER_H

#include <systemd/sd-event.h>
#include <systemd/sd-id128.h>

#include "conf.h"
#include "events.h"
#include "holds.h"
#include "learner.h"
#include "modes.h"
#include "options.h"
#include "profiles.h"
#include "reclaim.h"
#include "registry.h"
#include "scan.h"
#include "state.h"
#include "tallies.h"

enum { HAK_HEARTBEAT_USEC = 1000000 };

/* What readers of the bus's properties see; compared to tell which changed. */
struct hak_view {
	struct hak_mode_choice choice; /* the global one */
	enum hak_mode configured;
	struct hak_policy policy;
	uint64_t serial;
	enum hak_segment_state segment_state;
	bool panicked;
};
/* Of the segment: "live" and so on. */
const char *hak_view_state_name(const struct hak_view *view);

/* Files of the state directory that are to be written, beside the tallies and contexts. */
enum { HAK_SAVE_STATE = 1, HAK_SAVE_PROFILES = 2, HAK_SAVE_INCARNATION = 4 };

struct hak_manager {
	const struct hak_options *options; /* borrowed */
	sd_event *event;                   /* borrowed */
	int state_fd;
	sd_id128_t instance_id;
	uint64_t started_usec;   /* CLOCK_REALTIME */
	uint64_t published_usec; /* CLOCK_MONOTONIC of the last serial */
	struct hak_control_writer writer;
	struct hak_state state;
	struct hak_conf config;
	struct hak_holds holds;
	struct hak_profiles profiles;
	struct hak_tallies tallies;
	struct hak_registry *registry;
	struct hak_reclaim reclaim;
	char clients_dir[4096];
	struct hak_scan scan;
	struct hak_view view;
	struct hak_last_words last_words; /* of the last process that aborted itself */
	struct hak_events events;
	struct hak_learner learner;
	struct hak_durable durable;
	unsigned unsaved;  /* bits: HAK_SAVE_... */
	int save_error;    /* of the last batch: 0, or why something could not be written */
	int tallies_error; /* the same, of the tallies */
	sd_event_source *heartbeat_source;
	sd_event_source *saving_source; /* on: something wants to be saved, now or at its time */
	void (*changed)(void *data, const struct hak_view *before, const struct hak_view *after);
	/* Of learning: a context has another strategy, phase or epoch. */
	void (*decided)(void *data, const struct hak_learned *learned, const char *what);
	uint64_t decisions; /* counts them */
	/* A batch of files is written; nothing of it was told before. */
	void (*saved)(void *data, const struct hak_durable_batch *batch);
	uint64_t batches;    /* begun */
	uint64_t batch_usec; /* CLOCK_MONOTONIC: when the last one was */
	void *changed_data;
};

/* Who asks for a change. */
struct hak_asker {
	uid_t uid;
	const char *reason; /* may be "" */
};

/**
 * hak_manager_init() - take the runtime directory, read state and configuration; publishes nothing yet
 * Logs what is wrong. Return: 0; -EBUSY (another hakmemd has it); or why not.
 */
int hak_manager_init(struct hak_manager *manager, sd_event *event, const struct hak_options *options);

/* Go LIVE: publish, find the processes. Logs. Return: 0, or why not. */
int hak_manager_start(struct hak_manager *manager);

/* Segment STOPPED, state written. Processes keep the policy that is in force. */
void hak_manager_stop(struct hak_manager *manager);
void hak_manager_deinit(struct hak_manager *manager);

/**
 * hak_manager_set_mode() - the runtime mode; @mode NULL takes it back
 * @ret_serial: the serial that carries it
 * In force when this returns, durable when batch number `batches` + 1 is written without a fault, as with all
 * that follow but holds. Return: 0; -EPERM while panicked.
 */
int hak_manager_set_mode(struct hak_manager *manager, const enum hak_mode *mode,
			 const struct hak_asker *asker, uint64_t *ret_serial);

uint64_t hak_manager_panic(struct hak_manager *manager, bool panicked, const struct hak_asker *asker);

/* @ret_hold: its `track` is the caller's to fill. Return: 0; -EPERM while panicked; -ENOBUFS: too many. */
int hak_manager_hold(struct hak_manager *manager, enum hak_mode mode, const struct hak_asker *asker,
		     struct hak_hold **ret_hold);
void hak_manager_release(struct hak_manager *manager, struct hak_hold *hold, const struct hak_asker *asker);

/**
 * hak_manager_request_purge() - requests in the entries of @target's processes
 * @text: the target as it was written, for the journal
 * They become visible with the next serial: hak_manager_bump(). Return: 0; -EPERM while panicked; -ESRCH.
 */
int hak_manager_request_purge(struct hak_manager *manager, const struct hak_target *target, const char *text,
			      const struct hak_asker *asker);
void hak_manager_bump(struct hak_manager *manager);

/* Return: 0; -ESRCH: no process of that pid; -ENOBUFS. */
int hak_manager_set_profile(struct hak_manager *manager, const struct hak_profile *profile,
			    const struct hak_asker *asker, uint64_t *ret_serial);
/* @target: as it was written when it was set. Return: 0; -ENOENT. */
int hak_manager_clear_profile(struct hak_manager *manager, const char *target, const struct hak_asker *asker,
			      uint64_t *ret_serial);

/* Which mode for one client, and who says so. */
struct hak_mode_choice hak_manager_choose(const struct hak_manager *manager, const struct hak_client *client);
/* May its context be learned about? A profile, a rule and the configuration may say no, in this order. */
bool hak_manager_may_learn(const struct hak_manager *manager, const struct hak_client *client);

/* Logs a refusal. Return: 0; -EINVAL and @ret_fault; what was in force stays then. */
int hak_manager_reload(struct hak_manager *manager, const struct hak_asker *asker,
		       struct hak_conf_fault *ret_fault);

/* A command or a decision, in the journal and to whoever monitors. @asker: uid (uid_t)-1 is the daemon. */
void hak_manager_journal(struct hak_manager *manager, const char *what, const char *before, const char *after,
			 const struct hak_asker *asker);

struct hak_mode_inputs hak_manager_inputs(const struct hak_manager *manager);

#endif
