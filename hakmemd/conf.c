/* SPDX-License-Identifier: MIT */
/* See conf.h. Which files there are, and what the whole of them says. */
#include "conf.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hak_conf_deinit(struct hak_conf *config)
{
	free(config->rules);
	*config = (struct hak_conf){.rules = NULL};
}

static int is_drop_in(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

/* By name in bytes, whatever the locale. */
static int compare_names(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*left)->d_name, (*right)->d_name);
}

/* A file, or a directory, that cannot be read at all. */
static int fault_path(const char *path, int r, struct hak_conf_fault *ret_fault)
{
	hak_conf_fault_write(ret_fault, path, 0, strerror(-r));
	return r;
}

static int parse_drop_in(const char *directory, const char *name, struct hak_conf *config,
			 struct hak_conf_fault *ret_fault)
{
	char file[HAK_CONF_PATH_CHARS + 1];

	if (snprintf(file, sizeof(file), "%s/%s", directory, name) >= (int)sizeof(file))
		return fault_path(directory, -ENAMETOOLONG, ret_fault);
	return hak_conf_parse_file(file, config, ret_fault);
}

static int parse_drop_ins(const char *path, struct hak_conf *config, struct hak_conf_fault *ret_fault)
{
	char directory[HAK_CONF_PATH_CHARS + 1];
	struct dirent **entries;
	int count, r = 0;

	if (snprintf(directory, sizeof(directory), "%s.d", path) >= (int)sizeof(directory))
		return fault_path(path, -ENAMETOOLONG, ret_fault);
	count = scandir(directory, &entries, is_drop_in, compare_names);
	if (count < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : fault_path(directory, -errno, ret_fault);
	for (int i = 0; i < count; i++) {
		if (r == 0)
			r = parse_drop_in(directory, entries[i]->d_name, config, ret_fault);
		free(entries[i]);
	}
	free(entries);
	return r;
}

/* What only the whole tells: a rule may have its keys from several files. */
static int check_rules(const struct hak_conf *config, struct hak_conf_fault *ret_fault)
{
	for (size_t i = 0; i < config->rule_count; i++) {
		const struct hak_conf_rule *rule = &config->rules[i];
		char reason[HAK_CONF_REASON_CHARS + 1];
		const char *what = NULL;

		if (!*rule->unit && !*rule->program)
			what = "names neither 'unit' nor 'program'";
		else if (!rule->has_mode && !rule->has_learning)
			what = "says neither 'mode' nor 'learning'";
		if (!what)
			continue;
		snprintf(reason, sizeof(reason), "[rule %s] %s", rule->name, what);
		hak_conf_fault_write(ret_fault, rule->file, rule->line, reason);
		return -EINVAL;
	}
	return 0;
}

int hak_conf_load(const char *path, bool optional, struct hak_conf *ret_config,
		  struct hak_conf_fault *ret_fault)
{
	/* The defaults of an empty file. */
	struct hak_conf config = {.mode = HAK_MODE_BALANCED,
				  .files_per_uid = HAK_CONF_FILES_PER_UID,
				  .purge = {.idle_usec = 2000000,
					    .pressure_percent = 10,
					    .cgroup_percent = 90,
					    .least_bytes = 1 << 20},
				  .busy_percent = 10,
				  .learning = true};
	int r;

	r = hak_conf_parse_file(path, &config, ret_fault);
	if (r == -ENOENT && optional)
		r = 0;
	if (r == 0)
		r = parse_drop_ins(path, &config, ret_fault);
	if (r == 0)
		r = check_rules(&config, ret_fault);
	if (r < 0)
		hak_conf_deinit(&config);
	else
		*ret_config = config;
	return r;
}

static bool matches(const struct hak_conf_rule *rule, const char *unit, const char *program)
{
	/* A backslash is part of a unit's name: systemd writes "\x2d" for a dash. */
	return (!*rule->unit || fnmatch(rule->unit, unit, FNM_NOESCAPE) == 0) &&
	       (!*rule->program || fnmatch(rule->program, basename(program), 0) == 0);
}

const struct hak_conf_rule *hak_conf_match(const struct hak_conf *config, enum hak_conf_key key,
					   const char *unit, const char *program)
{
	for (size_t i = 0; i < config->rule_count; i++) {
		const struct hak_conf_rule *rule = &config->rules[i];
		bool has = key == HAK_CONF_MODE ? rule->has_mode : rule->has_learning;

		if (has && matches(rule, unit, program))
			return rule;
	}
	return NULL;
}
