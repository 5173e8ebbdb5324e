/* SPDX-License-Identifier: MIT */
/*
 * The learner: all contexts, what their processes tell, and what is decided from it.
 *
 *	a telemetry file is read  -> hak_learner_told()     new pairs into the context's tallies
 *	once a second             -> hak_learner_tick()     contests and canaries go on, tallies are saved
 *	a file is to be removed   -> hak_learner_collect()  its last pairs are to be durable first
 *	the disk is free          -> hak_learner_unsaved()  what is to be durable, as a batch of files
 *	that batch is written     -> hak_learner_saved()    decisions in it are published, and told
 *	a policy is wanted        -> hak_learner_policy()   the frozen strategy, and who plays a canary or
 *	                                                    a trial
 *
 * Order of a decision: durable in STATE_DIR/contexts, then published, then told. Contexts that no process
 * uses are forgotten, the least used first, where there are more than HAK_LEARNER_CONTEXTS; their files stay,
 * unless more than HAK_LEARNER_FILES_OF_ONE are of one user, or of one unit of the system.
 *
 * One thread.
 */
#ifndef HAK_LEARNER_H
#define HAK_LEARNER_H

#include "client.h"
#include "durable.h"
#include "learned.h"
#include "priors.h"

#define HAK_INCARNATION_FILE "incarnation"

enum {
	HAK_LEARNER_CONTEXTS = 10000,
	HAK_LEARNER_FILES_OF_ONE = 256,
	HAK_LEARNER_WINDOW_TICKS = 64, /* where no process has found a better one */
	HAK_LEARNER_WINDOW_TICKS_MOST = 1 << 20,
	HAK_LEARNER_SAVE_USEC = 60000000, /* tallies that nothing was decided from */
};

struct hak_learner_owner {
	void *data;
	/* A decision is durable: publish it, tell it. @before: the winner until now. @uid: who; -1: the
	 * daemon.
	 */
	void (*decided)(void *data, const struct hak_learned *learned, const char *what, uint8_t before,
			uid_t uid);
	/* A client's schedule or canary has changed. */
	void (*client_changed)(void *data, struct hak_client *client);
	/* The mode that it runs in; minimal, where nobody plays, if it may not learn. */
	enum hak_mode (*mode_of)(void *data, const struct hak_client *client);
	/* A client tells what cannot be. */
	void (*poisoned)(void *data, struct hak_client *client, const char *what);
	/* Something is not to wait for the next second: ask hak_learner_unsaved(). */
	void (*save_wanted)(void *data);
};

struct hak_learner {
	int state_fd; /* borrowed */
	int directory_fd;
	uint64_t incarnation; /* of this host's tallies: new with each state directory */
	bool paused;          /* memory is short: nobody plays */
	struct hak_learner_owner owner;
	struct hak_control_writer *writer; /* borrowed */
	int clients_fd; /* borrowed: where the told files are; -1: not known yet */
	struct hak_learned_table contexts; /* in memory */
	uint64_t schedules; /* numbers of games given out; begins with the time */
	struct hak_priors priors;
};

/* @state_fd: the state directory. Return: 0, or why it cannot be used. */
int hak_learner_init(struct hak_learner *learner, int state_fd, struct hak_control_writer *writer,
		     const struct hak_learner_owner *owner);
/* What was not saved is lost. */
void hak_learner_deinit(struct hak_learner *learner);

/* The context in memory; NULL: nothing is known of it. */
static inline struct hak_learned *hak_learner_find(const struct hak_learner *learner,
						   const struct hak_key *context)
{
	return hak_learned_find(&learner->contexts, context);
}

/*
 * As people write it: 32 hexadecimal digits, or the program's or unit's name where one context alone has it.
 * Return: 0; -ENOENT: none; -ENOTUNIQ: several.
 */
int hak_learner_resolve(struct hak_learner *learner, const char *text, struct hak_learned **ret_learned);
/* All of them: NULL begins, and NULL ends. */
static inline struct hak_learned *hak_learner_next(const struct hak_learner *learner,
						   const struct hak_learned *previous)
{
	return hak_learned_next(&learner->contexts, previous);
}

/* A client's context is known: the client counts as one of it. */
void hak_learner_meet(struct hak_learner *learner, struct hak_client *client);
void hak_learner_told(struct hak_learner *learner, struct hak_client *client);
/* Its file is to go: what that told is in its context then, which wants to be saved if that was new. */
void hak_learner_collect(struct hak_learner *learner, struct hak_client *client);
/**
 * hak_learner_unsaved() - the contexts, and imported priors, that want to be saved, as files of a batch
 * `data` of each is what it has. They count as saved until hak_learner_saved() tells otherwise.
 */
void hak_learner_unsaved(struct hak_learner *learner, struct hak_durable_batch *batch);
void hak_learner_saved(struct hak_learner *learner, const struct hak_durable_file *file);
/* All that is worth it wants to be. */
void hak_learner_save_all(struct hak_learner *learner);
/* The state directory is another one, behind the same descriptor: all that is in memory wants to be saved in
 * it. Between batches. Return: 0, or why not. */
int hak_learner_begin_anew(struct hak_learner *learner);
/* HAK_INCARNATION_FILE's text. Return: the caller's to free; NULL without memory. */
char *hak_learner_format_incarnation(const struct hak_learner *learner);
void hak_learner_forget(struct hak_client *client);

/* @pressure: memory is short. @clients: the registry's first. */
void hak_learner_tick(struct hak_learner *learner, struct hak_client *clients, bool pressure);

/* What was learned of the client's context into @policy, a mode's row. */
void hak_learner_policy(const struct hak_client *client, struct hak_policy *policy);

enum hak_learner_wish { HAK_LEARNER_FREEZE, HAK_LEARNER_THAW, HAK_LEARNER_ROLL_BACK };
/*
 * By hand. Return: 0: hak_learner_saved() tells whether it is so; -EAGAIN: another decision is not durable
 * yet; -ENOMEM.
 */
int hak_learner_wish(struct hak_learner *learner, struct hak_learned *learned, enum hak_learner_wish wish,
		     uid_t uid);

/*
 * Another host's tallies, of one document. @ret_news: those that rose; their contexts want to be saved.
 * Return: 0; -EBADMSG: nothing was taken; or what stopped it.
 */
int hak_learner_import(struct hak_learner *learner, const char *text, uint64_t *ret_tallies,
		       uint64_t *ret_news);

/* Another host's export as priors. Return: as hak_priors_import(). */
int hak_learner_import_priors(struct hak_learner *learner, const char *text, uint64_t *ret_tallies,
			      uint64_t *ret_news);

/* What was found elsewhere that concerns the context, as things stand. */
void hak_learner_prior(struct hak_learner *learner, const struct hak_learned *learned,
		       struct hak_prior *ret_prior);

uint32_t hak_learner_week(void);

#endif
