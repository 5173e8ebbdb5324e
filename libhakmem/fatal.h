/* SPDX-License-Identifier: MIT */
/* Where last words go beside stderr. */
#ifndef HAK_FATAL_H
#define HAK_FATAL_H

#include "telemetry.h"

/* The record that hak_fatal() fills; NULL: none. Set once telemetry exists and again in a forked child. */
void hak_fatal_set_record(struct hak_fatal_record *record);

#endif
