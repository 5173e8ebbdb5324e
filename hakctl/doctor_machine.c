/* SPDX-License-Identifier: MIT */
/* What doctor looks for on the machine. See doctor.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "control.h"
#include "doctor.h"
#include "document.h"
#include "environment.h"

#define DISABLED "/etc/hakmem/disabled"
#define CLIENTS  "/run/hakmem/" HAK_CLIENTS_DIR
#define THP_DIR  "/sys/kernel/mm/transparent_hugepage/"

enum { MAPS_ENOUGH = 65530 };

bool hak_doctor_read_line(const char *path, char *ret_text, size_t room)
{
	FILE *file = fopen(path, "re");
	bool good = file && fgets(ret_text, (int)room, file);

	if (file)
		fclose(file);
	if (good)
		ret_text[strcspn(ret_text, "\n")] = '\0';
	return good;
}

static void check_thp(struct hak_checks *checks)
{
	char enabled[128];

	if (!hak_doctor_read_line(THP_DIR "enabled", enabled, sizeof(enabled)))
		hak_checks_add(checks, "huge pages", HAK_CHECK_NOTE,
			       "a kernel with CONFIG_TRANSPARENT_HUGEPAGE",
			       "this kernel has none: large heaps cost more page faults");
	else if (strstr(enabled, "[never]"))
		hak_checks_add(checks, "huge pages", HAK_CHECK_NOTE,
			       "echo madvise >" THP_DIR "enabled (and transparent_hugepage=madvise at boot)",
			       "switched off for the machine: 'thp auto' and 'on' do nothing");
	else if (strstr(enabled, "[always]"))
		hak_checks_add(checks, "huge pages", HAK_CHECK_NOTE,
			       "echo madvise >" THP_DIR "enabled, if small programs' memory matters",
			       "'always': the kernel makes huge pages in all programs, asked or not");
	else
		hak_checks_add(checks, "huge pages", HAK_CHECK_OK, "", "madvise");
}

static void check_memory(struct hak_checks *checks)
{
	char text[64];

	if (hak_doctor_read_line("/proc/sys/vm/overcommit_memory", text, sizeof(text)) &&
	    strcmp(text, "2") == 0)
		hak_checks_add(checks, "overcommit", HAK_CHECK_NOTE, "",
			       "vm.overcommit_memory is 2: address space counts as memory, so free memory is "
			       "unmapped instead of kept");
	else
		hak_checks_add(checks, "overcommit", HAK_CHECK_OK, "", "%s",
			       "address space is not counted as memory");
	if (hak_doctor_read_line("/proc/sys/vm/max_map_count", text, sizeof(text)) &&
	    atol(text) < MAPS_ENOUGH)
		hak_checks_add(checks, "max_map_count", HAK_CHECK_NOTE, "sysctl vm.max_map_count=65530",
			       "%s: heaps of many GiB may run out of mappings", text);
	if (access("/proc/pressure/memory", R_OK) < 0)
		hak_checks_add(checks, "pressure", HAK_CHECK_NOTE, "boot with psi=1",
			       "short memory is noticed by cgroup limits alone");
	else
		hak_checks_add(checks, "pressure", HAK_CHECK_OK, "", "%s", "/proc/pressure/memory is there");
}

static void check_segment(struct hak_checks *checks, const char *runtime_dir)
{
	static const char *const states[HAK_SEGMENT_STATE_COUNT] = {
		"default: hakmemd was never there", "live",
		"stopped: hakmemd ended; processes keep their policy"};
	const struct hak_control_header *header;
	uint32_t state;
	int r = hak_control_map(runtime_dir, &header);

	if (r < 0) {
		hak_checks_add(
			checks, "segment", HAK_CHECK_MISSING,
			"systemctl start hakmem-prepare (or start hakmemd); then restart what runs preloaded",
			"%s/" HAK_CONTROL_FILE ": %s: processes run on the built-in policy", runtime_dir,
			r == -EPROTO ? "of another version" : strerror(-r));
		return;
	}
	state = atomic_load_explicit(&header->state, memory_order_relaxed); /* to be told, nothing else */
	hak_checks_add(checks, "segment", state == HAK_SEGMENT_LIVE ? HAK_CHECK_OK : HAK_CHECK_NOTE, "", "%s",
		       state < HAK_SEGMENT_STATE_COUNT ? states[state] : "unknown");
	hak_control_unmap(header);
}

static void check_clients(struct hak_checks *checks, const char *runtime_dir)
{
	char path[PATH_MAX];
	struct statvfs space;
	struct stat status;

	snprintf(path, sizeof(path), "%s/" HAK_CLIENTS_DIR, runtime_dir);
	if (stat(path, &status) < 0) {
		hak_checks_add(checks, "telemetry", HAK_CHECK_MISSING, "systemctl start hakmemd", "%s: %s",
			       path, strerror(errno));
		return;
	}
	if ((status.st_mode & 01777) != 01733)
		hak_checks_add(checks, "telemetry", HAK_CHECK_MISSING, "systemctl restart hakmemd",
			       "%s has mode %o, not 1733: processes cannot write there, or see too much",
			       path, status.st_mode & 07777);
	else if (statvfs(path, &space) == 0 &&
		 (space.f_bavail < space.f_blocks / 10 || space.f_favail < space.f_files / 10))
		hak_checks_add(checks, "telemetry", HAK_CHECK_MISSING,
			       "'find " CLIENTS " -printf \"%u\\n\" | sort | uniq -c' tells whose those are; "
			       "'mount -o remount,size=2G,nr_inodes=140k /run/hakmem' makes room for now, "
			       "run-hakmem.mount ('systemctl edit') for good",
			       "%s is nearly full: new processes will not be seen", path);
	else
		hak_checks_add(checks, "telemetry", HAK_CHECK_OK, "", "%s", path);
}

