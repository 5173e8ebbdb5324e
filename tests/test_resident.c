/* SPDX-License-Identifier: MIT */
/* What the kernel says is resident, against the books of what may be. */
#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "os.h"
#include "suite.h"
#include "superslab_private.h"

enum { BLOCKS = 1 << 16, ALL_BYTES = 64 << 20, KEEP_ONE_IN = 1000, LARGEST_DOUBLING = 10 };

/* /proc/self/pagemap: present, and no other process's: so the kernel's page of zeros does not count. */
static const uint64_t own_page = UINT64_C(1) << 63 | UINT64_C(1) << 56;

static unsigned char *blocks[BLOCKS];

/* Blocks of 64 bytes to 64 KiB, touched, as many bytes in each doubling. Return: how many. */
static unsigned fill(void)
{
	uint64_t seed = 3;
	size_t all_bytes = 0;
	unsigned count = 0;

	while (all_bytes < ALL_BYTES && count < BLOCKS) {
		size_t low = (size_t)64 << next_random(&seed) % LARGEST_DOUBLING;

		for (size_t portion = 0; portion < 1 << 20 && count < BLOCKS;) {
			size_t bytes = low + next_random(&seed) % low;

			blocks[count] = hak_alloc_malloc(bytes);
			memset(blocks[count++], 1, bytes);
			portion += bytes;
			all_bytes += bytes;
		}
	}
	return count;
}

static bool is_in_a_book(const struct hak_superslab *superslab, unsigned grain)
{
	return hak_grainmap_has(superslab->used, grain) || hak_grainmap_has(superslab->dirty, grain) ||
	       hak_grainmap_has(superslab->lazy, grain) || hak_superslab_uses_huge(superslab);
}

/* Of free grains, and of no huge page, which counts as a whole once it gives something back. */
static unsigned resident_in_no_book(void)
{
	uint64_t pages[HAK_SUPERSLAB_GRAINS];
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned found = 0;
	off_t at;

	ck_assert_int_ge(pagemap, 0);
	for (size_t unit = hak_arenas[0].lowest; unit < hak_arenas[0].end; unit++) {
		const struct hak_superslab *superslab;

		if (!hak_arena_is_open(&hak_arenas[0], unit))
			continue;
		superslab = hak_superslab_at(unit);
		at = (off_t)((uintptr_t)superslab->base / HAK_GRAIN_BYTES * sizeof(*pages));
		ck_assert_int_eq(pread(pagemap, pages, sizeof(pages), at), sizeof(pages));
		for (unsigned grain = 0; grain < HAK_SUPERSLAB_GRAINS; grain++)
			found += (pages[grain] & own_page) == own_page && !is_in_a_book(superslab, grain);
	}
	close(pagemap);
	return found;
}

START_TEST(nothing_that_is_free_is_resident_and_in_no_book)
{
	unsigned count;

	if (hak_os_page_bytes() != HAK_GRAIN_BYTES)
		return; /* a grain is a page's part: nothing to compare */
	count = fill();
	ck_assert_uint_eq(resident_in_no_book(), 0);
	for (unsigned i = 0; i < count; i++)
		if (i % KEEP_ONE_IN)
			hak_alloc_free(blocks[i]);
	ck_assert_uint_eq(resident_in_no_book(), 0);
	(void)hak_alloc_trim(0);
	ck_assert_uint_eq(resident_in_no_book(), 0);
}
END_TEST

/* The class's last slab is faulted in by steps, and not used to its end; what lives keeps the superslab. */
START_TEST(slab_that_was_faulted_in_ahead_goes_back_as_a_whole)
{
	enum { BYTES = 1024, GROWN_BLOCKS = (2 << 20) / BYTES, ROUNDS = 16, NEIGHBOUR = 128 };

	if (hak_os_page_bytes() != HAK_GRAIN_BYTES)
		return;
	for (unsigned round = 1, count; round <= ROUNDS; round++) {
		count = GROWN_BLOCKS + round * 9; /* so that it ends at another place each time */
		for (unsigned i = 0; i < count; i++)
			memset(blocks[i] = hak_alloc_malloc(BYTES), 1, BYTES);
		for (unsigned i = 0; i < count; i++)
			if (i != count - NEIGHBOUR)
				hak_alloc_free(blocks[i]);
		(void)hak_alloc_trim(0);
		ck_assert_uint_eq(resident_in_no_book(), 0);
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("resident");

	tcase_add_test(tcase, nothing_that_is_free_is_resident_and_in_no_book);
	tcase_add_test(tcase, slab_that_was_faulted_in_ahead_goes_back_as_a_whole);
	return run_suite("resident", tcase);
}
