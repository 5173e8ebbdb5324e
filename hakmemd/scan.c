/* SPDX-License-Identifier: MIT */
/* See scan.h. */
#include "scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <syslog.h>

#include "file_replace.h"
#include "log.h"

enum {
	APPEARED = IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO,
	VANISHED = IN_DELETE | IN_MOVED_FROM,
	DIRECTORY_GONE = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED,
};

static int scan_all(struct hak_scan *scan)
{
	DIR *directory = hak_directory_list(scan->registry->home.clients_fd);
	const struct dirent *entry;

	if (!directory)
		return -errno;
	while ((entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			hak_registry_saw(scan->registry, entry->d_name, HAK_SIGHT_THERE);
	}
	closedir(directory);
	return 0;
}

static int on_inotify(sd_event_source *source, const struct inotify_event *event, void *data)
{
	struct hak_scan *scan = data;

	if (event->mask & IN_Q_OVERFLOW) {
		int r = scan_all(scan);

		if (hak_registry_may_log(scan->registry))
			hak_log(LOG_NOTICE, "too many events in %s at once; scanned it: %s",
				scan->clients_dir, r < 0 ? strerror(-r) : "done");
		return 0;
	}
	if (event->mask & DIRECTORY_GONE) {
		/* Its new self has another inode: who starts from now on is not seen. Only a restart mends
		 * that. */
		hak_log(LOG_ERR, "%s was taken away; ending, so that a restart makes it anew",
			scan->clients_dir);
		return sd_event_exit(sd_event_source_get_event(source), EXIT_FAILURE);
	}
	if (!event->len)
		return 0;
	if (event->mask & APPEARED)
		hak_registry_saw(scan->registry, event->name,
				 event->mask & IN_CREATE        ? HAK_SIGHT_CREATED
				 : event->mask & IN_CLOSE_WRITE ? HAK_SIGHT_LET_GO
								: HAK_SIGHT_THERE);
	else if (event->mask & VANISHED)
		hak_registry_lost(scan->registry, event->name);
	return 0;
}

int hak_scan_init(struct hak_scan *scan, struct hak_registry *registry, const char *clients_dir)
{
	int r;

	*scan = (struct hak_scan){.registry = registry, .clients_dir = clients_dir};
	r = sd_event_add_inotify(registry->event, &scan->source, clients_dir,
				 APPEARED | VANISHED | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR, on_inotify,
				 scan);
	if (r >= 0)
		r = scan_all(scan);
	if (r < 0)
		hak_scan_deinit(scan);
	return r < 0 ? r : 0;
}

void hak_scan_deinit(struct hak_scan *scan)
{
	sd_event_source_disable_unref(scan->source);
	*scan = (struct hak_scan){.registry = NULL};
}
