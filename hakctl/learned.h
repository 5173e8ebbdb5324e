/* SPDX-License-Identifier: MIT */
/* Contexts on the command line and on the screen, for the verbs about learning. */
#ifndef HAK_CTL_LEARNED_H
#define HAK_CTL_LEARNED_H

#include <cjson/cJSON.h>
#include <stddef.h>

/* "123" is a process, all else a context: "pid:123", "context:redis-server". */
void hak_learned_target(const char *text, char *ret_target, size_t room);

/* One context as hak_report_learned() of hakmemd writes it. @all: strategies that did not play as well. */
void hak_learned_print(const cJSON *learned, int all);

#endif
