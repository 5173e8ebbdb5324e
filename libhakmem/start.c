/* SPDX-License-Identifier: MIT */
#include "start.h"

#include <sys/auxv.h>
#include <sys/types.h>
#include <unistd.h>

#include "policy.h"
#include "strategy.h"
#include "trial.h"

enum { PATH_CHARS = 256 };

/* Base name of our executable in @path. Return: NULL: there is no /proc, or the name was cut. */
static const char *find_program(char path[PATH_CHARS])
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_CHARS - 1);
	const char *program = path;

	if (length <= 0 || length == PATH_CHARS - 1)
		return NULL;
	path[length] = '\0';
	for (const char *c = path; *c; c++)
		if (*c == '/')
			program = c + 1;
	return program;
}

void hak_start_find(const struct hak_control_header *control, const struct hak_key *key,
		    struct hak_start *ret_start)
{
	char path[PATH_CHARS];
	struct hak_context_payload payload;
	struct hak_key start_key;
	const char *program;
	int strategy, challenger;

	/* relaxed: one that comes just now is for the next process */
	if (!atomic_load_explicit(&control->starts, memory_order_relaxed))
		return;
	program = find_program(path);
	if (!program)
		return;
	hak_start_key((uint32_t)getauxval(AT_EUID), program, &start_key);
	if (hak_control_find_context(control, &start_key, &payload) < 0)
		return;
	strategy = hak_strategy_find(payload.strategy_key);
	challenger = hak_strategy_find(payload.trial_key);
	if (strategy < 0)
		return; /* a later daemon's */
	*ret_start = (struct hak_start){
		.is_known = payload.evolution != HAK_EVO_LEARN,
		.strategy = (uint8_t)strategy,
		.is_tried = challenger >= 0 && key,
		.tried = (uint8_t)(challenger >= 0 && key && hak_trial_coin(key->word[1]) ? challenger
											  : strategy),
	};
}