void hak_doctor_machine(struct hak_checks *checks, const struct hak_ctl *ctl)
{
	const char *runtime_dir = hak_environment_runtime_dir(ctl);
	char library[PATH_MAX], why[256] = "";

	hak_ctl_catch(why, sizeof(why));
	if (hak_environment_library(library, sizeof(library)))
		hak_checks_add(checks, "library", HAK_CHECK_MISSING, "install libhakmem", "%s", why);
	else
		hak_checks_add(checks, "library", HAK_CHECK_OK, "", "%s", library);
	hak_ctl_catch(NULL, 0);
	check_segment(checks, runtime_dir);
	check_clients(checks, runtime_dir);
	if (access(DISABLED, F_OK) == 0)
		hak_checks_add(checks, "not disabled", HAK_CHECK_MISSING, "rm " DISABLED,
			       DISABLED " is there: new processes pass everything on to plain policy");
	check_thp(checks);
	check_memory(checks);
}

/* ---- what hakmemd says ------------------------------------------------------------------------------- */

/* What is had with it, and what is lost without. */
static const struct {
	const char *name, *with, *without, *mend;
} features[] = {
	{"pidfd", "the ends of processes are noticed at once", "the ends of processes are noticed late",
	 "Linux 5.3 or later"},
	{"process-madvise", "memory can be taken out of sleeping processes",
	 "nothing can be taken out of sleeping processes", "Linux 5.10 or later"},
	{"madvise-free", "memory is freed lazily",
	 "nothing is freed lazily: memory goes back at once, and costs faults when it returns",
	 "Linux 4.5 or later"},
	{"madvise-populate-write", "growing heaps fault many pages at once",
	 "growing heaps fault page by page", "Linux 5.14 or later"},
	{"madvise-collapse", "huge pages can be made at once", "huge pages come by khugepaged alone",
	 "Linux 6.1 or later"},
	{"psi", "short memory is noticed early", "short memory is noticed by cgroup limits alone",
	 "boot with psi=1"},
	{"transparent-huge-pages", "this kernel can make them",
	 "no huge pages: large heaps cost more faults and more TLB misses",
	 "a kernel with CONFIG_TRANSPARENT_HUGEPAGE"},
};

static void check_reclaim(struct hak_checks *checks, const cJSON *reclaim)
{
	const char *error = hak_document_text(reclaim, "last_error");

	if (hak_document_is(reclaim, "helper"))
		hak_checks_add(checks, "hakmem-helper", HAK_CHECK_OK, "", "%s", "running");
	else if (hak_document_is(reclaim, "helper_hangs"))
		hak_checks_add(checks, "hakmem-helper", HAK_CHECK_MISSING, "systemctl restart hakmem-helper",
			       "hangs: memory of a sleeping process stays until it wakes");
	else
		hak_checks_add(checks, "hakmem-helper", HAK_CHECK_MISSING,
			       "systemctl start hakmem-helper.socket",
			       "not running: memory of a sleeping process stays until it wakes");
	if (strcmp(error, "-") != 0)
		hak_checks_add(
			checks, "capabilities", HAK_CHECK_MISSING,
			"the helper needs CAP_SYS_NICE and CAP_SYS_PTRACE: journalctl -u hakmem-helper",
			"the kernel refused the helper: %s", error);
}

static void check_collapse(struct hak_checks *checks, const cJSON *collapse)
{
	const char *error = hak_document_text(collapse, "last_error");

	if (strcmp(error, "-") != 0)
		hak_checks_add(checks, "huge pages from outside", HAK_CHECK_NOTE,
			       "journalctl -u hakmemd: of which process",
			       "refused by the kernel, so khugepaged makes them by and by: %s", error);
	else if (hak_document_is(collapse, "busy"))
		hak_checks_add(checks, "huge pages from outside", HAK_CHECK_NOTE,
			       "'busy' of [huge] in hakmemd.conf",
			       "not while so many wait for a CPU; khugepaged makes them by and by");
}

void hak_doctor_daemon(struct hak_checks *checks, const cJSON *document)
{
	const cJSON *daemon = cJSON_GetObjectItemCaseSensitive(document, "daemon");
	const cJSON *kernel = cJSON_GetObjectItemCaseSensitive(daemon, "kernel");
	const cJSON *fatal = cJSON_GetObjectItemCaseSensitive(daemon, "last_fatal");

	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++) {
		bool there = hak_document_is(kernel, features[i].name);

		hak_checks_add(checks, features[i].name, there ? HAK_CHECK_OK : HAK_CHECK_MISSING,
			       there ? "" : features[i].mend, "%s",
			       there ? features[i].with : features[i].without);
	}
	check_reclaim(checks, cJSON_GetObjectItemCaseSensitive(daemon, "reclaim"));
	check_collapse(checks, cJSON_GetObjectItemCaseSensitive(daemon, "collapse"));
	if (hak_document_is(daemon, "panicked"))
		hak_checks_add(checks, "kill switch off", HAK_CHECK_MISSING, "hakctl panic --off",
			       "panicked: mode minimal for all, no purging");
	else
		hak_checks_add(checks, "kill switch off", HAK_CHECK_OK, "", "%s", "");
	if (cJSON_IsObject(fatal))
		hak_checks_add(checks, "aborted processes", HAK_CHECK_NOTE, "journalctl -u hakmemd",
			       "process %.0f (%s): %s", hak_document_number(fatal, "pid"),
			       hak_document_text(fatal, "program"), hak_document_text(fatal, "text"));
}
