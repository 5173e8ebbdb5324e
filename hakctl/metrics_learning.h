/* SPDX-License-Identifier: MIT */
/* Metrics of what was learned about each context, from a DumpRatings document. */
#ifndef HAK_CTL_METRICS_LEARNING_H
#define HAK_CTL_METRICS_LEARNING_H

#include <cjson/cJSON.h>

#include "metrics_text.h"

void hak_metrics_learning(struct hak_metrics_text *text, const cJSON *document);

#endif
