/* SPDX-License-Identifier: MIT */
/* What top knows between two looks: rows with rates, in order. No screen here; top_screen.c draws. */
#ifndef HAK_CTL_TOP_H
#define HAK_CTL_TOP_H

#include <cjson/cJSON.h>

#include "rows.h"

enum hak_top_order { HAK_TOP_RESIDENT, HAK_TOP_LAZY, HAK_TOP_RATE, HAK_TOP_ORDER_COUNT };

struct hak_top_seen {
	uint64_t pid;
	double alloc_bytes;
};

struct hak_top {
	cJSON *document; /* owned: rows point into it */
	struct hak_rows rows;
	double *rate;              /* owned, by row: bytes allocated in a second; -1: not known yet */
	struct hak_top_seen *seen; /* owned, by pid: of this look, for the next one */
	size_t seen_count;
	double seen_seconds; /* when */
	enum hak_top_order order;
	uint64_t selected; /* pid */
};

/* Another look: @document becomes the top's. @seconds: monotonic. Return: 0, -ENOMEM. */
int hak_top_update(struct hak_top *top, cJSON *document, double seconds);
void hak_top_sort(struct hak_top *top);
/* Where the selected process is; 0 where it is gone. */
size_t hak_top_selected(const struct hak_top *top);
void hak_top_deinit(struct hak_top *top);

#endif
