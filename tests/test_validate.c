/* SPDX-License-Identifier: MIT */
/* What the daemon's validation of telemetry refuses, clamps and empties. */
#include "telemetry.h"

#include "policy.h"
#include "shm_fixture.h"
#include "suite.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { FUZZ_ROUNDS = 100000 };

static struct hak_telemetry_file *file;
static struct hak_telemetry_file copy, before;

static void setup(void)
{
	struct hak_key key;

	shm_dir_make();
	ck_assert_int_eq(hak_telemetry_create(shm_dir, NULL, 1, &file, &key), 0);
}

static void teardown(void)
{
	(void)munmap(file, sizeof(*file));
	shm_dir_remove();
}

static int validate_copy(const struct hak_telemetry_file *previous)
{
	return hak_telemetry_validate(&copy, sizeof(copy), previous);
}

START_TEST(short_or_foreign_file_is_eproto)
{
	memcpy(&copy, file, sizeof(copy));
	ck_assert_int_eq(hak_telemetry_validate(&copy, sizeof(copy) - 1, NULL), -EPROTO);
	ck_assert_int_eq(hak_telemetry_validate(&copy, 0, NULL), -EPROTO);
	ck_assert_int_eq(validate_copy(NULL), 0);
	copy.magic = HAK_CONTROL_MAGIC;
	ck_assert_int_eq(validate_copy(NULL), -EPROTO);
	copy.magic = HAK_TELEMETRY_MAGIC;
	copy.slots++;
	ck_assert_int_eq(validate_copy(NULL), -EPROTO);
	copy.slots--;
	copy.slot_bytes = 4096;
	ck_assert_int_eq(validate_copy(NULL), -EPROTO);
	copy.slot_bytes = HAK_TELEMETRY_SLOT_BYTES;
	copy.header_bytes = 0;
	ck_assert_int_eq(validate_copy(NULL), -EPROTO);
	memset(&copy, 0, sizeof(copy));
	ck_assert_int_eq(validate_copy(NULL), -EPROTO);
}
END_TEST

START_TEST(tally_that_falls_or_changes_its_strategies_is_erange)
{
	memcpy(&copy, file, sizeof(copy));
	copy.tally[3].key[0] = 5;
	copy.tally[3].outcome[4] = 9;
	ck_assert_int_eq(validate_copy(NULL), 0);
	ck_assert_uint_eq(copy.tally[3].outcome[4], 0); /* it was being claimed: emptied */
	copy.tally[3].key[0] = 5;
	copy.tally[3].key[1] = 6;
	copy.tally[3].outcome[4] = 9;
	copy.tally[3].sum_plus = 100;
	ck_assert_int_eq(validate_copy(NULL), 0);
	memcpy(&before, &copy, sizeof(before));
	copy.tally[3].outcome[4] = 8;
	ck_assert_int_eq(validate_copy(&before), -ERANGE);
	copy.tally[3].outcome[4] = 10;
	ck_assert_int_eq(validate_copy(&before), 0);
	copy.tally[3].sum_plus = 99;
	ck_assert_int_eq(validate_copy(&before), -ERANGE);
	copy.tally[3].sum_plus = HAK_TELEMETRY_COUNTER_MAX + 1;
	ck_assert_int_eq(validate_copy(NULL), -ERANGE);
	copy.tally[3].sum_plus = 100;
	copy.tally[3].key[1] = 7;
	ck_assert_int_eq(validate_copy(&before), -ERANGE);
}
END_TEST

