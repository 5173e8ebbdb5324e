/* SPDX-License-Identifier: MIT */
/* The processes of a DumpStats document as rows of numbers. For top and metrics. */
#ifndef HAK_CTL_ROWS_H
#define HAK_CTL_ROWS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hak_row {
	/* Of the document: they live as long as it does. */
	const char *comm, *unit, *mode, *source;
	uint64_t pid; /* 0: somebody else's process */
	uint32_t strategy;
	bool pinned, up_to_date;
	bool known; /* the numbers below are there */
	double live_bytes, held_bytes, lazy_bytes, active_bytes;
	double stuck_bytes; /* of active: free, and kept from going back by blocks that live */
	double alloc_count, alloc_bytes, purges;
	double resident_bytes, faults;
};

struct hak_rows {
	struct hak_row *row; /* owned */
	size_t count;
};

/* Return: 0, -ENOMEM. */
int hak_rows_init(struct hak_rows *rows, const cJSON *document);
void hak_rows_deinit(struct hak_rows *rows);

#endif
