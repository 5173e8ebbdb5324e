/* SPDX-License-Identifier: MIT */
/*
 * hakctl crashed UNIT: called by the drop-in of hakctl enable each time the service has ended (ExecStopPost=,
 * as root), with systemd's word in $EXIT_CODE and $EXIT_STATUS on how. The third crash within an hour takes
 * the drop-in back, loudly: a service that crashes under hakmem must be rid of it before anybody wakes up,
 * whether hakmem is to blame or not. Works without hakmemd, whose fault it may be. (It runs under the preload
 * itself; where that crashes everything, enable --now has noticed and taken the drop-in back.)
 */
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "crashes.h"
#include "enable.h"

#define MESSAGE_ID "d00e3e432d9041e39bc9830a064d9dcc" /* docs/runbook.md */

enum { CRASHES_MOST = 3 };

/* Signals that a program brings upon itself; SYS: a seccomp filter that we ran into. */
static bool is_crash(void)
{
	static const char *const signals[] = {"SEGV", "ABRT", "BUS", "ILL", "FPE", "TRAP", "SYS"};
	const char *code = getenv("EXIT_CODE"), *status = getenv("EXIT_STATUS");

	if (!code || !status || (strcmp(code, "killed") != 0 && strcmp(code, "dumped") != 0))
		return false;
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		if (strcmp(status, signals[i]) == 0)
			return true;
	return false;
}

static void tell(const char *unit, int code)
{
	const char *what = code ? "hakmem could not be disabled for it"
				: "hakmem is disabled for it, from its next start on";

	/* A full journal loses the line and nothing else. */
	(void)sd_journal_send("MESSAGE=%s crashed %d times within an hour since hakctl enable: %s", unit,
			      CRASHES_MOST, what, "MESSAGE_ID=" MESSAGE_ID, "PRIORITY=%d", LOG_CRIT,
			      "HAKMEM_UNIT=%s", unit, "HAKMEM_CRASHES=%d", CRASHES_MOST, "HAKMEM_SIGNAL=%s",
			      getenv("EXIT_STATUS"), NULL);
}

int hak_verb_crashed(struct hak_ctl *ctl)
{
	const char *unit = ctl->argv[0];
	int count, code;

	if (strchr(unit, '/'))
		return hak_ctl_fail(HAK_EXIT_USAGE, "'%s' is no service", unit);
	if (!is_crash())
		return HAK_EXIT_OK;
	count = hak_crashes_count(unit);
	if (count < 0)
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot count in " HAK_CRASHES_DIR ": %s",
				    strerror(-count));
	if (count < CRASHES_MOST)
		return HAK_EXIT_OK;
	code = hak_enable_take_back(ctl, unit);
	tell(unit, code);
	if (code == HAK_EXIT_OK)
		hak_crashes_forget(unit);
	return code;
}