START_TEST(falling_or_absurd_counts_are_erange)
{
	memcpy(&copy, file, sizeof(copy));
	copy.slot[0].counter[HAK_COUNTER_alloc_count] = 10;
	copy.slot[0].log_written = 3;
	copy.forks_untracked = 5;
	ck_assert_int_eq(validate_copy(NULL), 0);
	memcpy(&before, &copy, sizeof(before));
	copy.slot[0].counter[HAK_COUNTER_alloc_count] = 9;
	ck_assert_int_eq(validate_copy(&before), -ERANGE);
	ck_assert_int_eq(validate_copy(NULL), 0);
	copy.slot[0].counter[HAK_COUNTER_alloc_count] = 11;
	ck_assert_int_eq(validate_copy(&before), 0);
	copy.slot[0].log_written = 2;
	ck_assert_int_eq(validate_copy(&before), -ERANGE);
	copy.slot[0].log_written = 3;
	copy.forks_untracked = 4;
	ck_assert_int_eq(validate_copy(&before), -ERANGE);
	copy.forks_untracked = 5;
	copy.slot[0].state = HAK_SLOT_EMPTY;
	ck_assert_int_eq(validate_copy(&before), -ERANGE);
	memcpy(&copy, &before, sizeof(copy));
	copy.slot[0].claims = copy.slot[0].filled_claims = 2;
	copy.slot[0].counter[HAK_COUNTER_alloc_count] = 0;
	copy.slot[0].log_written = 0;
	ck_assert_int_eq(validate_copy(&before), 0); /* another claim begins at zero */
	copy.slot[0].counter[HAK_COUNTER_free_count] = HAK_TELEMETRY_FREED_SLACK;
	ck_assert_int_eq(validate_copy(NULL), 0);
	copy.slot[0].counter[HAK_COUNTER_free_count]++;
	ck_assert_int_eq(validate_copy(NULL), -ERANGE);
	copy.slot[0].counter[HAK_COUNTER_free_count] = 0;
	copy.slot[0].gauge[HAK_GAUGE_live_bytes] = HAK_TELEMETRY_ADDRESS_MAX + 1;
	ck_assert_int_eq(validate_copy(NULL), -ERANGE);
	copy.slot[0].gauge[HAK_GAUGE_live_bytes] = INT64_MAX;
	ck_assert_int_eq(validate_copy(NULL), -ERANGE);
	copy.slot[0].gauge[HAK_GAUGE_live_bytes] = HAK_TELEMETRY_ADDRESS_MAX;
	ck_assert_int_eq(validate_copy(NULL), 0);
	copy.slot[0].counter[HAK_TELEMETRY_COUNTERS - 1] = UINT64_MAX;
	ck_assert_int_eq(validate_copy(NULL), -ERANGE);
}
END_TEST

static uint64_t range_of(uint64_t page, uint64_t pages)
{
	return page << 24 | pages;
}

START_TEST(odd_content_is_clamped)
{
	struct hak_telemetry_slot *slot = &copy.slot[0];
	struct hak_policy policy = hak_policy_of_mode(HAK_MODE_FAST);
	uint64_t word = hak_policy_pack(&policy, 1);

	memcpy(&copy, file, sizeof(copy));
	slot->policy_word = word;
	slot->pinned = UINT32_MAX;
	slot->page_bytes = 4096;
	slot->range[0] = range_of(0x7f0000000, 16);
	slot->range[1] = range_of(0, 16);
	slot->range[2] = range_of(0x7f0000000, 0);
	slot->range[3] = range_of((UINT64_C(1) << 40) - 1, 1);
	memcpy(slot->log[0].text, "a\nb\033[0m\xff", 9);
	memset(slot->log[1].text, 'x', sizeof(slot->log[1].text));
	slot->log[1].time_usec = UINT64_MAX;
	memset(&slot->fatal, 'y', sizeof(slot->fatal));
	slot->gauge[HAK_GAUGE_free_bytes] = -(uint64_t)4096;
	copy.slot[1].claims = 4;
	copy.slot[1].state = HAK_SLOT_LIVE;
	copy.slot[1].pid = 99;
	ck_assert_int_eq(validate_copy(NULL), 0);
	ck_assert_uint_eq(slot->policy_word, word);
	ck_assert_uint_eq(slot->pinned, HAK_PIN_ALL);
	ck_assert_uint_eq(slot->range[0], range_of(0x7f0000000, 16));
	ck_assert_uint_eq(slot->range[1], 0);
	ck_assert_uint_eq(slot->range[2], 0);
	ck_assert_uint_ne(slot->range[3], 0); /* 2^52, the end of what 4 KiB pages can name */
	ck_assert_str_eq(slot->log[0].text, "a?b?[0m?");
	ck_assert_uint_eq(strlen(slot->log[1].text), HAK_TELEMETRY_LOG_CHARS - 1);
	ck_assert_uint_eq(slot->log[1].time_usec, 0);
	ck_assert_uint_eq(slot->fatal.written, 0); /* neither 0 nor 1 was written there */
	ck_assert_uint_eq(slot->fatal.address, 0);
	ck_assert_uint_eq(slot->gauge[HAK_GAUGE_free_bytes], 0);
	ck_assert_uint_eq(copy.slot[1].state, HAK_SLOT_EMPTY); /* claimed, not filled */
	ck_assert_uint_eq(copy.slot[1].pid, 0);
	ck_assert_uint_eq(copy.slot[1].claims, 4);
	slot->ranges_sequence = 1;
	slot->policy_word = 1;
	ck_assert_int_eq(validate_copy(NULL), 0);
	ck_assert_uint_eq(slot->range[0], 0);
	ck_assert_uint_eq(slot->policy_word, 0);
	slot->state = 7;
	ck_assert_int_eq(validate_copy(NULL), 0);
	ck_assert_uint_eq(slot->state, HAK_SLOT_EMPTY);
}
END_TEST

