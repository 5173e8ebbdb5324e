/* SPDX-License-Identifier: MIT */
/* Names of the counters and gauges, generated from the one table in counters.h. */
#include "counters.h"

#include <stddef.h>

#define NAME(name, text) #name,
static const char *const counter_names[HAK_COUNTER_COUNT] = {HAK_COUNTERS(NAME)};
static const char *const gauge_names[HAK_GAUGE_COUNT] = {HAK_GAUGES(NAME)};
#undef NAME

const char *hak_counter_name(enum hak_counter counter)
{
	return (unsigned)counter < HAK_COUNTER_COUNT ? counter_names[counter] : NULL;
}

const char *hak_gauge_name(enum hak_gauge gauge)
{
	return (unsigned)gauge < HAK_GAUGE_COUNT ? gauge_names[gauge] : NULL;
}
