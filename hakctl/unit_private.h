/* SPDX-License-Identifier: MIT */
/* What unit.c and unit_findings.c share. */
#ifndef HAK_CTL_UNIT_PRIVATE_H
#define HAK_CTL_UNIT_PRIVATE_H

#include "unit.h"

/* A property of the service. The caller unreferences. */
int hak_unit_property(struct hak_unit *unit, const char *name, const char *type, sd_bus_message **ret_reply);

#endif
