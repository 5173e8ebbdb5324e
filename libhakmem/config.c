/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "telemetry.h"
#include "text.h"

#define DISABLED_FILE "/etc/hakmem/disabled"

static void warn(const char *name, const char *value, const char *allowed)
{
	char buffer[256];
	struct hak_text text;

	hak_text_init(&text, buffer, sizeof(buffer));
	hak_text_add(&text, "hakmem: ");
	hak_text_add(&text, name);
	hak_text_add(&text, "=");
	hak_text_add(&text, value);
	hak_text_add(&text, " is ignored: it takes ");
	hak_text_add(&text, allowed);
	hak_text_add(&text, "\n");
	hak_text_say(&text);
}

/* Return: true and the switch's value where the variable is set and sound. */
static bool read_switch(const char *name, bool *ret_on)
{
	static const char *const on[] = {"1", "on", "yes", "true"}, *const off[] = {"0", "off", "no",
										    "false"};
	const char *value = getenv(name);

	if (!value || !*value)
		return false;
	for (unsigned i = 0; i < 4; i++) {
		if (strcmp(value, on[i]) == 0 || strcmp(value, off[i]) == 0) {
			*ret_on = strcmp(value, on[i]) == 0;
			return true;
		}
	}
	warn(name, value, "0 or 1");
	return false;
}

static const char *read_word(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static void read_policies(struct hak_config *config)
{
	enum hak_mode mode;
	enum hak_thp thp;
	enum hak_free_policy free_policy;
	enum hak_evolution evolution;
	const char *value;

	if ((value = read_word("HAKMEM_MODE"))) {
		if (hak_mode_parse(value, &mode) == 0) {
			config->policy = hak_policy_of_mode(mode);
			config->pinned |= HAK_PIN_MODE;
		} else {
			warn("HAKMEM_MODE", value, "minimal, fast, balanced, learning or research");
		}
	}
	if ((value = read_word("HAKMEM_THP"))) {
		if (hak_thp_parse(value, &thp) == 0) {
			config->policy.thp = (uint8_t)thp;
			config->pinned |= HAK_PIN_THP;
		} else {
			warn("HAKMEM_THP", value, "off, auto or on");
		}
	}
	if ((value = read_word("HAKMEM_FREE_POLICY"))) {
		if (hak_free_policy_parse(value, &free_policy) == 0) {
			config->policy.free_policy = (uint8_t)free_policy;
			config->pinned |= HAK_PIN_FREE_POLICY;
		} else {
			warn("HAKMEM_FREE_POLICY", value, "batch or adaptive");
		}
	}
	if ((value = read_word("HAKMEM_EVO_POLICY"))) {
		if (hak_evolution_parse(value, &evolution) == 0 && evolution != HAK_EVO_NONE) {
			config->policy.evolution = (uint8_t)evolution;
			config->pinned |= HAK_PIN_EVOLUTION;
		} else {
			warn("HAKMEM_EVO_POLICY", value, "frozen, learn or canary");
		}
	}
}

static void read_log(struct hak_config *config)
{
	const char *value = read_word("HAKMEM_LOG");

	if (!value)
		return;
	if (strcmp(value, "stderr") == 0) {
		config->log_stderr = true;
		config->policy.log = HAK_LOG_VERBOSE;
	} else if (strcmp(value, "off") == 0) {
		config->policy.log = HAK_LOG_OFF;
	} else if (strcmp(value, "minimal") == 0) {
		config->policy.log = HAK_LOG_MINIMAL;
	} else if (strcmp(value, "verbose") == 0) {
		config->policy.log = HAK_LOG_VERBOSE;
	} else {
		warn("HAKMEM_LOG", value, "off, minimal, verbose or stderr");
		return;
	}
	config->pinned |= HAK_PIN_LOG;
}

void hak_config_read(struct hak_config *ret_config)
{
	struct hak_config config = {.runtime_dir = "/run/hakmem"};
	const char *runtime_dir;
	bool on;

	if (access(DISABLED_FILE, F_OK) == 0) {
		config.policy = hak_policy_of_mode(HAK_MODE_MINIMAL);
		config.pinned = HAK_PIN_MODE;
		config.disabled = true;
		*ret_config = config;
		return;
	}
	if (getauxval(AT_SECURE)) {
		*ret_config = config;
		return;
	}
	read_policies(&config);
	read_log(&config);
	if (read_switch("HAKMEM_BIGCACHE", &config.policy.bigcache))
		config.pinned |= HAK_PIN_BIGCACHE;
	if (read_switch("HAKMEM_BATCH", &config.policy.batch))
		config.pinned |= HAK_PIN_BATCH;
	if (read_switch("HAKMEM_TINY", &config.policy.thread_bins))
		config.pinned |= HAK_PIN_THREAD_BINS;
	if (read_switch("HAKMEM_TINY_USE_SUPERSLAB", &on))
		config.solo_slabs = !on;
	runtime_dir = read_word("HAKMEM_RUNTIME_DIR");
	if (runtime_dir && runtime_dir[0] == '/')
		config.runtime_dir = runtime_dir;
	else if (runtime_dir)
		warn("HAKMEM_RUNTIME_DIR", runtime_dir, "an absolute path");
	*ret_config = config;
}

struct hak_policy hak_config_apply(const struct hak_config *config, const struct hak_policy *base)
{
	const struct hak_policy *own = &config->policy;
	struct hak_policy policy = config->pinned & HAK_PIN_MODE
					   ? hak_policy_of_mode((enum hak_mode)own->mode)
					   : *base;

	/* What was learned of the program holds in whatever mode it was put; minimal wants nothing of it. */
	if (policy.mode != HAK_MODE_MINIMAL)
		policy.strategy = base->strategy;
	if (config->pinned & HAK_PIN_THP)
		policy.thp = own->thp;
	if (config->pinned & HAK_PIN_FREE_POLICY)
		policy.free_policy = own->free_policy;
	if (config->pinned & HAK_PIN_EVOLUTION)
		policy.evolution = own->evolution;
	if (config->pinned & HAK_PIN_BIGCACHE)
		policy.bigcache = own->bigcache;
	if (config->pinned & HAK_PIN_BATCH)
		policy.batch = own->batch;
	if (config->pinned & HAK_PIN_THREAD_BINS)
		policy.thread_bins = own->thread_bins;
	if (config->pinned & HAK_PIN_LOG)
		policy.log = own->log;
	return policy;
}
