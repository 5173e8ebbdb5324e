/* SPDX-License-Identifier: MIT */
/* What enable.c and crashed.c have of each other. */
#ifndef HAK_CTL_ENABLE_H
#define HAK_CTL_ENABLE_H

#include "ctl.h"

/* Removes the drop-in of a unit; its processes go on as they are. Return: an exit code. */
int hak_enable_take_back(const struct hak_ctl *ctl, const char *unit);

/* A unit that is enabled anew begins without crashes. */
void hak_crashes_forget(const char *unit);

#endif
