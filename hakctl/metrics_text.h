/* SPDX-License-Identifier: MIT */
/*
 * Metrics as text, in OpenMetrics 1.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/) or in the
 * older Prometheus text format 0.0.4. They differ in what a counter's family is called, in UNIT lines and in
 * the end.
 */
#ifndef HAK_CTL_METRICS_TEXT_H
#define HAK_CTL_METRICS_TEXT_H

#include <stdbool.h>
#include <stdio.h>

enum hak_metric_kind { HAK_METRIC_GAUGE, HAK_METRIC_COUNTER };

struct hak_metric {
	const char *name; /* without "_total" */
	enum hak_metric_kind kind;
	const char *unit; /* what the name ends with: "bytes"; NULL: none */
	const char *help;
};

struct hak_metrics_text {
	FILE *file;
	bool prometheus;
	const struct hak_metric *family; /* whose samples are being written */
};

void hak_metrics_family(struct hak_metrics_text *text, const struct hak_metric *metric);
/* @labels: name, value, name, value, …, NULL. */
void hak_metrics_sample(struct hak_metrics_text *text, const char *const *labels, double value);
/* A family of one sample without labels. */
void hak_metrics_single(struct hak_metrics_text *text, const struct hak_metric *metric, double value);
void hak_metrics_end(struct hak_metrics_text *text);

#endif
