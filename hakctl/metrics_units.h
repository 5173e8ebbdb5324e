/* SPDX-License-Identifier: MIT */
/* Of hakctl metrics: what the processes of each unit hold now, and have done, those that ended as well. */
#ifndef HAK_CTL_METRICS_UNITS_H
#define HAK_CTL_METRICS_UNITS_H

#include "metrics_text.h"
#include "rows.h"

/* @ended_units: of a DumpStats document; NULL: a hakmemd of before there were any. Return: 0, -ENOMEM. */
int hak_metrics_units(struct hak_metrics_text *text, const struct hak_rows *rows, const cJSON *ended_units);

#endif
