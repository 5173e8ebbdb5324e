/* SPDX-License-Identifier: MIT */
/* Taking a unit's drop-in back, for `crashed` as well. */
#ifndef HAK_CTL_ENABLE_H
#define HAK_CTL_ENABLE_H

#include "ctl.h"

/* Removes the drop-in of a unit; its processes go on as they are. Return: an exit code. */
int hak_enable_take_back(const struct hak_ctl *ctl, const char *unit);

#endif
