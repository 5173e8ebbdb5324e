/* SPDX-License-Identifier: MIT */
/* Validation of any two successive contents of a telemetry file: the input is the one, then the other. */
#include "telemetry.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void header_set(struct hak_telemetry_file *file)
{
	file->magic = HAK_TELEMETRY_MAGIC;
	file->header_bytes = HAK_TELEMETRY_HEADER_BYTES;
	file->slots = HAK_TELEMETRY_SLOTS;
	file->slot_bytes = HAK_TELEMETRY_SLOT_BYTES;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hak_telemetry_file first, second;
	size_t slots = offsetof(struct hak_telemetry_file, slot);
	size_t half = size / 2 < sizeof(first) - slots ? size / 2 : sizeof(first) - slots;

	/* the header is not worth the fuzzer's time; its refusal is a test elsewhere */
	memset(&first, 0, sizeof(first));
	memset(&second, 0, sizeof(second));
	header_set(&first);
	header_set(&second);
	memcpy(first.slot, data, half);
	memcpy(second.slot, data + half, half);
	if (hak_telemetry_validate(&first, sizeof(first), NULL) < 0)
		return 0;
	if (hak_telemetry_validate(&second, sizeof(second), &first) < 0)
		return 0;
	for (unsigned i = 0; i < HAK_TELEMETRY_SLOTS; i++) {
		if (second.slot[i].state >= HAK_SLOT_STATE_COUNT ||
		    (second.slot[i].pinned & ~HAK_PIN_ALL) != 0)
			abort();
		for (unsigned k = 0; k < HAK_TELEMETRY_LOG_LINES; k++)
			if (!memchr(second.slot[i].log[k].text, 0, HAK_TELEMETRY_LOG_CHARS))
				abort();
	}
	/* accepted is accepted: a second look changes nothing */
	memcpy(&first, &second, sizeof(first));
	if (hak_telemetry_validate(&second, sizeof(second), &first) < 0 ||
	    memcmp(&first, &second, sizeof(first)))
		abort();
	return 0;
}
