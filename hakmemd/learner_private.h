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

/* Its entry in the control segment. */
void hak_learner_publish(struct hak_learner *learner, const struct hak_learned *learned);

#endif
