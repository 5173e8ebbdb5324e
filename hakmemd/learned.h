/* SPDX-License-Identifier: MIT */
/*
 * What was learned of one context: the tallies, how much of which telemetry file is in them, and where its
 * life stands. Memory only; learned_file.c is its form on disk, learner.c has all of them.
 *
 * A tally is a score for one (strategy pair, uid, UTC week, dimensions, incarnation of a host). A telemetry
 * file tells monotone totals of its processes; what was told before is remembered beside the tallies and
 * saved with them in one file, so that each pair of games is counted exactly once whenever the daemon is
 * killed.
 *
 * equation: a tally of this host == sum of what its files told, those that are gone included
 */
#ifndef HAK_LEARNED_H
#define HAK_LEARNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "contest.h"
#include "context.h"
#include "life.h"
#include "rating.h"
#include "score.h"
#include "strategy.h"
#include "telemetry.h"
#include "trial.h"

enum {
	HAK_LEARNED_PROGRAM_CHARS = 63,
	HAK_LEARNED_TALLIES_MAX = 4096, /* of one context; what is beyond is not counted */
	HAK_LEARNED_TOLD_MAX = 65536,
	HAK_LEARNED_FILE_PAIRS_MAX = 1 << 16, /* that one telemetry file may tell of two strategies */
	HAK_LEARNED_UID_PAIRS_MAX = 1 << 20,  /* that one user may add to a tally */
	HAK_LEARNED_WEEK_SECONDS = 7 * 24 * 3600,
	HAK_LEARNED_HALF_LIFE_WEEKS = 4,
};

struct hak_tally_key {
	uint64_t strategy[2]; /* keys, the lesser first; scores are seen from [0] */
	uint64_t incarnation; /* of the host where it was played */
	uint64_t dimensions;  /* hash; not identity: an update must not unlearn a machine */
	uint32_t week;        /* UTC weeks since 1970 */
	uint32_t uid;
};

struct hak_tally_entry {
	struct hak_tally_key key;
	struct hak_score score;
};

/* How much of a telemetry file is in the tallies. */
struct hak_told {
	char name[HAK_TELEMETRY_NAME_CHARS + 1];
	uint64_t strategy[2];
	struct hak_score score;
};

/* What the contest does not look at: it was played before LEARN began anew. */
struct hak_learned_base {
	uint64_t strategy[2];
	uint32_t uid;
	struct hak_score score;
};

enum { HAK_LEARNED_WHY_CHARS = 159 };

/* A change of what is in force, until it is durable; then what was in force before. */
struct hak_decision {
	struct hak_life life;
	uint8_t previous_winner;
	uint64_t evidence_hash, evidence_pairs;
	char why[HAK_LEARNED_WHY_CHARS + 1];
	const char *what; /* for the journal */
	uid_t uid;        /* whose; -1: the daemon's */
	bool ends_trial;
	bool on_its_way; /* in the batch under way */
};

struct hak_learned {
	struct hak_key context;
	char scope[HAK_CONTEXT_SCOPE_CHARS + 1];
	char unit[HAK_CONTEXT_UNIT_CHARS + 1];
	char program[HAK_LEARNED_PROGRAM_CHARS + 1];
	struct hak_tally_entry *tallies; /* owned */
	size_t tally_count;
	struct hak_told *told; /* owned */
	size_t told_count;
	struct hak_learned_base *base; /* owned */
	size_t base_count;
	struct hak_life life;    /* times: CLOCK_REALTIME in usec */
	uint8_t previous_winner; /* of the snapshot before: rollback goes there */
	uint64_t evidence_hash;  /* of the tallies that the snapshot rests on */
	uint64_t evidence_pairs;
	bool is_large;           /* a process of it was, so that its layout matters */
	uint32_t window_ticks;   /* a window that its processes found quiet; 0: not known */
	char why[HAK_LEARNED_WHY_CHARS + 1]; /* the last decision's reason, for people */
	/* learner.c's */
	bool dirty;       /* what is on disk, or on its way there, is older */
	bool save_wanted; /* with the next batch */
	bool on_its_way;  /* in the batch under way */
	struct hak_decision *decision; /* owned; not durable yet, one at a time; NULL: none */
	int save_error;   /* of the last try; 0: none */
	uint64_t saved_usec;
	uint64_t used_usec;
	uint64_t seen_pairs; /* as the contest last saw it */
	uint32_t live;       /* clients of this context */
	uint64_t exported;   /* the last export that has it */
	/* learner_trial.c's */
	struct hak_trial trial; /* as published for those who start */
	bool has_uid;
	uint32_t uid;        /* of the process told last */
	uint64_t trial_usec; /* when */
	SLIST_ENTRY(hak_learned) same_hash;
};

