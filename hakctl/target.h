/* SPDX-License-Identifier: MIT */
/* Processes as people write them, as hakmemd writes them ("pid:7", "unit:redis-server.service"). */
#ifndef HAK_CTL_TARGET_H
#define HAK_CTL_TARGET_H

#include "ctl.h"

enum { HAK_TARGET_CHARS = 512 };

/* 7 is a process, 32 hexadecimal digits are a context, a word with a colon is a target already, all else a
 * unit: "redis-server" means redis-server.service, and it may be a glob. */
void hak_target_write(const char *word, char ret_target[HAK_TARGET_CHARS]);

/* For verbs about learning: 7 is a process, all else a context, which hakmemd knows by its program's or
 * unit's name as well. */
void hak_target_write_context(const char *word, char ret_target[HAK_TARGET_CHARS]);

#endif
