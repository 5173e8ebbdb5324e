/* SPDX-License-Identifier: MIT */
/* One configuration file. Built on inih; its own reader counts the lines, so that a fault can name one. */
#include "conf.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"

struct parse {
	FILE *file;
	const char *path;
	unsigned line; /* of the text that inih has in hand */
	struct hak_conf *config;
	struct hak_conf_fault *fault;
	bool failed;
};

void hak_conf_fault_write(struct hak_conf_fault *ret_fault, const char *file, unsigned line,
			  const char *reason)
{
	char place[16] = "";

	if (line)
		snprintf(place, sizeof(place), ":%u", line);
	snprintf(ret_fault->text, sizeof(ret_fault->text), "%s%s: %s", file, place, reason); /* cut */
}

/* The first fault is the one to mend; later ones are often its children. Returns inih's "error". */
static int fault(struct parse *parse, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int fault(struct parse *parse, unsigned line, const char *format, ...)
{
	char reason[HAK_CONF_REASON_CHARS + 1];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	if (!parse->failed)
		hak_conf_fault_write(parse->fault, parse->path, line, reason);
	parse->failed = true;
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

static int set_bool(struct parse *parse, const char *key, const char *value, bool *ret_value)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(value, words[i]) != 0)
			continue;
		*ret_value = i % 2 != 0;
		return 1;
	}
	return fault(parse, parse->line, "'%s' is '%.40s'; it must be yes or no", key, value);
}

/* What may stand behind the digits of a number. */
struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit none[] = {{"", 1}, {NULL, 0}};
static const struct unit percents[] = {{"", 1}, {"%", 1}, {NULL, 0}};
static const struct unit times[] = {{"", 1000000},    {"ms", 1000},      {"s", 1000000},
				    {"sec", 1000000}, {"min", 60000000}, {NULL, 0}};
static const struct unit sizes[] = {{"", 1},
				    {"K", UINT64_C(1) << 10},
				    {"M", UINT64_C(1) << 20},
				    {"G", UINT64_C(1) << 30},
				    {"T", UINT64_C(1) << 40},
				    {NULL, 0}};

static bool read_number(const char *text, const struct unit *unit, uint64_t *ret_value)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || errno)
		return false;
	end += strspn(end, " \t");
	while (unit->name && strcmp(end, unit->name) != 0)
		unit++;
	return unit->name && !__builtin_mul_overflow(number, unit->factor, ret_value);
}

/* Keys whose values are numbers: where they go, and how they are written. */
struct number_key {
	const char *section, *key;
	const struct unit *units;
	size_t offset; /* in struct hak_conf */
	uint64_t least, most;
	const char *must; /* what it must be */
};

#define PERCENT "a percentage; 0 switches it off"
static const struct number_key number_keys[] = {
	{"daemon", "files-per-uid", none, offsetof(struct hak_conf, files_per_uid), 1, 1000000,
	 "a number from 1 to 1000000"},
	{"purge", "idle", times, offsetof(struct hak_conf, purge.idle_usec), 0, UINT64_C(86400000000),
	 "a time such as 500ms, 2s or 5min, at most a day; 0 switches it off"},
	{"purge", "pressure", percents, offsetof(struct hak_conf, purge.pressure_percent), 0, 100,
	 PERCENT},
	{"purge", "cgroup", percents, offsetof(struct hak_conf, purge.cgroup_percent), 0, 100,
	 PERCENT},
	{"purge", "least", sizes, offsetof(struct hak_conf, purge.least_bytes), 4096, UINT64_MAX >> 8,
	 "a size from 4K such as 64K, 1M or 1G"},
	{"purge", "memory-budget", sizes, offsetof(struct hak_conf, purge.budget_bytes), 0,
	 UINT64_MAX >> 8, "a size such as 512M or 8G; 0: no budget"},
	{"huge", "busy", percents, offsetof(struct hak_conf, busy_percent), 0, 100, PERCENT},
};

