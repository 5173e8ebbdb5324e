/* SPDX-License-Identifier: MIT */
/*
 * Searches in a segment of any content. The geometry's CRC is put right, and often the geometry, or no input
 * would ever get past it; the segment lies in a heap block of its exact
 * size, so that AddressSanitizer sees each look beyond it.
 */
#include "control_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hak_control_header *header;
	struct hak_process_payload process;
	struct hak_context_payload context;
	struct hak_key key = {{1, 2}};
	const size_t table = 16 * HAK_ENTRY_BYTES;
	size_t lines = offsetof(struct hak_control_header, page_reserved);

	if (size < lines + sizeof(key))
		return 0;
	memcpy(&key, data, sizeof(key));
	data += sizeof(key);
	size -= sizeof(key);
	/* the tables follow the lines directly in the input */
	header = calloc(1, sizeof(*header) + 2 * table);
	if (!header)
		return 0;
	memcpy(header, data, lines);
	size = size - lines < 2 * table ? size - lines : 2 * table;
	memcpy(header + 1, data + lines, size);
	header->magic = HAK_CONTROL_MAGIC;
	header->header_bytes = sizeof(*header);
	header->total_bytes = sizeof(*header) + 2 * table;
	if (key.word[0] % 8 != 0) {
		header->state = HAK_SEGMENT_LIVE;
		header->contexts_offset_bytes = sizeof(*header);
		header->processes_offset_bytes = (uint32_t)(sizeof(*header) + table);
		header->contexts_count = header->processes_count = 16;
	}
	header->geometry_crc = hak_control_geometry_crc(header);
	if (hak_control_check(header, header->total_bytes) == 0) {
		(void)hak_control_find_process(header, &key, &process);
		(void)hak_control_find_context(header, &key, &context);
		for (uint32_t i = 0; hak_control_read_process(header, i, &process) != -ERANGE; i++)
			;
	}
	free(header);
	return 0;
}
