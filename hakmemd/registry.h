/* SPDX-License-Identifier: MIT */
/*
 * All clients, found by name, by pid and in order of their arrival; and what has to be done for them, when.
 *
 * registry.c decides who is looked at when, client_life.c what his next step is, scan.c feeds in names. One
 * thread.
 *
 * No descriptor is kept of a process or a file. A telemetry file is looked at
 *
 * - when it appears, and when its last process has ended: the mapping keeps the file open for writing, so
 *   inotify tells of both;
 * - after 20, 80, 320 and 1280 ms while it is young;
 * - every few milliseconds while its processes fork, less often the more files do so and the more parts it
 *   has, since nothing tells of the end of one process among several;
 * - on demand: a dump, WaitApplied;
 * - in the sweep: each file every quarter of a second where there are few processes, each 45 seconds where
 *   there are 10,000, which is less than one percent of a core.
 */
#ifndef HAK_REGISTRY_H
#define HAK_REGISTRY_H

#include <systemd/sd-event.h>

#include "client.h"
#include "control.h"
#include "due.h"
#include "learner.h"
#include "log_rate.h"

enum {
	HAK_REGISTRY_BUCKETS = 16384, /* of each hash */
	HAK_REGISTRY_FILES_MAX = 65536,
	HAK_REGISTRY_NESTED_MAX = 1024,
	HAK_REGISTRY_REFRESH_USEC = 50000, /* that a caller waits for fresh samples: 2,000 clients */
};

/* What the registry asks of its owner. */
struct hak_registry_owner {
	void *data;
	/* The policy for a client that was just identified: word (0: the global one) and source. */
	uint64_t (*policy_for)(void *data, const struct hak_client *client,
			       enum hak_policy_source *ret_source);
	/* A client that runs has got a policy of its own: the serial has to move. */
	void (*policy_differs)(void *data);
	/* A first client came (true), the last one went (false). */
	void (*in_use_changed)(void *data, bool in_use);
	/* A process left last words. */
	void (*fatal)(void *data, const struct hak_slot *slot);
	/* A process wrote a line into its own log; @suppressed lines of its user came before, and were too
	 * many. */
	void (*log)(void *data, const struct hak_slot *slot, const struct hak_log_line *line,
		    uint64_t suppressed);
	/* A process that this daemon may not look at: somebody else may tell who it is (hak_slot_verified()).
	 */
	void (*unverified)(void *data, struct hak_slot *slot);
	/* A process is known now, or about to be forgotten. */
	void (*process)(void *data, const struct hak_slot *slot, bool began);
	/* It is leaving: what it told is to be made durable; then call hak_client_life_saved(). */
	void (*collect)(void *data, struct hak_client *client);
	/* A slot was folded, and is to be freed: hak_registry_end_freeing(), when that is written. */
	void (*folded)(void *data);
};

struct hak_registry_uid {
	uid_t uid;
	uint32_t files; /* each part of one */
	struct hak_log_rate log_rate;
};

SLIST_HEAD(hak_client_chain, hak_client); /* by same_hash */
SLIST_HEAD(hak_slot_chain, hak_slot);     /* by same_pid */

struct hak_target;

/* How closely to look at a client. */
enum hak_look {
	HAK_LOOK_FILE,    /* what its file says */
	HAK_LOOK_LIFE,    /* and whether its processes live */
	HAK_LOOK_CLOSELY, /* and whether they still map the file: they may have become other programs */
};

struct hak_registry {
	struct hak_client_home home;
	struct hak_control_writer *writer; /* borrowed */
	struct hak_tallies *tallies;       /* borrowed */
	struct hak_learner *learner;       /* borrowed */
	struct hak_registry_owner owner;
	sd_event *event;              /* borrowed */
	sd_event_source *tick_source; /* for what is due */
	sd_event_source *sweep_source;
	struct hak_client *first, *last;            /* by id */
	struct hak_client *sweep_next, *fresh_next; /* where sweep and refresh go on; NULL: at the first */
	size_t count;                               /* clients */
	size_t process_count;                       /* slots that have a process */
	uint64_t next_id;
	uint32_t files_per_uid;
	struct hak_registry_uid *uids;
	size_t uid_count;
	struct hak_client_chain by_name[HAK_REGISTRY_BUCKETS];
	struct hak_slot_chain by_pid[HAK_REGISTRY_BUCKETS];
	struct hak_due due;      /* those with due_usec */
	size_t forkers;          /* clients that have forked_usec */
	uint64_t planned_usec;   /* when tick_source fires; UINT64_MAX: not at all */
	uint64_t log_again_usec; /* clients make us write one line a second at most */
	uint64_t refused;        /* files that were removed because they were none, or too many */
	struct hak_nested nested[HAK_REGISTRY_NESTED_MAX]; /* as last seen in /proc */
	size_t nested_count;
	uint64_t nested_usec; /* when it was filled; 0: never */
};

