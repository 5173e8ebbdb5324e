/* SPDX-License-Identifier: MIT */
/*
 * What happens before each store into shared memory: nothing. Tests force-include a file with the same guard
 * whose hak_store_step() counts and stops the writer at the n-th store.
 */
#ifndef HAK_SHM_STORE_STEP_H
#define HAK_SHM_STORE_STEP_H

static inline void hak_store_step(void)
{
}

#endif
