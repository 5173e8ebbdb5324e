/* SPDX-License-Identifier: MIT */
/*
 * The feature matrix, the policy word, and the names that users type. Linked into the library and the daemon;
 * pure functions over constant tables, safe from any thread and at any time.
 */
#include "policy.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Rows as in the matrix of docs/design.md; each cell is a test. */
static const struct hak_policy policy_rows[HAK_MODE_COUNT] = {
	/* mode, elo, free policy, THP, evolution, log, BigCache, batch, thread bins, panic, strategy */
	[HAK_MODE_MINIMAL] = {HAK_MODE_MINIMAL, HAK_ELO_OFF, HAK_FREE_BATCH, HAK_THP_OFF, HAK_EVO_NONE,
			      HAK_LOG_OFF, false, false, false, false, 0},
	[HAK_MODE_FAST] = {HAK_MODE_FAST, HAK_ELO_FROZEN, HAK_FREE_ADAPTIVE, HAK_THP_AUTO, HAK_EVO_FROZEN,
			   HAK_LOG_OFF, true, true, true, false, 0},
	[HAK_MODE_BALANCED] = {HAK_MODE_BALANCED, HAK_ELO_FROZEN, HAK_FREE_ADAPTIVE, HAK_THP_AUTO,
			       HAK_EVO_FROZEN, HAK_LOG_OFF, true, true, true, false, 0},
	[HAK_MODE_LEARNING] = {HAK_MODE_LEARNING, HAK_ELO_LEARN, HAK_FREE_ADAPTIVE, HAK_THP_AUTO,
			       HAK_EVO_LEARN, HAK_LOG_MINIMAL, true, true, false, false, 0},
	[HAK_MODE_RESEARCH] = {HAK_MODE_RESEARCH, HAK_ELO_LEARN, HAK_FREE_ADAPTIVE, HAK_THP_ON, HAK_EVO_LEARN,
			       HAK_LOG_VERBOSE, true, true, false, false, 0},
};

static const char *const mode_names[HAK_MODE_COUNT] = {
	[HAK_MODE_MINIMAL] = "minimal",   [HAK_MODE_FAST] = "fast",         [HAK_MODE_BALANCED] = "balanced",
	[HAK_MODE_LEARNING] = "learning", [HAK_MODE_RESEARCH] = "research",
};
static const char *const elo_names[HAK_ELO_COUNT] = {
	[HAK_ELO_OFF] = "off",
	[HAK_ELO_FROZEN] = "frozen",
	[HAK_ELO_LEARN] = "learn",
};
static const char *const free_policy_names[HAK_FREE_COUNT] = {
	[HAK_FREE_BATCH] = "batch",
	[HAK_FREE_ADAPTIVE] = "adaptive",
};
static const char *const thp_names[HAK_THP_COUNT] = {
	[HAK_THP_OFF] = "off",
	[HAK_THP_AUTO] = "auto",
	[HAK_THP_ON] = "on",
};
static const char *const evolution_names[HAK_EVO_COUNT] = {
	[HAK_EVO_NONE] = "none",
	[HAK_EVO_FROZEN] = "frozen",
	[HAK_EVO_LEARN] = "learn",
	[HAK_EVO_CANARY] = "canary",
};
static const char *const log_names[HAK_LOG_COUNT] = {
	[HAK_LOG_OFF] = "off",
	[HAK_LOG_MINIMAL] = "minimal",
	[HAK_LOG_VERBOSE] = "verbose",
};

/* The word's fields: first bit and width. */
enum {
	WORD_MODE_SHIFT = 0,
	WORD_ELO_SHIFT = 4,
	WORD_FREE_SHIFT = 6,
	WORD_THP_SHIFT = 8,
	WORD_EVOLUTION_SHIFT = 10,
	WORD_LOG_SHIFT = 12,
	WORD_BIGCACHE_SHIFT = 14,
	WORD_BATCH_SHIFT = 15,
	WORD_BINS_SHIFT = 16,
	WORD_PANIC_SHIFT = 17,
	WORD_ZERO_SHIFT = 18,
	WORD_ZERO_BITS = 5,
	WORD_ONE_SHIFT = 23,
	WORD_STRATEGY_SHIFT = 24,
	WORD_STRATEGY_BITS = 8,
	WORD_EPOCH_SHIFT = 32,
	WORD_MODE_BITS = 4,
	WORD_CHOICE_BITS = 2,
};

static uint32_t word_field(uint64_t word, unsigned shift, unsigned bits)
{
	return (uint32_t)(word >> shift) & ((1u << bits) - 1);
}

static bool word_flag(uint64_t word, unsigned shift)
{
	return word >> shift & 1;
}

struct hak_policy hak_policy_of_mode(enum hak_mode mode)
{
	if ((unsigned)mode >= HAK_MODE_COUNT)
		mode = HAK_MODE_BALANCED;
	return policy_rows[mode];
}

