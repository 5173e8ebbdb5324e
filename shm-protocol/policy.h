/* SPDX-License-Identifier: MIT */
/*
 * A policy: what the slow paths of one process may do, and the 8-byte word that carries it through shared
 * memory. The daemon packs, every process unpacks; both take a mode's row from the same table.
 */
#ifndef HAK_SHM_POLICY_H
#define HAK_SHM_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum hak_mode {
	HAK_MODE_MINIMAL,
	HAK_MODE_FAST,
	HAK_MODE_BALANCED,
	HAK_MODE_LEARNING,
	HAK_MODE_RESEARCH,
	HAK_MODE_COUNT
};

enum hak_elo { HAK_ELO_OFF, HAK_ELO_FROZEN, HAK_ELO_LEARN, HAK_ELO_COUNT };
enum hak_free_policy { HAK_FREE_BATCH, HAK_FREE_ADAPTIVE, HAK_FREE_COUNT };
enum hak_thp { HAK_THP_OFF, HAK_THP_AUTO, HAK_THP_ON, HAK_THP_COUNT };
enum hak_evolution { HAK_EVO_NONE, HAK_EVO_FROZEN, HAK_EVO_LEARN, HAK_EVO_CANARY, HAK_EVO_COUNT };
enum hak_log { HAK_LOG_OFF, HAK_LOG_MINIMAL, HAK_LOG_VERBOSE, HAK_LOG_COUNT };

struct hak_policy {
	uint8_t mode;        /* enum hak_mode: the preset that the rest started from */
	uint8_t elo;         /* enum hak_elo: where ratings come from */
	uint8_t free_policy; /* enum hak_free_policy */
	uint8_t thp;         /* enum hak_thp */
	uint8_t evolution;   /* enum hak_evolution */
	uint8_t log;         /* enum hak_log: lines kept in the telemetry's ring */
	bool bigcache;       /* recently freed large blocks are kept */
	bool batch;          /* freed ranges are given back in batches */
	bool thread_bins;    /* each thread has bins of its own: no lock in the usual malloc and free */
	bool panic;          /* kill switch: minimal, no purge, no games */
	uint8_t strategy;    /* number in the published strategy table; 0 is the safe default */
};

/**
 * hak_policy_of_mode() - the feature matrix's row of @mode
 * Return: a copy of the row; an unknown mode gives balanced's.
 * Threads: any. No system call.
 */
struct hak_policy hak_policy_of_mode(enum hak_mode mode);

/**
 * hak_policy_pack() - the 8-byte word of a policy
 * @epoch: counts the changes of this word, wraps
 *
 * Bits: 0-3 mode, 4-5 elo, 6-7 free policy, 8-9 THP, 10-11 evolution, 12-13 log, 14 bigcache, 15 batch,
 * 16 thread bins, 17 panic, 18-22 zero, 23 always one (so that zeroed memory is no policy), 24-31 strategy,
 * 32-63 epoch.
 */
uint64_t hak_policy_pack(const struct hak_policy *policy, uint32_t epoch);

/**
 * hak_policy_unpack() - the policy in a word that somebody else wrote
 * @ret_policy: set on success only
 * @ret_epoch:  set on success only; may be NULL
 * Return: 0; -EINVAL where a field has no meaning, bit 23 is clear or a bit that must be zero is set.
 */
int hak_policy_unpack(uint64_t word, struct hak_policy *ret_policy, uint32_t *ret_epoch);

/* Names as users type them. The _parse functions return 0 or -EINVAL and leave @ret_x alone on failure. */
const char *hak_mode_name(enum hak_mode mode);
const char *hak_elo_name(enum hak_elo elo);
const char *hak_free_policy_name(enum hak_free_policy free_policy);
const char *hak_thp_name(enum hak_thp thp);
const char *hak_evolution_name(enum hak_evolution evolution);
const char *hak_log_name(enum hak_log log);
int hak_mode_parse(const char *text, enum hak_mode *ret_mode);
int hak_free_policy_parse(const char *text, enum hak_free_policy *ret_free_policy);
int hak_thp_parse(const char *text, enum hak_thp *ret_thp);
int hak_evolution_parse(const char *text, enum hak_evolution *ret_evolution);

#endif
