/* SPDX-License-Identifier: MIT */
/*
 * Forced into the protocol's sources in place of shm-protocol/store_step.h, whose guard it takes: a test
 * counts the stores of a writer and stops it before the n-th.
 */
#ifndef HAK_SHM_STORE_STEP_H
#define HAK_SHM_STORE_STEP_H

void hak_store_step(void);

#endif