uint64_t hak_policy_pack(const struct hak_policy *policy, uint32_t epoch)
{
	return (uint64_t)policy->mode << WORD_MODE_SHIFT | (uint64_t)policy->elo << WORD_ELO_SHIFT |
	       (uint64_t)policy->free_policy << WORD_FREE_SHIFT | (uint64_t)policy->thp << WORD_THP_SHIFT |
	       (uint64_t)policy->evolution << WORD_EVOLUTION_SHIFT | (uint64_t)policy->log << WORD_LOG_SHIFT |
	       (uint64_t)policy->bigcache << WORD_BIGCACHE_SHIFT |
	       (uint64_t)policy->batch << WORD_BATCH_SHIFT |
	       (uint64_t)policy->thread_bins << WORD_BINS_SHIFT |
	       (uint64_t)policy->panic << WORD_PANIC_SHIFT | UINT64_C(1) << WORD_ONE_SHIFT |
	       (uint64_t)policy->strategy << WORD_STRATEGY_SHIFT | (uint64_t)epoch << WORD_EPOCH_SHIFT;
}

int hak_policy_unpack(uint64_t word, struct hak_policy *ret_policy, uint32_t *ret_epoch)
{
	struct hak_policy policy = {
		.mode = (uint8_t)word_field(word, WORD_MODE_SHIFT, WORD_MODE_BITS),
		.elo = (uint8_t)word_field(word, WORD_ELO_SHIFT, WORD_CHOICE_BITS),
		.free_policy = (uint8_t)word_field(word, WORD_FREE_SHIFT, WORD_CHOICE_BITS),
		.thp = (uint8_t)word_field(word, WORD_THP_SHIFT, WORD_CHOICE_BITS),
		.evolution = (uint8_t)word_field(word, WORD_EVOLUTION_SHIFT, WORD_CHOICE_BITS),
		.log = (uint8_t)word_field(word, WORD_LOG_SHIFT, WORD_CHOICE_BITS),
		.bigcache = word_flag(word, WORD_BIGCACHE_SHIFT),
		.batch = word_flag(word, WORD_BATCH_SHIFT),
		.thread_bins = word_flag(word, WORD_BINS_SHIFT),
		.panic = word_flag(word, WORD_PANIC_SHIFT),
		.strategy = (uint8_t)word_field(word, WORD_STRATEGY_SHIFT, WORD_STRATEGY_BITS),
	};

	if (!word_flag(word, WORD_ONE_SHIFT) || word_field(word, WORD_ZERO_SHIFT, WORD_ZERO_BITS) != 0)
		return -EINVAL;
	if (policy.mode >= HAK_MODE_COUNT || policy.elo >= HAK_ELO_COUNT ||
	    policy.free_policy >= HAK_FREE_COUNT || policy.thp >= HAK_THP_COUNT ||
	    policy.evolution >= HAK_EVO_COUNT || policy.log >= HAK_LOG_COUNT)
		return -EINVAL;
	*ret_policy = policy;
	if (ret_epoch)
		*ret_epoch = (uint32_t)(word >> WORD_EPOCH_SHIFT);
	return 0;
}

static const char *name_of(const char *const *names, size_t count, unsigned value)
{
	return value < count ? names[value] : "unknown";
}

/* The number of @text among @names, or -EINVAL. */
static int name_parse(const char *const *names, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], text) == 0)
			return (int)i;
	return -EINVAL;
}

const char *hak_mode_name(enum hak_mode mode)
{
	return name_of(mode_names, ARRAY_SIZE(mode_names), mode);
}

const char *hak_elo_name(enum hak_elo elo)
{
	return name_of(elo_names, ARRAY_SIZE(elo_names), elo);
}

const char *hak_free_policy_name(enum hak_free_policy free_policy)
{
	return name_of(free_policy_names, ARRAY_SIZE(free_policy_names), free_policy);
}

const char *hak_thp_name(enum hak_thp thp)
{
	return name_of(thp_names, ARRAY_SIZE(thp_names), thp);
}

const char *hak_evolution_name(enum hak_evolution evolution)
{
	return name_of(evolution_names, ARRAY_SIZE(evolution_names), evolution);
}

const char *hak_log_name(enum hak_log log)
{
	return name_of(log_names, ARRAY_SIZE(log_names), log);
}

int hak_mode_parse(const char *text, enum hak_mode *ret_mode)
{
	int r = name_parse(mode_names, ARRAY_SIZE(mode_names), text);

	if (r < 0)
		return r;
	*ret_mode = (enum hak_mode)r;
	return 0;
}

int hak_free_policy_parse(const char *text, enum hak_free_policy *ret_free_policy)
{
	int r = name_parse(free_policy_names, ARRAY_SIZE(free_policy_names), text);

	if (r < 0)
		return r;
	*ret_free_policy = (enum hak_free_policy)r;
	return 0;
}

int hak_thp_parse(const char *text, enum hak_thp *ret_thp)
{
	int r = name_parse(thp_names, ARRAY_SIZE(thp_names), text);

	if (r < 0)
		return r;
	*ret_thp = (enum hak_thp)r;
	return 0;
}

/* "none" is what minimal has, not a choice that anybody can type. */
int hak_evolution_parse(const char *text, enum hak_evolution *ret_evolution)
{
	int r = name_parse(evolution_names, ARRAY_SIZE(evolution_names), text);

	if (r < 0)
		return r;
	if (r == HAK_EVO_NONE)
		return -EINVAL;
	*ret_evolution = (enum hak_evolution)r;
	return 0;
}
