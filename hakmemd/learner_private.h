/* SPDX-License-Identifier: MIT */
/* What learner*.c share, nobody else's; each calls those above it alone. */
#ifndef HAK_LEARNER_PRIVATE_H
#define HAK_LEARNER_PRIVATE_H

#include "learner.h"

/* ---- learner_prior.c --------------------------------------------------------------------------------- */

/* A total of the client's for two strategies (keys, the lesser first), into its context's tallies. Return: as
 * hak_learned_tell(). */
int hak_learner_tell(struct hak_learner *learner, const struct hak_client *client, const uint64_t strategy[2],
		     const struct hak_score *score);

/* ---- learner_settle.c -------------------------------------------------------------------------------- */

/* Its entry in the control segment, and those that its users' processes start with. */
void hak_learner_publish(struct hak_learner *learner, const struct hak_learned *learned);

/* The daemon's decision that all stays as it is: to be changed, explained and settled. */
struct hak_decision hak_learner_consider(const struct hak_learned *learned);
void hak_learner_explain(struct hak_decision *decision, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Have it made durable, in force and known; none may be on its way. Return: 0, -ENOMEM. */
int hak_learner_settle(struct hak_learner *learner, struct hak_learned *learned,
		       const struct hak_decision *decision);
/* It is durable; or why not (@r): then all stays, and is asked again. */
void hak_learner_settled(struct hak_learner *learner, struct hak_learned *learned, int r);

/* ---- learner_trial.c --------------------------------------------------------------------------------- */

/* A client of a known context was read; it may not have been published yet. */
void hak_learner_trial_told(struct hak_learner *learner, struct hak_client *client);
/* Its processes have ended, and what it told is in client->run. */
void hak_learner_trial_ended(struct hak_learner *learner, struct hak_client *client);
/* Those who start are told of none any more. */
void hak_learner_end_trial(struct hak_learner *learner, struct hak_learned *learned);
/* While memory is short, and where nobody starts any more. */
void hak_learner_rest_trial(struct hak_learner *learner, struct hak_learned *learned, uint64_t now_usec);

/* ---- learner_evict.c --------------------------------------------------------------------------------- */

bool hak_learner_is_worth_keeping(const struct hak_learned *learned);
/* Another context is to come: the least used of those that no process uses is forgotten. */
void hak_learner_make_room(struct hak_learner *learner);
/* @newest gets a file: where its user has too many the one least used is forgotten, and its file goes. */
void hak_learner_bound_files(struct hak_learner *learner, const struct hak_learned *newest);

/* ---- learner.c --------------------------------------------------------------------------------------- */

/* In memory, else from disk, else new. Return: NULL: no memory, or a file that may not be replaced. */
struct hak_learned *hak_learner_get(struct hak_learner *learner, const struct hak_key *context);

#endif
