/* SPDX-License-Identifier: MIT */
/* The table of strategies. docs/strategies.md has, for each, what it is for and where it wins. */
#include "strategy.h"

#include <string.h>

const struct hak_dimension_limits hak_dimension_limits[HAK_DIMENSION_COUNT] = {
#define HAK_DIMENSION_LIMITS(name, unit, least, most, text) {#name, unit, text, least, most},
	HAK_DIMENSIONS(HAK_DIMENSION_LIMITS)
#undef HAK_DIMENSION_LIMITS
};

#define NEVER HAK_HUGE_NEVER

const struct hak_strategy_entry hak_strategy_table[HAK_STRATEGY_COUNT] = {
	/* populate, part | hold base, share, unearned, earned | cache, least | lazy, batch | huge | refill */
	{"safe", "in force where nothing was learned", {{64, 8, 4, 0, 64, 100, 4, 32, 1, 4, 4, 4}}},
	{"lean", "hold next to nothing", {{0, 8, 1, 0, 0, 25, 0, 32, 1, 8, 4, 4}}},
	{"demand", "never fault in ahead", {{0, 8, 4, 0, 64, 100, 4, 32, 1, 4, 4, 4}}},
	{"fine", "fault in by small steps, early", {{16, 4, 4, 0, 64, 100, 4, 32, 1, 4, 4, 4}}},
	{"stride", "fault in by large steps", {{256, 2, 8, 0, 64, 100, 8, 32, 1, 4, 4, 8}}},
	{"rush", "fault in whole superslabs", {{2048, 1, 16, 0, 32, 100, 16, 32, 1, 4, 4, 16}}},
	{"keep", "hold what was ever used", {{64, 8, 64, 50, 1024, 100, 64, 32, 1, 16, 4, 4}}},
	{"hoard", "keep large blocks", {{64, 8, 4, 0, 64, 100, 512, 32, 1, 4, 4, 4}}},
	{"huge", "huge pages from the first superslab on", {{64, 8, 8, 0, 64, 100, 8, 32, 1, 4, 0, 8}}},
	{"flat", "no huge pages", {{64, 8, 4, 0, 64, 100, 4, 32, 1, 4, NEVER, 4}}},
	{"bulk", "give back seldom and much", {{64, 8, 32, 25, 64, 100, 32, 32, 0, 32, 4, 4}}},
	{"swift", "large refills", {{256, 4, 16, 0, 64, 100, 16, 32, 1, 8, 4, 32}}},
};

uint64_t hak_strategy_key(const struct hak_strategy *strategy)
{
	/* FNV-1a (Fowler, Noll, Vo) over the version of the list and the values, low byte first */
	static const char version[] = "hakmem strategy 1:";
	const uint64_t prime = UINT64_C(0x100000001b3);
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i + 1 < sizeof(version); i++)
		hash = (hash ^ (uint8_t)version[i]) * prime;
	for (unsigned i = 0; i < HAK_DIMENSION_COUNT; i++) {
		hash = (hash ^ (strategy->value[i] & 0xff)) * prime;
		hash = (hash ^ (uint8_t)(strategy->value[i] >> 8)) * prime;
	}
	return hash ? hash : 1;
}

int hak_strategy_find(uint64_t key)
{
	for (int i = 0; i < HAK_STRATEGY_COUNT; i++)
		if (hak_strategy_key(&hak_strategy_table[i].strategy) == key)
			return i;
	return -1;
}

int hak_strategy_parse(const char *name)
{
	for (int i = 0; i < HAK_STRATEGY_COUNT; i++)
		if (strcmp(hak_strategy_table[i].name, name) == 0)
			return i;
	return -1;
}

bool hak_strategy_is_sound(const struct hak_strategy *strategy)
{
	for (unsigned i = 0; i < HAK_DIMENSION_COUNT; i++)
		if (strategy->value[i] < hak_dimension_limits[i].least ||
		    strategy->value[i] > hak_dimension_limits[i].most)
			return false;
	return true;
}
