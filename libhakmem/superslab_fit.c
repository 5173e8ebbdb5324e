/* SPDX-License-Identifier: MIT */
/*
 * Which superslabs may have a run of so many free grains: a bound for each, exact after every search in vain,
 * and a bitmap for each power of two of those whose bound reaches it. So a search reads one word for 64
 * superslabs that have nothing for it.
 */
#include <string.h>

#include "os.h"
#include "superslab_private.h"

static unsigned power_of(unsigned grains)
{
	return 31 - (unsigned)__builtin_clz(grains);
}

static const struct hak_superslab_fits *look(const struct hak_arena *arena, size_t unit)
{
	const struct hak_superslab_fits *fits = arena->fits ? arena->fits : arena->first_fits;

	return &fits[unit / HAK_FIT_BLOCK_UNITS];
}

static struct hak_superslab_fits *look_to_write(struct hak_arena *arena, size_t unit)
{
	return (struct hak_superslab_fits *)(uintptr_t)look(arena, unit);
}

int hak_arena_reach(struct hak_arena *arena, size_t unit)
{
	void *memory;
	int result;

	if (unit < HAK_FIT_FIRST_BLOCKS * HAK_FIT_BLOCK_UNITS || arena->fits)
		return 0;
	result = hak_os_map(NULL, HAK_WINDOW_UNITS / HAK_FIT_BLOCK_UNITS * sizeof(*arena->fits), &memory);
	if (result < 0)
		return result;
	memcpy(memory, arena->first_fits, sizeof(arena->first_fits));
	arena->fits = memory;
	return 0;
}

void hak_arena_set_own(struct hak_arena *arena, size_t unit, bool own)
{
	struct hak_superslab_fits *fits = look_to_write(arena, unit);
	uint64_t bit = UINT64_C(1) << unit % HAK_FIT_BLOCK_UNITS;

	fits->units = own ? fits->units | bit : fits->units & ~bit;
}

bool hak_arena_owns(const struct hak_arena *arena, size_t unit)
{
	return look(arena, unit)->units >> unit % HAK_FIT_BLOCK_UNITS & 1;
}

unsigned hak_arena_fit(const struct hak_arena *arena, size_t unit)
{
	return look(arena, unit)->bound[unit % HAK_FIT_BLOCK_UNITS];
}

void hak_superslab_set_fit(const struct hak_superslab *superslab, unsigned grains)
{
	struct hak_arena *arena = superslab->arena;
	size_t unit = hak_superslab_unit(superslab);
	struct hak_superslab_fits *fits = look_to_write(arena, unit);
	uint16_t *bound = &fits->bound[unit % HAK_FIT_BLOCK_UNITS];
	unsigned before = *bound ? power_of(*bound) + 1 : 0, now = grains ? power_of(grains) + 1 : 0;

	*bound = (uint16_t)grains;
	for (unsigned power = now; power < before; power++)
		fits->reaches[power] &= ~(UINT64_C(1) << unit % HAK_FIT_BLOCK_UNITS);
	for (unsigned power = before; power < now; power++)
		fits->reaches[power] |= UINT64_C(1) << unit % HAK_FIT_BLOCK_UNITS;
	if (grains && unit < arena->lowest)
		arena->lowest = unit;
}

size_t hak_arena_next_fit(const struct hak_arena *arena, size_t unit, unsigned grains)
{
	unsigned power = power_of(grains);

	for (; unit < arena->end; unit = (unit | (HAK_FIT_BLOCK_UNITS - 1)) + 1) {
		const struct hak_superslab_fits *fits = look(arena, unit);
		uint64_t reach = fits->reaches[power] & UINT64_MAX << unit % HAK_FIT_BLOCK_UNITS;

		for (; reach; reach &= reach - 1) {
			unsigned at = (unsigned)__builtin_ctzll(reach);

			if (fits->bound[at] >= grains)
				return unit / HAK_FIT_BLOCK_UNITS * HAK_FIT_BLOCK_UNITS + at;
		}
	}
	return arena->end;
}
