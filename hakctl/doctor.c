/* SPDX-License-Identifier: MIT */
/*
 * hakctl doctor: what the kernel, a missing helper or the kill switch keeps hakmem from doing, and what that
 * means. Exits HAK_EXIT_NO where something is amiss.
 */
#include <stdio.h>
#include <string.h>

#include "document.h"
#include "table.h"

/* What is lost without it. */
static const struct {
	const char *name, *without;
} features[] = {
	{"pidfd", "the ends of processes are noticed late; needs Linux 5.3"},
	{"process-madvise", "nothing can be taken out of sleeping processes; needs Linux 5.10"},
	{"madvise-free",
	 "nothing is freed lazily: memory goes back at once, and costs faults when it returns"},
	{"madvise-populate-write", "growing heaps fault page by page; needs Linux 5.14"},
	{"madvise-collapse", "huge pages come by khugepaged alone; needs Linux 6.1"},
	{"psi", "short memory is noticed by cgroup limits alone; boot with psi=1"},
	{"transparent-huge-pages", "no huge pages: large heaps cost more faults and more TLB misses"},
};

static bool report(struct hak_table *table, const char *what, bool good, const char *otherwise)
{
	hak_table_add(table, good ? "ok" : "MISSING");
	hak_table_add(table, what);
	hak_table_add(table, good ? "" : otherwise);
	return good;
}

static bool report_reclaim(struct hak_table *table, const cJSON *reclaim)
{
	bool good = report(table, "hakmem-helper",
			   cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(reclaim, "helper")),
			   "not running: memory of a sleeping process stays until it wakes; systemctl start "
			   "hakmem-helper");
	const char *error = hak_document_text(reclaim, "last_error");

	if (strcmp(error, "-") != 0)
		good &= report(table, "capabilities", false, error);
	return good;
}

int hak_verb_doctor(struct hak_ctl *ctl)
{
	const cJSON *daemon, *kernel;
	struct hak_table table;
	bool good = true;
	cJSON *root;
	int code;

	code = hak_document_get(ctl, "DumpStats", NULL, true, &root);
	if (code)
		return code;
	daemon = cJSON_GetObjectItemCaseSensitive(root, "daemon");
	kernel = cJSON_GetObjectItemCaseSensitive(daemon, "kernel");
	hak_table_init(&table, "lll");
	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++)
		good &= report(&table, features[i].name,
			       cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(kernel, features[i].name)),
			       features[i].without);
	good &= report_reclaim(&table, cJSON_GetObjectItemCaseSensitive(daemon, "reclaim"));
	good &= report(&table, "kill switch off",
		       !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(daemon, "panicked")),
		       "panicked: mode minimal for all, no purging; hakctl panic --off");
	if (!ctl->json)
		hak_table_print(&table);
	hak_table_deinit(&table);
	cJSON_Delete(root);
	return good ? HAK_EXIT_OK : HAK_EXIT_NO;
}