static bool ranges_safe(const struct hak_telemetry_slot *slot)
{
	for (unsigned k = 0; k < HAK_TELEMETRY_RANGES; k++) {
		uint64_t end = (slot->range[k] >> 24) + (slot->range[k] & 0xffffff);

		if (slot->range[k] != 0 && end * slot->page_bytes > HAK_TELEMETRY_ADDRESS_MAX)
			return false;
	}
	return true;
}

/* What the daemon relies on after an acceptance. One answer: an assertion for each field takes minutes. */
static bool slot_safe(const struct hak_telemetry_slot *slot)
{
	struct hak_policy policy;

	for (unsigned k = 0; k < HAK_TELEMETRY_LOG_LINES; k++)
		if (!memchr(slot->log[k].text, 0, sizeof(slot->log[k].text)))
			return false;
	for (unsigned k = 0; k < HAK_TELEMETRY_COUNTERS; k++)
		if (slot->counter[k] > HAK_TELEMETRY_COUNTER_MAX)
			return false;
	return slot->state < HAK_SLOT_STATE_COUNT && (slot->pinned & ~HAK_PIN_ALL) == 0 &&
	       (slot->policy_word == 0 || hak_policy_unpack(slot->policy_word, &policy, NULL) == 0) &&
	       slot->fatal.written <= 1 && memchr(slot->fatal.text, 0, sizeof(slot->fatal.text)) &&
	       ranges_safe(slot);
}

START_TEST(hostile_content_is_refused_or_made_safe)
{
	uint64_t state = 42;
	unsigned accepted = 0, refused = 0;

	memcpy(&before, file, sizeof(before));
	memcpy(&copy, file, sizeof(copy));
	for (unsigned round = 0; round < FUZZ_ROUNDS; round++) {
		unsigned changes = 1 + (unsigned)(next_random(&state) % 8);

		if (round % 16 == 0) /* else the changes heap up on what was accepted */
			memcpy(&copy, &before, sizeof(copy));
		while (changes-- > 0) {
			uint64_t value = next_random(&state) >> (next_random(&state) % 64);
			size_t at = next_random(&state) % (sizeof(copy) / 8);

			if (next_random(&state) % 4 == 0) /* the slots' first lines decide most */
				at = (1 + next_random(&state) % 7) * 256 + next_random(&state) % 16;
			memcpy((uint8_t *)&copy + at * 8, &value, sizeof(value));
		}
		if (validate_copy(round % 3 ? &before : NULL) < 0) {
			refused++;
			continue;
		}
		accepted++;
		for (unsigned i = 0; i < HAK_TELEMETRY_SLOTS; i++)
			if (!slot_safe(&copy.slot[i]))
				ck_abort_msg("round %u: slot %u is not safe", round, i);
	}
	ck_assert_uint_gt(accepted, FUZZ_ROUNDS / 20);
	ck_assert_uint_gt(refused, FUZZ_ROUNDS / 20);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("validate");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, short_or_foreign_file_is_eproto);
	tcase_add_test(tcase, falling_or_absurd_counts_are_erange);
	tcase_add_test(tcase, tally_that_falls_or_changes_its_strategies_is_erange);
	tcase_add_test(tcase, odd_content_is_clamped);
	tcase_add_test(tcase, hostile_content_is_refused_or_made_safe);
	return run_suite("validate", tcase);
}
