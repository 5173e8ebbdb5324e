/* SPDX-License-Identifier: MIT */
/* The table of verbs. A new one comes with its line in docs/man/hakctl.1 (a test compares them). */
#include <string.h>

#include "ctl.h"
#include "words.h"

enum { VERBS_MAX = 64 };

const struct hak_verb hak_verbs[] = {
	{"status", "", "what is in force and for whom", 0, 0, HAK_OPT_JSON, false, hak_verb_status},
	{"set-mode", "MODE|default [PID|UNIT|CONTEXT]",
	 "change the mode of all processes, or of some; 'default' takes it back", 1, 2,
	 HAK_OPT_JSON | HAK_OPT_WAIT | HAK_OPT_REASON, false, hak_verb_set_mode},
	{"get-mode", "", "print the mode alone", 0, 0, HAK_OPT_JSON, false, hak_verb_get_mode},
	{"list-modes", "", "the modes and what each of them does", 0, 0, HAK_OPT_JSON, false,
	 hak_verb_list_modes},
	{"stats", "[PID]", "counters and memory, of all processes or of one", 0, 1, HAK_OPT_JSON, false,
	 hak_verb_stats},
	{"top", "", "processes by memory, live; keys purge them and set modes", 0, 0, HAK_OPT_INTERVAL, false,
	 hak_verb_top},
	{"verify", "[PID]", "do live processes run what is published? exits with 4 where one does not", 0, 1,
	 HAK_OPT_JSON, false, hak_verb_verify},
	{"ratings", "[CONTEXT]", "what was learned: each strategy's rating, games and verdict", 0, 1,
	 HAK_OPT_JSON, false, hak_verb_ratings},
	{"explain", "PID|CONTEXT", "what runs, why, on which evidence, and what would change it", 1, 1,
	 HAK_OPT_JSON, false, hak_verb_explain},
	{"freeze", "CONTEXT", "keep a context's strategy until thawed", 1, 1, HAK_OPT_JSON | HAK_OPT_REASON,
	 false, hak_verb_freeze},
	{"thaw", "CONTEXT", "have a context learn anew", 1, 1, HAK_OPT_JSON | HAK_OPT_REASON, false,
	 hak_verb_thaw},
	{"rollback", "CONTEXT", "take the strategy of a context that was in force before", 1, 1,
	 HAK_OPT_JSON | HAK_OPT_REASON, false, hak_verb_rollback},
	{"export", "FILE", "write all tallies; - is stdout", 1, 1, 0, false, hak_verb_export},
	{"import", "FILE", "merge tallies of other hosts; what is known already does not double", 1, 1,
	 HAK_OPT_JSON | HAK_OPT_PRIORS, false, hak_verb_import},
	{"monitor", "[TOPIC...]", "tell what happens as it happens", 0, -1, HAK_OPT_JSON, false,
	 hak_verb_monitor},
	{"metrics", "", "OpenMetrics for each unit; --output writes a file at once", 0, 0,
	 HAK_OPT_FORMAT | HAK_OPT_OUTPUT, false, hak_verb_metrics},
	{"hold", "MODE [COMMAND...]", "hold a mode while COMMAND runs, or until interrupted", 1, -1,
	 HAK_OPT_REASON, true, hak_verb_hold},
	{"panic", "", "kill switch: minimal for all, kept over restarts; --off takes it back", 0, 0,
	 HAK_OPT_JSON | HAK_OPT_OFF | HAK_OPT_REASON, false, hak_verb_panic},
	{"purge", "PID|UNIT|CONTEXT|--all", "have processes give back the memory that their caches hold", 0,
	 1, HAK_OPT_JSON | HAK_OPT_WAIT | HAK_OPT_REASON | HAK_OPT_ALL, false, hak_verb_purge},
	{"doctor", "[PID]",
	 "what is amiss on this machine or with a process, and how to mend it; exits with 4 where something "
	 "is",
	 0, 1, HAK_OPT_JSON, false, hak_verb_doctor},
	{"enable", "UNIT", "preload libhakmem into a service from its next start on; --now restarts it", 1, 1,
	 HAK_OPT_JSON | HAK_OPT_NOW | HAK_OPT_CHECK, false, hak_verb_enable},
	{"disable", "UNIT|--all", "preload it no more from its next start on; --now restarts it", 0, 1,
	 HAK_OPT_JSON | HAK_OPT_NOW | HAK_OPT_CHECK | HAK_OPT_ALL, false, hak_verb_disable},
	{"crashed", "UNIT", "called by enable's drop-in: the third crash within an hour disables", 1, 1, 0,
	 false, hak_verb_crashed},
	{"run", "COMMAND...", "run a command under libhakmem", 1, -1, 0, true, hak_verb_run},
	{"launch", "COMMAND...", "run a command in a transient service, or with --scope in the foreground", 1,
	 -1, HAK_OPT_JSON | HAK_OPT_UNIT | HAK_OPT_SCOPE, true, hak_verb_launch},
	{"help", "[VERB]", "this text", 0, 1, HAK_OPT_JSON, false, hak_verb_help},
	{"version", "", "print the version", 0, 0, HAK_OPT_JSON, false, hak_verb_version},
	{NULL, NULL, NULL, 0, 0, 0, false, NULL},
};

int hak_verb_find(const char *word, const struct hak_verb **ret_verb)
{
	const char *names[VERBS_MAX];
	size_t count = 0;

	for (const struct hak_verb *verb = hak_verbs; verb->name; verb++) {
		if (strcmp(verb->name, word) == 0) {
			*ret_verb = verb;
			return 0;
		}
		names[count++] = verb->name;
	}
	return hak_words_unknown("verb", word, "", names, count);
}
