/* SPDX-License-Identifier: MIT */
/* What learner.c and learner_exchange.c share; nobody else's. */
#ifndef HAK_LEARNER_PRIVATE_H
#define HAK_LEARNER_PRIVATE_H

#include "learner.h"

/* In memory, else from disk, else new. Return: NULL: no memory, or a file that may not be replaced. */
struct hak_learned *hak_learner_get(struct hak_learner *learner, const struct hak_key *context);

/* Durable when it returns 0. */
int hak_learner_save(struct hak_learner *learner, struct hak_learned *learned);
/* Where nobody waits for it: a failure is journaled, and it stays dirty. */
void hak_learner_save_or_say(struct hak_learner *learner, struct hak_learned *learned);

/* Its entry in the control segment, and those that its users' processes start with. */
void hak_learner_publish(struct hak_learner *learner, const struct hak_learned *learned);

/* Whose pairs those are that the client tells now; strategies are left to the caller. */
struct hak_tally_key hak_learner_tally_key(const struct hak_learner *learner,
					   const struct hak_client *client);

/* ---- learner_decide.c -------------------------------------------------------------------------------- */

/* The reason of the last decision. */
void hak_learner_explain(struct hak_learned *learned, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Make a change of its life durable, then let it be known. Return: 0; or why not: it is as it was then. */
int hak_learner_settle(struct hak_learner *learner, struct hak_learned *learned,
		       const struct hak_life *before, const char *what, uid_t uid);

/* ---- learner_trial.c --------------------------------------------------------------------------------- */

/* A client of a known context was read; it may not have been published yet. */
void hak_learner_trial_told(struct hak_learner *learner, struct hak_client *client);
/* Its processes have ended, and what it told is in client->run. */
void hak_learner_trial_ended(struct hak_learner *learner, struct hak_client *client);
/* While memory is short, and where nobody starts any more. */
void hak_learner_rest_trial(struct hak_learner *learner, struct hak_learned *learned, uint64_t now_usec);

#endif
