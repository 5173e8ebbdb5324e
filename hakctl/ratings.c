/* SPDX-License-Identifier: MIT */
/* hakctl ratings [CONTEXT]: what was learned. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "document.h"
#include "learned.h"
#include "table.h"
#include "target.h"

/* Its Elo is what all begin with, and says nothing. */
static bool is_unplayed(const cJSON *strategy)
{
	return hak_document_number(strategy, "games") == 0 &&
	       hak_document_number(strategy, "prior_games") == 0 &&
	       strcmp(hak_document_text(strategy, "verdict"), "not played") == 0;
}

/* How much of the ratings was found elsewhere, where. */
static void print_prior(const char *source)
{
	static const char *const where[][2] = {{"program", "other contexts of this program"},
					       {"imported", "this program on other hosts"},
					       {"all", "the user's other programs"}};

	for (size_t i = 0; i < sizeof(where) / sizeof(*where); i++)
		if (strcmp(source, where[i][0]) == 0)
			printf("prior: of %s; it weighs as the games in PRIOR, and decides nothing\n",
			       where[i][1]);
}

static void print_strategies(const cJSON *strategies, bool all)
{
	static const char *const heading[] = {"STRATEGY", "ELO",   "+-",      "GAIN %", "+-",
					      "GAMES",    "PRIOR", "VERDICT", NULL};
	const cJSON *strategy;
	struct hak_table table;

	hak_table_init(&table, "lrrrrrrl");
	hak_table_add_words(&table, heading);
	cJSON_ArrayForEach(strategy, strategies)
	{
		if (!all && is_unplayed(strategy))
			continue;
		hak_table_add(&table, hak_document_text(strategy, "name"));
		if (is_unplayed(strategy)) {
			static const char *const nothing[] = {"-", "-", "-", "-", "0", "0", NULL};

			hak_table_add_words(&table, nothing);
			hak_table_add(&table, hak_document_text(strategy, "verdict"));
			continue;
		}
		hak_table_addf(&table, "%.0f", hak_document_number(strategy, "elo"));
		hak_table_addf(&table, "%.0f", hak_document_number(strategy, "stderr"));
		hak_table_addf(&table, "%.1f", hak_document_number(strategy, "gain_percent"));
		hak_table_addf(&table, "%.1f", hak_document_number(strategy, "gain_error_percent"));
		hak_table_addf(&table, "%.0f", hak_document_number(strategy, "games"));
		hak_table_addf(&table, "%.0f", hak_document_number(strategy, "prior_games"));
		hak_table_add(&table, hak_document_text(strategy, "verdict"));
	}
	hak_table_print(&table);
	hak_table_deinit(&table);
}

void hak_learned_print(const cJSON *learned, bool all)
{
	time_t since = (time_t)(hak_document_number(learned, "since_usec") / 1e6);
	char when[32] = "";
	struct tm broken;

	if (since && localtime_r(&since, &broken))
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &broken); /* fits */
	printf("%s  %s, unit %s\n", hak_document_text(learned, "context"),
	       hak_document_text(learned, "program"), hak_document_text(learned, "unit"));
	printf("%s%s%s%s: strategy %s", hak_document_text(learned, "phase"),
	       hak_document_is(learned, "held") ? " by hand" : "", *when ? " since " : "", when,
	       hak_document_text(learned, "strategy"));
	if (hak_document_number(learned, "games"))
		printf(", epoch %.0f, nearest rival %s", hak_document_number(learned, "epoch"),
		       hak_document_text(learned, "rival"));
	putchar('\n');
	printf("why: %s\n", hak_document_text(learned, "why"));
	print_prior(hak_document_text(learned, "prior"));
	print_strategies(cJSON_GetObjectItemCaseSensitive(learned, "strategies"), all);
}

int hak_verb_ratings(struct hak_ctl *ctl)
{
	char target[HAK_TARGET_CHARS];
	const cJSON *learned;
	bool first = true;
	cJSON *root;
	int code;

	if (ctl->argc)
		hak_target_write_context(ctl->argv[0], target);
	code = hak_document_get(ctl, "DumpRatings", ctl->argc ? target : NULL, false, &root);
	if (code || !root)
		return code;
	cJSON_ArrayForEach(learned, cJSON_GetObjectItemCaseSensitive(root, "contexts"))
	{
		if (!first)
			putchar('\n');
		first = false;
		hak_learned_print(learned, false);
	}
	if (first)
		puts("nothing was learned yet; processes learn in mode learning");
	cJSON_Delete(root);
	return HAK_EXIT_OK;
}
