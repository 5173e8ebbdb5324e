/* SPDX-License-Identifier: MIT */
/*
 * Names in clients/: one scan at the start, then inotify; a scan again where inotify lost events or the
 * directory was made anew. One thread.
 */
#ifndef HAK_SCAN_H
#define HAK_SCAN_H

#include "registry.h"

struct hak_scan {
	struct hak_registry *registry; /* borrowed */
	const char *clients_dir;       /* borrowed */
	sd_event_source *source;
};

/* Watch, then scan: nothing falls between. Return: 0, or why not. */
int hak_scan_init(struct hak_scan *scan, struct hak_registry *registry, const char *clients_dir);
void hak_scan_deinit(struct hak_scan *scan);

#endif
