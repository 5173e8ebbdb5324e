/* SPDX-License-Identifier: MIT */
/* What learner.c and learner_exchange.c share; nobody else's. */
#ifndef HAK_LEARNER_PRIVATE_H
#define HAK_LEARNER_PRIVATE_H

#include "learner.h"

/* In memory, else from disk, else new. Return: NULL: no memory, or a file that may not be replaced. */
struct hak_learned *hak_learner_get(struct hak_learner *learner, const struct hak_key *context);

/* Its entry in the control segment. */
void hak_learner_publish(struct hak_learner *learner, const struct hak_learned *learned);

#endif
