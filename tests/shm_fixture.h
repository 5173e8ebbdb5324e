/* SPDX-License-Identifier: MIT */
/* What the protocol's suites share: a runtime directory for each test, and payloads that show tearing. */
#ifndef HAK_TESTS_SHM_FIXTURE_H
#define HAK_TESTS_SHM_FIXTURE_H

#include "control.h"

#include <stdbool.h>

#define SHM_PATH_MAX 512

extern char shm_dir[SHM_PATH_MAX];

/* Makes shm_dir with clients/ in it, owner the caller; removes it with all that is there. */
void shm_dir_make(void);
void shm_dir_remove(void);

/* DIR/@name in a static buffer. */
const char *shm_path(const char *name);

/* Payloads whose every field follows from @version, and the check of that. */
struct hak_process_payload shm_process(const struct hak_key *key, uint64_t version);
bool shm_process_is(const struct hak_process_payload *payload, const struct hak_key *key, uint64_t version);

struct hak_key shm_key(uint64_t number);

#endif
