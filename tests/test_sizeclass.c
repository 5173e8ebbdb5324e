/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "sizeclass.h"
#include "suite.h"

START_TEST(class_of_any_size_is_the_smallest_that_holds_it)
{
	for (size_t bytes = 0; bytes <= HAK_SMALL_MAX_BYTES; bytes++) {
		unsigned c = hak_class_of(bytes);

		require(c >= 1);
		require(c <= HAK_CLASS_SMALL_COUNT);
		require(hak_size_class[c].block_bytes >= bytes);
		if (c > 1)
			require(hak_size_class[c - 1].block_bytes < bytes);
	}
}
END_TEST

/* What aligned_alloc() rests on. */
START_TEST(class_of_a_multiple_has_blocks_of_a_multiple)
{
	for (size_t align = HAK_ALIGN_BYTES; align <= HAK_GRAIN_BYTES; align *= 2)
		for (size_t bytes = align; bytes <= HAK_SMALL_MAX_BYTES; bytes += align)
			require(hak_size_class[hak_class_of(bytes)].block_bytes % align == 0);
}
END_TEST

START_TEST(classes_waste_no_more_than_promised)
{
	for (unsigned c = 2; c <= HAK_CLASS_SMALL_COUNT; c++) {
		size_t block = hak_size_class[c].block_bytes, below = hak_size_class[c - 1].block_bytes;

		ck_assert_uint_eq(block % HAK_ALIGN_BYTES, 0);
		if (block > 128 && block <= 8192)
			ck_assert_uint_le((block - below) * 8, below);
		if (block > 8192)
			ck_assert_uint_le((block - below) * 4, below);
	}
	ck_assert_uint_eq(hak_size_class[HAK_CLASS_SMALL_COUNT].block_bytes, HAK_SMALL_MAX_BYTES);
}
END_TEST

START_TEST(slabs_waste_at_most_a_sixteenth_and_hold_a_block)
{
	for (unsigned c = 1; c <= HAK_CLASS_SMALL_COUNT; c++) {
		const struct hak_size_class *class = &hak_size_class[c];
		const unsigned grains[] = {class->first_grains, class->grown_grains};

		for (unsigned i = 0; i < 2; i++) {
			size_t slab = (size_t)grains[i] * HAK_GRAIN_BYTES;

			ck_assert_uint_ge(slab, class->block_bytes);
			ck_assert_uint_le(slab % class->block_bytes * 16, slab);
		}
		ck_assert_uint_le(class->first_grains, class->grown_grains);
		ck_assert_uint_le((size_t) class->grown_grains * HAK_GRAIN_BYTES, 1 << 17);
	}
}
END_TEST

/* The product's upper half is the quotient; its lower half is below the reciprocal where nothing remains. */
START_TEST(reciprocal_divides_every_offset_of_a_slab_exactly)
{
	for (unsigned c = 1; c <= HAK_CLASS_SMALL_COUNT; c++) {
		const struct hak_size_class *class = &hak_size_class[c];
		uint64_t end = (uint64_t) class->grown_grains * HAK_GRAIN_BYTES;

		for (uint64_t offset = 0; offset < end; offset++) {
			uint64_t product = offset * class->reciprocal;

			if (product >> 32 != offset / class->block_bytes ||
			    ((uint32_t)product < class->reciprocal) != (offset % class->block_bytes == 0))
				ck_abort_msg("class %u, offset %llu", c, (unsigned long long)offset);
		}
	}
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("sizeclass");

	tcase_add_test(tcase, class_of_any_size_is_the_smallest_that_holds_it);
	tcase_add_test(tcase, class_of_a_multiple_has_blocks_of_a_multiple);
	tcase_add_test(tcase, classes_waste_no_more_than_promised);
	tcase_add_test(tcase, slabs_waste_at_most_a_sixteenth_and_hold_a_block);
	tcase_add_test(tcase, reciprocal_divides_every_offset_of_a_slab_exactly);
	return run_suite("sizeclass", tcase);
}
