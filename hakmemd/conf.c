/* SPDX-License-Identifier: MIT */
/* See conf.h. Built on inih; its own reader counts the lines, so that a fault can name one. */
#include "conf.h"

#include <errno.h>
#include <fnmatch.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"

struct parse {
	FILE *file;
	unsigned line; /* of the text that inih has in hand */
	bool too_long; /* that line did not fit inih's buffer */
	struct hak_conf *config;
	struct hak_conf_fault *fault;
	bool failed;
};

static const char *const daemon_keys[] = {"mode", "files-per-uid"};
static const char *const rule_keys[] = {"unit", "program", "mode"};

void hak_conf_init(struct hak_conf *config)
{
	*config = (struct hak_conf){.mode = HAK_MODE_BALANCED, .files_per_uid = HAK_CONF_FILES_PER_UID};
}

void hak_conf_deinit(struct hak_conf *config)
{
	free(config->rules);
	hak_conf_init(config);
}

/* The first fault is the one to mend; later ones are often its children. Returns inih's "error". */
static int fault(struct parse *parse, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int fault(struct parse *parse, unsigned line, const char *format, ...)
{
	va_list arguments;

	if (parse->failed)
		return 0;
	parse->failed = true;
	parse->fault->line = line;
	va_start(arguments, format);
	(void)vsnprintf(parse->fault->reason, sizeof(parse->fault->reason), format, arguments);
	va_end(arguments);
	return 0;
}

static int fault_unknown(struct parse *parse, const char *what, const char *word, const char *const *words,
			 size_t count)
{
	const char *near = hak_nearest_word(word, words, count);

	if (near)
		return fault(parse, parse->line, "unknown %s '%.60s'; did you mean '%s'?", what, word, near);
	return fault(parse, parse->line, "unknown %s '%.60s'", what, word);
}

static int set_mode(struct parse *parse, const char *value, enum hak_mode *ret_mode, bool *ret_has)
{
	const char *names[HAK_MODE_COUNT];

	if (hak_mode_parse(value, ret_mode) == 0) {
		*ret_has = true;
		return 1;
	}
	for (int i = 0; i < HAK_MODE_COUNT; i++)
		names[i] = hak_mode_name((enum hak_mode)i);
	return fault_unknown(parse, "mode", value, names, HAK_MODE_COUNT);
}

static int set_glob(struct parse *parse, const char *key, const char *value, char *ret_glob)
{
	if (!*value)
		return fault(parse, parse->line, "'%s' is empty; leave the line out to match everything",
			     key);
	if (strlen(value) > HAK_CONF_GLOB_CHARS)
		return fault(parse, parse->line, "'%s' is longer than %d characters", key,
			     HAK_CONF_GLOB_CHARS);
	strcpy(ret_glob, value);
	return 1;
}

static int set_number(struct parse *parse, const char *key, const char *value, uint32_t least, uint32_t most,
		      uint32_t *ret_number)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(value, &end, 10);
	if (errno || end == value || *end || value[0] == '-' || number < least || number > most)
		return fault(parse, parse->line, "'%s' is '%.40s'; it must be a number from %u to %u", key,
			     value, least, most);
	*ret_number = (uint32_t)number;
	return 1;
}

static int daemon_key(struct parse *parse, const char *key, const char *value)
{
	if (strcmp(key, "mode") == 0)
		return set_mode(parse, value, &parse->config->mode, &parse->config->has_mode);
	if (strcmp(key, "files-per-uid") == 0)
		return set_number(parse, key, value, 1, 1000000, &parse->config->files_per_uid);
	return fault_unknown(parse, "key in [daemon]", key, daemon_keys,
			     sizeof(daemon_keys) / sizeof(*daemon_keys));
}

/* The rule called @name, made at its first key. NULL after a fault. */
static struct hak_conf_rule *rule_of(struct parse *parse, const char *name)
{
	struct hak_conf *config = parse->config;
	struct hak_conf_rule *grown;

