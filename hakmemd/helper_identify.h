/* SPDX-License-Identifier: MIT */
/* Telling hakmemd who a process is that it may not look at itself: which of some pids maps a telemetry file,
 * and what that one runs. */
#ifndef HAK_HELPER_IDENTIFY_H
#define HAK_HELPER_IDENTIFY_H

#include "helper_purge.h"

/* @request is valid. Error -ESRCH: none of them maps the file. */
struct hak_helper_reply hak_helper_identify(const struct hak_helper_place *place,
					    const struct hak_helper_request *request);

#endif