/**
 * hak_registry_init() - begin with no client
 * @registry: caller's storage; give back with hak_registry_deinit()
 * @home:     clients_fd stays the caller's
 */
int hak_registry_init(struct hak_registry *registry, sd_event *event, const struct hak_client_home *home,
		      struct hak_control_writer *writer, struct hak_tallies *tallies,
		      struct hak_learner *learner, const struct hak_registry_owner *owner);
void hak_registry_deinit(struct hak_registry *registry);

struct hak_client *hak_registry_find(struct hak_registry *registry, const char *name);
/* A slot whose process has @pid (in our namespace); NULL without one. */
struct hak_slot *hak_registry_find_pid(struct hak_registry *registry, pid_t pid);

/* How a name in the directory came to be seen. */
enum hak_sight {
	HAK_SIGHT_CREATED, /* its writer is at it: looked at a little later */
	HAK_SIGHT_THERE,   /* nobody knows since when */
	HAK_SIGHT_LET_GO, /* closed for writing, and a mapping keeps it open: nobody has it mapped any more */
};

/* A name was seen. Known ones are looked at again, closely; names that are none are removed. */
void hak_registry_saw(struct hak_registry *registry, const char *name, enum hak_sight sight);
/* A name was taken away by somebody else. */
void hak_registry_lost(struct hak_registry *registry, const char *name);

/**
 * hak_registry_refresh() - take fresh samples, settle what is new
 * @target:      only of those that have a process of it; NULL: of all
 * @budget_usec: stop after that time, and go on there the next time; 0: never
 * About 25 us a client. What is not refreshed is as old as the sweep left it.
 */
void hak_registry_refresh(struct hak_registry *registry, const struct hak_target *target,
			  uint64_t budget_usec);
/* The same for @count clients, in the order of lists: a page of one. */
void hak_registry_refresh_from(struct hak_registry *registry, uint64_t first_id, uint64_t count);

/* Each client's policy anew, after modes or rules changed. Return: entries that changed (the caller
 * publishes). */
size_t hak_registry_repolicy(struct hak_registry *registry);

/* A request to purge, into a client's entry, if it has one; the caller moves the serial. */
void hak_registry_request_purge_of(struct hak_registry *registry, struct hak_client *client,
				   uint64_t request);
/* The same of all clients that have a process of @target. Return: how many. */
size_t hak_registry_request_purge(struct hak_registry *registry, const struct hak_target *target,
				  uint64_t request);

/* The files that exist and of which something was folded. The caller frees; NULL with count 0 or without
 * memory. */
struct hak_tallies_file *hak_registry_folded(const struct hak_registry *registry, size_t *ret_count);

/* What is folded of the client is on its way to the disk; then it is there (0), or why not. */
void hak_registry_begin_freeing(struct hak_client *client);
void hak_registry_end_freeing(struct hak_registry *registry, struct hak_client *client, int result);

/* The policy that is published for @client; NULL: for all who have none of their own. */
uint64_t hak_registry_policy_word(const struct hak_registry *registry, const struct hak_client *client);
/* One client's policy anew: it is known better now. */
void hak_registry_reconsider(struct hak_registry *registry, struct hak_client *client);
/* Entries of the control segment that no client has: a daemon before this one left them. */
void hak_registry_drop_strays(struct hak_registry *registry);

/*
 * A client's life (client_life.c): not valid yet -> accepted -> its slots' processes verified -> ended and
 * folded -> file removed. Look at it and do its next step, which may remove it; plans the one after it.
 */
void hak_client_life_step(struct hak_registry *registry, struct hak_client *client, enum hak_look look);
/* What a leaving client told is durable (0), or why it is not. It may go with this. */
void hak_client_life_saved(struct hak_registry *registry, struct hak_client *client, int result);
/* Believe its file no more, and say so once; its processes stay known until they end. */
void hak_client_life_distrust(struct hak_client *client, const char *why);

/* May a line about what a client did be written now? */
bool hak_registry_may_log(struct hak_registry *registry);
uint64_t hak_registry_now(const struct hak_registry *registry);

#endif