	for (size_t i = 0; i < config->rule_count; i++) {
		if (strcmp(config->rules[i].name, name) == 0)
			return &config->rules[i];
	}
	if (config->rule_count == HAK_CONF_RULES || !*name || strlen(name) > HAK_CONF_NAME_CHARS) {
		fault(parse, parse->line,
		      "a rule needs a name of 1 to %d characters ([rule NAME]), and there may be %d rules",
		      HAK_CONF_NAME_CHARS, HAK_CONF_RULES);
		return NULL;
	}
	grown = reallocarray(config->rules, config->rule_count + 1, sizeof(*grown));
	if (!grown) {
		fault(parse, parse->line, "out of memory");
		return NULL;
	}
	config->rules = grown;
	grown += config->rule_count++;
	*grown = (struct hak_conf_rule){.line = parse->line};
	strcpy(grown->name, name);
	return grown;
}

static int rule_key(struct parse *parse, const char *name, const char *key, const char *value)
{
	struct hak_conf_rule *rule = rule_of(parse, name);

	if (!rule)
		return 0;
	if (strcmp(key, "unit") == 0)
		return set_glob(parse, key, value, rule->unit);
	if (strcmp(key, "program") == 0)
		return set_glob(parse, key, value, rule->program);
	if (strcmp(key, "mode") == 0)
		return set_mode(parse, value, &rule->mode, &rule->has_mode);
	return fault_unknown(parse, "key in [rule]", key, rule_keys, sizeof(rule_keys) / sizeof(*rule_keys));
}

static int on_key(void *user, const char *section, const char *key, const char *value)
{
	struct parse *parse = user;

	if (parse->failed)
		return 0;
	if (strcmp(section, "daemon") == 0)
		return daemon_key(parse, key, value);
	if (strncmp(section, "rule ", 5) == 0)
		return rule_key(parse, section + 5 + strspn(section + 5, " \t"), key, value);
	if (!*section)
		return fault(parse, parse->line,
			     "'%.60s' stands before any section; [daemon] or [rule NAME] is missing", key);
	return fault(parse, parse->line, "unknown section [%.60s]; there are [daemon] and [rule NAME]",
		     section);
}

static char *read_line(char *text, int room, void *user)
{
	struct parse *parse = user;

	if (!fgets(text, room, parse->file))
		return NULL;
	parse->line++;
	if (!strchr(text, '\n') && !feof(parse->file))
		fault(parse, parse->line, "the line is longer than %d characters", room - 2);
	return text;
}

static int check_rules(struct parse *parse)
{
	for (size_t i = 0; i < parse->config->rule_count; i++) {
		const struct hak_conf_rule *rule = &parse->config->rules[i];

		if (!rule->has_mode)
			fault(parse, rule->line, "[rule %s] has no 'mode'", rule->name);
		else if (!*rule->unit && !*rule->program)
			fault(parse, rule->line, "[rule %s] names neither 'unit' nor 'program'", rule->name);
	}
	return parse->failed ? -EINVAL : 0;
}

int hak_conf_load(const char *path, struct hak_conf *ret_config, struct hak_conf_fault *ret_fault)
{
	struct hak_conf config;
	struct parse parse = {.config = &config, .fault = ret_fault};
	int r;

	parse.file = fopen(path, "re");
	if (!parse.file) {
		r = -errno;
		fault(&parse, 0, "%s", strerror(-r));
		return r;
	}
	hak_conf_init(&config);
	r = ini_parse_stream(read_line, &parse, on_key, &parse);
	if (ferror(parse.file))
		fault(&parse, 0, "it cannot be read");
	else if (r > 0) /* a line that is neither section, key nor comment; never reached on_key */
		fault(&parse, (unsigned)r, "this is neither [section], 'key = value' nor a comment");
	else if (r < 0)
		fault(&parse, 0, "out of memory");
	fclose(parse.file);
	r = check_rules(&parse);
	if (r < 0)
		hak_conf_deinit(&config);
	else
		*ret_config = config;
	return r;
}

const struct hak_conf_rule *hak_conf_match(const struct hak_conf *config, const char *unit,
					   const char *program)
{
	const char *slash = strrchr(program, '/');

	for (size_t i = 0; i < config->rule_count; i++) {
		const struct hak_conf_rule *rule = &config->rules[i];

		if (*rule->unit && fnmatch(rule->unit, unit, 0) != 0)
			continue;
		if (*rule->program && fnmatch(rule->program, slash ? slash + 1 : program, 0) != 0)
			continue;
		return rule;
	}
	return NULL;
}
