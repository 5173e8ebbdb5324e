/* SPDX-License-Identifier: MIT */
/*
 * Asking hakmem-helper who a process is that this daemon may not look at: of another user's. Until the answer
 * comes, and where there is no helper, its slot stays HAK_PHASE_UNVERIFIED and its context is made from its
 * name. One thread.
 */
#ifndef HAK_IDENTITY_H
#define HAK_IDENTITY_H

#include "helper_link.h"
#include "registry.h"

/* Once for each claim that was not verified, and again in the sweep. No helper: nothing happens. */
void hak_identity_ask(struct hak_registry *registry, struct hak_helper_link *link, struct hak_slot *slot);

#endif
