/* SPDX-License-Identifier: MIT */
#include "golden.h"

#include "policy.h"

#include <stdlib.h>
#include <string.h>

enum { ROW_BYTES = 16 };

int golden_control_fill(struct hak_control_writer *writer)
{
	struct hak_process_payload process = {
		.context = {{0x1111, 0x2222}},
		.policy_word = UINT64_C(0x0000000704801e66),
		.purge_request = 0x3333,
		.schedule = {0x4444, 0x55, 0x66, 1, 0, 0x77777777},
		.slots_freed = {10, 11, 12, 13, 14, 15, 16},
		.source = HAK_SOURCE_HOLD,
	};
	struct hak_context_payload context = {
		.key = {{0x1111, 0x2222}},
		.policy_word = UINT64_C(0x000000080581d552),
		.strategy_key = 0x8888,
		.strategy = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
		.epoch = 0x9999,
		.elo_milli = -1500001,
		.elo_stderr_milli = 0xaaaa,
		.games = 0xbbbb,
		.evidence_hash = 0xcccc,
		.evolution = HAK_EVO_CANARY,
		.source = HAK_SOURCE_RULE,
	};
	int r = hak_telemetry_key(GOLDEN_NAME, &process.key);

	writer->header->segment_id = UINT64_C(0x0123456789abcdef);
	writer->header->costs = (struct hak_machine_costs){21, 22, 23, 24, 25, {0}};
	if (r == 0)
		r = hak_control_put_context(writer, &context);
	if (r == 0)
		r = hak_control_put_process(writer, &process);
	(void)hak_control_publish_policy(writer, UINT64_C(0x000000090081d552));
	hak_control_set_state(writer, HAK_SEGMENT_LIVE);
	for (unsigned i = 0; i < 5; i++)
		hak_control_beat(writer);
	return r;
}

static void golden_slot_fill(struct hak_telemetry_slot *slot, uint32_t seed)
{
	slot->claims = slot->filled_claims = seed;
	slot->state = HAK_SLOT_LIVE;
	slot->pid = seed + 1;
	slot->parent_pid = seed + 2;
	slot->start_usec = seed + 3;
	slot->applied_serial = seed + 4;
	slot->policy_word = UINT64_C(0x000000090081d552);
	slot->pinned = HAK_PIN_MODE | HAK_PIN_LOG;
	slot->page_bytes = 16384;
	slot->publishes = seed + 6;
	slot->purges_done = seed + 7;
	slot->log_written = 2;
	slot->ranges_sequence = 8;
	for (unsigned i = 0; i < HAK_TELEMETRY_COUNTERS; i++)
		slot->counter[i] = seed + 100 + i;
	for (unsigned i = 0; i < HAK_TELEMETRY_GAUGES; i++)
		slot->gauge[i] = seed + 200 + i;
	for (unsigned i = 0; i < HAK_TELEMETRY_RANGES; i++)
		slot->range[i] = (uint64_t)(seed + 300 + i) << 24 | (i + 1);
	for (unsigned i = 0; i < 2; i++) {
		slot->log[i].time_usec = seed + 400 + i;
		(void)snprintf(slot->log[i].text, sizeof(slot->log[i].text), "line %u of %u", i, seed);
	}
	slot->fatal.time_usec = seed + 500;
	slot->fatal.address = 0xdead0000 + seed;
	slot->fatal.written = 1;
	slot->fatal.pid = seed + 1;
	(void)snprintf(slot->fatal.text, sizeof(slot->fatal.text), "last words of %u", seed);
}

void golden_telemetry_fill(struct hak_telemetry_file *file)
{
	memset(file, 0, sizeof(*file));
	file->magic = HAK_TELEMETRY_MAGIC;
	file->abi_minor = HAK_TELEMETRY_ABI_MINOR;
	file->header_bytes = HAK_TELEMETRY_HEADER_BYTES;
	file->slots = HAK_TELEMETRY_SLOTS;
	file->slot_bytes = HAK_TELEMETRY_SLOT_BYTES;
	file->library_version = 0x000100;
	file->pid = 1001;
	file->segment_id = UINT64_C(0x0123456789abcdef);
	file->forks_untracked = 3;
	golden_slot_fill(&file->slot[0], 1000);
	golden_slot_fill(&file->slot[6], 7000);
}

void golden_dump(FILE *out, const void *bytes, size_t size)
{
	static const uint8_t zeros[ROW_BYTES];
	const uint8_t *p = bytes;

	(void)fprintf(out, "size %zu\n", size);
	for (size_t at = 0; at < size; at += ROW_BYTES) {
		if (memcmp(p + at, zeros, ROW_BYTES) == 0)
			continue;
		(void)fprintf(out, "%zu ", at);
		for (size_t i = 0; i < ROW_BYTES; i++)
			(void)fprintf(out, "%02x", p[at + i]);
		(void)fprintf(out, "\n");
	}
}

size_t golden_load(const char *path, void *bytes, size_t size)
{
	FILE *in = fopen(path, "r");
	char digits[2 * ROW_BYTES + 1];
	size_t total = 0, at;

	if (!in)
		return 0;
	memset(bytes, 0, size);
	if (fscanf(in, "size %zu", &total) != 1 || total > size)
		total = 0;
	while (total != 0 && fscanf(in, "%zu %32[0-9a-f]", &at, digits) == 2) {
		if (at + ROW_BYTES > total)
			total = 0;
		for (size_t i = 0; total != 0 && i < ROW_BYTES; i++) {
			const char pair[3] = {digits[2 * i], digits[2 * i + 1], '\0'};

			((uint8_t *)bytes)[at + i] = (uint8_t)strtoul(pair, NULL, 16);
		}
	}
	(void)fclose(in);
	return total;
}
