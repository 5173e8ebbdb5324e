/* SPDX-License-Identifier: MIT */
/* Contexts on the screen, for the verbs about learning. */
#ifndef HAK_CTL_LEARNED_H
#define HAK_CTL_LEARNED_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* One context as hak_report_learned() of hakmemd writes it. @all: strategies that did not play as well. */
void hak_learned_print(const cJSON *learned, bool all);

#endif
