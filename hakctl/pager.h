/* SPDX-License-Identifier: MIT */
/* Long answers go through $PAGER (less) where stdout is a terminal. */
#ifndef HAK_CTL_PAGER_H
#define HAK_CTL_PAGER_H

#include "ctl.h"

/* From here on stdout may be the pager. Where it cannot start, stdout stays what it is. */
void hak_pager_open(const struct hak_ctl *ctl);
/* Wait until it was read. */
void hak_pager_close(void);

#endif
