/* SPDX-License-Identifier: MIT */
/* Begin, end and fork of the process: see lifecycle.c. */
#ifndef HAK_LIFECYCLE_H
#define HAK_LIFECYCLE_H

#include <stdbool.h>

/* Have forks leave the allocator whole, in parent and child. To be called before anybody registers others. */
void hak_lifecycle_watch_forks(void);

/* Around the registration of a handler: no other thread forks meanwhile. Return: is let_fork() due? */
bool hak_lifecycle_hold_forks(void);
void hak_lifecycle_let_fork(void);

#endif
