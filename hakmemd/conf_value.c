/* SPDX-License-Identifier: MIT */
/* See conf_value.h. */
#include "conf_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

int hak_conf_bool(const char *text, bool *ret_value)
{
	static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};

	for (size_t i = 0; i < 2 * sizeof(words) / sizeof(*words); i++) {
		if (strcmp(text, words[i / 2][i % 2]) != 0)
			continue;
		*ret_value = i % 2 != 0;
		return 0;
	}
	return -EINVAL;
}

/* Digits and one of @units, which end with a NULL name. */
static int parse(const char *text, const struct unit *units, uint64_t *ret_value)
{
	unsigned long long number;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno)
		return -EINVAL;
	end += strspn(end, " \t");
	for (; units->name; units++) {
		if (strcmp(end, units->name) != 0)
			continue;
		return __builtin_mul_overflow(number, units->factor, ret_value) ? -EINVAL : 0;
	}
	return -EINVAL;
}

int hak_conf_number(const char *text, uint64_t *ret_value)
{
	static const struct unit units[] = {{"", 1}, {NULL, 0}};

	return parse(text, units, ret_value);
}

int hak_conf_size(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = {{"", 1},
					    {"K", UINT64_C(1) << 10},
					    {"M", UINT64_C(1) << 20},
					    {"G", UINT64_C(1) << 30},
					    {"T", UINT64_C(1) << 40},
					    {NULL, 0}};

	return parse(text, units, ret_bytes);
}

int hak_conf_time(const char *text, uint64_t *ret_usec)
{
	static const struct unit units[] = {{"", 1000000},    {"ms", 1000},      {"s", 1000000},
					    {"sec", 1000000}, {"min", 60000000}, {NULL, 0}};

	return parse(text, units, ret_usec);
}

int hak_conf_percent(const char *text, uint64_t *ret_percent)
{
	static const struct unit units[] = {{"", 1}, {"%", 1}, {NULL, 0}};
	uint64_t percent;

	if (parse(text, units, &percent) < 0 || percent > 100)
		return -EINVAL;
	*ret_percent = percent;
	return 0;
}