static int set_number(struct parse *parse, const struct number_key *key, const char *value)
{
	uint64_t number;

	if (!read_number(value, key->units, &number) || number < key->least || number > key->most)
		return fault(parse, parse->line, "'%s' is '%.40s'; it must be %s", key->key, value,
			     key->must);
	memcpy((char *)parse->config + key->offset, &number, sizeof(number));
	return 1;
}

/* The keys that are no numbers. */
static const char *const other_keys[][2] = {
	{"daemon", "mode"},  {"learning", "enabled"}, {"rule", "unit"},
	{"rule", "program"}, {"rule", "mode"},        {"rule", "learning"},
};

static int fault_key(struct parse *parse, const char *section, const char *key)
{
	const char *names[16];
	char what[32];
	size_t count = 0;

	for (size_t i = 0; i < sizeof(number_keys) / sizeof(*number_keys); i++) {
		if (strcmp(number_keys[i].section, section) == 0)
			names[count++] = number_keys[i].key;
	}
	for (size_t i = 0; i < sizeof(other_keys) / sizeof(*other_keys); i++) {
		if (strcmp(other_keys[i][0], section) == 0)
			names[count++] = other_keys[i][1];
	}
	snprintf(what, sizeof(what), "key in [%s]", section);
	return fault_unknown(parse, what, key, names, count);
}

static int plain_key(struct parse *parse, const char *section, const char *key, const char *value)
{
	for (size_t i = 0; i < sizeof(number_keys) / sizeof(*number_keys); i++) {
		if (strcmp(number_keys[i].section, section) == 0 && strcmp(number_keys[i].key, key) == 0)
			return set_number(parse, &number_keys[i], value);
	}
	if (strcmp(section, "daemon") == 0 && strcmp(key, "mode") == 0)
		return set_mode(parse, value, &parse->config->mode, &parse->config->has_mode);
	if (strcmp(section, "learning") == 0 && strcmp(key, "enabled") == 0)
		return set_bool(parse, key, value, &parse->config->learning);
	return fault_key(parse, section, key);
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
	snprintf(grown->file, sizeof(grown->file), "%s", parse->path);
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
	if (strcmp(key, "learning") == 0) {
		rule->has_learning = true;
		return set_bool(parse, key, value, &rule->learning);
	}
	return fault_key(parse, "rule", key);
}

static int on_key(void *user, const char *section, const char *key, const char *value)
{
	static const char *const sections[] = {"daemon", "purge", "huge", "learning"};
	struct parse *parse = user;
	const char *near;

	if (parse->failed)
		return 0;
	for (size_t i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
		if (strcmp(section, sections[i]) == 0)
			return plain_key(parse, section, key, value);
	}
	if (strncmp(section, "rule ", 5) == 0)
		return rule_key(parse, section + 5 + strspn(section + 5, " \t"), key, value);
	if (!*section)
		return fault(parse, parse->line,
			     "'%.60s' stands before any section; [daemon] or [rule NAME] is missing", key);
	near = hak_nearest_word(section, sections, sizeof(sections) / sizeof(*sections));
	if (near)
		return fault(parse, parse->line, "unknown section [%.60s]; did you mean [%s]?", section,
			     near);
	return fault(parse, parse->line,
		     "unknown section [%.60s]; there are [daemon], [purge], [huge], [learning] and "
		     "[rule NAME]",
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

int hak_conf_parse_file(const char *path, struct hak_conf *config, struct hak_conf_fault *ret_fault)
{
	struct parse parse = {.path = path, .config = config, .fault = ret_fault};
	int r;

	parse.file = fopen(path, "re");
	if (!parse.file) {
		r = -errno;
		fault(&parse, 0, "%s", strerror(-r));
		return r;
	}
	r = ini_parse_stream(read_line, &parse, on_key, &parse);
	if (ferror(parse.file))
		fault(&parse, 0, "it cannot be read");
	else if (r > 0) /* a line that is neither section, key nor comment; never reached on_key */
		fault(&parse, (unsigned)r, "this is neither [section], 'key = value' nor a comment");
	else if (r < 0)
		fault(&parse, 0, "out of memory");
	fclose(parse.file);
	return parse.failed ? -EINVAL : 0;
}
