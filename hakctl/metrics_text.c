/* SPDX-License-Identifier: MIT */
/* See metrics_text.h. */
#include "metrics_text.h"

static const char *suffix(const struct hak_metric *metric)
{
	return metric->kind == HAK_METRIC_COUNTER ? "_total" : "";
}

void hak_metrics_family(struct hak_metrics_text *text, const struct hak_metric *metric)
{
	const char *in_name = text->prometheus ? suffix(metric) : "";

	text->family = metric;
	fprintf(text->file, "# HELP %s%s %s\n# TYPE %s%s %s\n", metric->name, in_name, metric->help,
		metric->name, in_name, metric->kind == HAK_METRIC_COUNTER ? "counter" : "gauge");
	if (metric->unit && !text->prometheus)
		fprintf(text->file, "# UNIT %s %s\n", metric->name, metric->unit);
}

static void put_label(FILE *file, const char *value)
{
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			putc('\\', file);
		if (*value == '\n')
			fputs("\\n", file);
		else
			putc(*value, file);
	}
}

void hak_metrics_sample(struct hak_metrics_text *text, const char *const *labels, double value)
{
	fprintf(text->file, "%s%s", text->family->name, suffix(text->family));
	for (size_t i = 0; labels && labels[i]; i += 2) {
		fprintf(text->file, "%c%s=\"", i ? ',' : '{', labels[i]);
		put_label(text->file, labels[i + 1]);
		putc('"', text->file);
	}
	fprintf(text->file, "%s %.15g\n", labels && labels[0] ? "}" : "", value);
}

void hak_metrics_single(struct hak_metrics_text *text, const struct hak_metric *metric, double value)
{
	hak_metrics_family(text, metric);
	hak_metrics_sample(text, NULL, value);
}

void hak_metrics_end(struct hak_metrics_text *text)
{
	if (!text->prometheus)
		fputs("# EOF\n", text->file);
}
