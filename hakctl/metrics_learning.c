/* SPDX-License-Identifier: MIT */
/* See metrics_learning.h. */
#include "metrics_learning.h"

#include <string.h>

#include "document.h"

/* "none" where nobody may know it, or there is none. */
static const char *label(const cJSON *context, const char *name)
{
	const char *text = hak_document_text(context, name);

	return strcmp(text, "-") == 0 ? "none" : text;
}

static void sample(struct hak_metrics_text *text, const cJSON *context, double value)
{
	/* The hash is what tells two users' same programs apart. */
	hak_metrics_sample(text,
			   (const char *[]){"context", label(context, "context"), "unit",
					    label(context, "unit"), "program", label(context, "program"),
					    "strategy", label(context, "strategy"), NULL},
			   value);
}

/* The rating of the strategy that is in force. */
static double elo_of(const cJSON *context)
{
	const char *winner = hak_document_text(context, "strategy");
	const cJSON *strategy;

	cJSON_ArrayForEach(strategy, cJSON_GetObjectItemCaseSensitive(context, "strategies"))
	{
		if (strcmp(hak_document_text(strategy, "name"), winner) == 0)
			return hak_document_number(strategy, "elo");
	}
	return 0;
}

void hak_metrics_learning(struct hak_metrics_text *text, const cJSON *document)
{
	static const struct hak_metric elo = {"hakmem_context_elo", HAK_METRIC_GAUGE, NULL,
					      "Rating of the strategy in force, against the default's."};
	static const struct {
		struct hak_metric metric;
		const char *name; /* in a context */
	} counters[] = {
		{{"hakmem_context_decisions", HAK_METRIC_COUNTER, NULL,
		  "Decisions of learning about the context."},
		 "epoch"},
		{{"hakmem_context_rollbacks", HAK_METRIC_COUNTER, NULL, "Decisions that were taken back."},
		 "rollbacks"},
		{{"hakmem_context_games", HAK_METRIC_COUNTER, NULL,
		  "Windows in which strategies were compared."},
		 "games"},
	};
	const cJSON *contexts = cJSON_GetObjectItemCaseSensitive(document, "contexts"), *context;

	hak_metrics_family(text, &elo);
	cJSON_ArrayForEach(context, contexts)
	{
		sample(text, context, elo_of(context));
	}
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
		hak_metrics_family(text, &counters[i].metric);
		cJSON_ArrayForEach(context, contexts)
		{
			sample(text, context, hak_document_number(context, counters[i].name));
		}
	}
}