/* Contexts, by the hash of their keys. */
enum { HAK_LEARNED_BUCKETS = 4096 };
struct hak_learned_table {
	SLIST_HEAD(, hak_learned) bucket[HAK_LEARNED_BUCKETS];
	size_t count;
};

/* Strategies by number: can they be compared within a process? */
static inline bool hak_share_layout(unsigned a, unsigned b)
{
	return hak_strategy_shares_layout(&hak_strategy_table[a].strategy, &hak_strategy_table[b].strategy);
}

struct hak_learned *hak_learned_new(const struct hak_key *context);
void hak_learned_free(struct hak_learned *learned);

/* NULL: it is not there. */
struct hak_learned *hak_learned_find(const struct hak_learned_table *table, const struct hak_key *context);
/* All of them: NULL begins, and NULL ends. */
struct hak_learned *hak_learned_next(const struct hak_learned_table *table,
				     const struct hak_learned *previous);
/* From now on the table's, which has none of its key; and no more. */
void hak_learned_insert(struct hak_learned_table *table, struct hak_learned *learned);
void hak_learned_remove(struct hak_learned_table *table, struct hak_learned *learned);
void hak_learned_free_all(struct hak_learned_table *table);

/* What is in force and @decision change places. */
void hak_learned_swap(struct hak_learned *learned, struct hak_decision *decision);

/**
 * hak_learned_tell() - a telemetry file's total for one pair of strategies
 * @key:   whose pairs those are that come new with it
 * @score: seen from key->strategy[0]; from a stranger
 * @ret_more: what of it is new, where something is
 * Return: 1 (something new), 0, -EBADMSG (no honest games make it), -ERANGE (it fell), -ENOMEM, -ENOBUFS.
 */
int hak_learned_tell(struct hak_learned *learned, const char *name, const struct hak_tally_key *key,
		     const struct hak_score *score, struct hak_score *ret_more);
/* A file of which one result alone counts. Return: false: it was noted before, or there is no room. */
bool hak_learned_note_file(struct hak_learned *learned, const char *name, const uint64_t strategy[2]);
/* The file is gone, and that is durable. */
void hak_learned_forget_file(struct hak_learned *learned, const char *name);

/* Another host's tally, or an older copy of ours: the maximum. Return: as above. */
int hak_learned_merge(struct hak_learned *learned, const struct hak_tally_entry *entry);

/**
 * hak_learned_contest() - the contest as the tallies have it since LEARN began
 * @ret_strategy: by player, the number of its strategy
 * Those alone that can be played within a process: who has the safe strategy's layout.
 * Where several users share the context, the median one of them speaks (of two, who claims less).
 */
void hak_learned_contest(const struct hak_learned *learned, struct hak_contest *ret_contest,
			 uint8_t ret_strategy[HAK_CONTEST_PLAYERS]);

/* All pairs ever of strategies number @a and @b, seen from @a. */
struct hak_score hak_learned_score(const struct hak_learned *learned, unsigned a, unsigned b);

/* Of them those since LEARN began. */
struct hak_score hak_learned_recent_score(const struct hak_learned *learned, unsigned a, unsigned b);

/* The users whose tallies it has. Return: how many are in @ret_uids, HAK_LEARNED_UIDS_MAX at most. */
enum { HAK_LEARNED_UIDS_MAX = 64 };
size_t hak_learned_uids(const struct hak_learned *learned, uint32_t *ret_uids);

/* One user's pairs, seen from @a; weeks ago weigh less. */
struct hak_score hak_learned_score_of_uid(const struct hak_learned *learned, unsigned a, unsigned b,
					  uint32_t uid, uint32_t week);

/* A tally as it weighs in @week. */
struct hak_score hak_learned_weakened(const struct hak_tally_entry *entry, uint32_t week);

/* The median user's: the one with the median mean, of an even number the one nearer to a draw. */
struct hak_score hak_learned_median(struct hak_score *scores, size_t count);

/* All pairs, the median user's; weeks ago weigh less. */
void hak_learned_table(const struct hak_learned *learned, uint32_t week,
		       struct hak_rating_table *ret_table);

/* Ratings of all strategies, by number, from that table alone. */
void hak_learned_rate(const struct hak_learned *learned, uint32_t week,
		      struct hak_rating ret_rating[HAK_STRATEGY_COUNT]);

uint64_t hak_learned_pairs(const struct hak_learned *learned);

/* Of all tallies in canonical order: what a decision rested on. */
uint64_t hak_learned_hash(const struct hak_learned *learned);

/* LEARN begins anew: what was played so far is no evidence. Return: 0, -ENOMEM. */
int hak_learned_rebase(struct hak_learned *learned);

#endif
