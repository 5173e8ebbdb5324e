/* SPDX-License-Identifier: MIT */
/* hakctl run COMMAND...: works without hakmemd; the processes run on the built-in policy then. */
#include "environment.h"

int hak_verb_run(struct hak_ctl *ctl)
{
	int code = hak_environment_set(ctl);

	return code ? code : hak_environment_exec(ctl->argv);
}
