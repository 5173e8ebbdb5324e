/* SPDX-License-Identifier: MIT */
/* hakctl get-mode and list-modes. */
#include <stdio.h>
#include <stdlib.h>

#include "call.h"
#include "json_text.h"
#include "table.h"

int hak_verb_get_mode(struct hak_ctl *ctl)
{
	char *mode = NULL, *source = NULL;
	int code;

	code = hak_call_property(ctl, "Mode", &mode);
	if (code == 0 && ctl->json)
		code = hak_call_property(ctl, "ModeSource", &source);
	if (code == 0 && ctl->json) /* both are words of hakmemd's own: nothing to escape */
		hak_json_text_printf(ctl->json, "{\"schema\":1,\"mode\":\"%s\",\"source\":\"%s\"}", mode,
				     source);
	else if (code == 0)
		printf("%s\n", mode);
	free(mode);
	free(source);
	return code;
}

static const char *yes(bool value)
{
	return value ? "yes" : "-";
}

static void print_json(enum hak_json_style style)
{
	struct hak_json *json = hak_json_text_open();

	hak_json_begin(json, "modes", '[');
	for (int i = 0; i < HAK_MODE_COUNT; i++) {
		struct hak_policy policy = hak_policy_of_mode((enum hak_mode)i);

		hak_json_begin(json, NULL, '{');
		hak_json_string(json, "mode", hak_mode_name((enum hak_mode)i));
		hak_json_string(json, "elo", hak_elo_name((enum hak_elo)policy.elo));
		hak_json_bool(json, "bigcache", policy.bigcache);
		hak_json_bool(json, "batch", policy.batch);
		hak_json_bool(json, "thread_bins", policy.thread_bins);
		hak_json_string(json, "free_policy",
				hak_free_policy_name((enum hak_free_policy)policy.free_policy));
		hak_json_string(json, "thp", hak_thp_name((enum hak_thp)policy.thp));
		hak_json_string(json, "evolution", hak_evolution_name((enum hak_evolution)policy.evolution));
		hak_json_string(json, "log", hak_log_name((enum hak_log)policy.log));
		hak_json_end(json, '}');
	}
	hak_json_end(json, ']');
	hak_json_text_close(json, style);
}

/* A table of this program's own: asks nobody, so it works without hakmemd. */
int hak_verb_list_modes(struct hak_ctl *ctl)
{
	static const char *const heading[] = {"MODE", "ELO", "BIGCACHE",  "BATCH", "BINS",
					      "FREE", "THP", "EVOLUTION", "LOG",   NULL};
	struct hak_table table;

	if (ctl->json) {
		print_json(ctl->json);
		return HAK_EXIT_OK;
	}
	hak_table_init(&table, "lllllllll");
	hak_table_add_words(&table, heading);
	for (int i = 0; i < HAK_MODE_COUNT; i++) {
		struct hak_policy policy = hak_policy_of_mode((enum hak_mode)i);

		hak_table_add(&table, hak_mode_name((enum hak_mode)i));
		hak_table_add(&table, hak_elo_name((enum hak_elo)policy.elo));
		hak_table_add(&table, yes(policy.bigcache));
		hak_table_add(&table, yes(policy.batch));
		hak_table_add(&table, yes(policy.thread_bins));
		hak_table_add(&table, hak_free_policy_name((enum hak_free_policy)policy.free_policy));
		hak_table_add(&table, hak_thp_name((enum hak_thp)policy.thp));
		hak_table_add(&table, hak_evolution_name((enum hak_evolution)policy.evolution));
		hak_table_add(&table, hak_log_name((enum hak_log)policy.log));
	}
	hak_table_print(&table);
	hak_table_deinit(&table);
	return HAK_EXIT_OK;
}
