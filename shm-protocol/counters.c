/* SPDX-License-Identifier: MIT */
/* Names and meanings of the counters and gauges, generated from the one table in counters.h. */
#include "counters.h"

#include <stddef.h>

struct counter_label {
	const char *name;
	const char *text;
};

#define COUNTER_LABEL(name, text) {#name, text},
static const struct counter_label counter_labels[HAK_COUNTER_COUNT] = {HAK_COUNTERS(COUNTER_LABEL)};
static const struct counter_label gauge_labels[HAK_GAUGE_COUNT] = {HAK_GAUGES(COUNTER_LABEL)};
#undef COUNTER_LABEL

const char *hak_counter_name(enum hak_counter counter)
{
	return (unsigned)counter < HAK_COUNTER_COUNT ? counter_labels[counter].name : NULL;
}

const char *hak_counter_text(enum hak_counter counter)
{
	return (unsigned)counter < HAK_COUNTER_COUNT ? counter_labels[counter].text : NULL;
}

const char *hak_gauge_name(enum hak_gauge gauge)
{
	return (unsigned)gauge < HAK_GAUGE_COUNT ? gauge_labels[gauge].name : NULL;
}

const char *hak_gauge_text(enum hak_gauge gauge)
{
	return (unsigned)gauge < HAK_GAUGE_COUNT ? gauge_labels[gauge].text : NULL;
}
