/* SPDX-License-Identifier: MIT */
/*
 * Priors: what was found elsewhere about strategies that a context has hardly compared itself. The first of
 * these that knows anything:
 *
 *	program   the same program in other contexts of this host, as the context's own users played it
 *	imported  the same program on other hosts, by their exports (hakctl import --priors)
 *	all       all other contexts of the context's own users
 *
 * Of two strategies a prior is a score of HAK_PRIOR_PAIRS pairs at most. It moves the ratings that people see
 * and who plays first or more often, never who wins: contests, trials and canaries are judged by functions
 * that get none. Of several users the median one speaks, who knows nothing included, so that nobody moves
 * more than his own.
 *
 * Imported ones are kept apart from what is evidence, in STATE_DIR/priors.json, which is an export itself
 * (exchange.h): importing merges, in any order, any number of times.
 *
 * One thread.
 */
#ifndef HAK_PRIORS_H
#define HAK_PRIORS_H

#include "learned.h"

#define HAK_PRIORS_FILE "priors.json"

enum {
	HAK_PRIOR_PAIRS = 4,
	HAK_PRIORS_CONTEXTS = 10000, /* imported */
	HAK_PRIORS_TALLIES = 1 << 18,
};

enum hak_prior_source { HAK_PRIOR_NONE, HAK_PRIOR_PROGRAM, HAK_PRIOR_IMPORTED, HAK_PRIOR_ALL };

/* Of one context. */
struct hak_prior {
	enum hak_prior_source source;
	struct hak_score score[HAK_STRATEGY_COUNT][HAK_STRATEGY_COUNT]; /* [a][b] with a < b only */
};

/* What all contexts have of (program, user, two strategies). */
struct hak_prior_sum {
	uint64_t program; /* hash of its name; 0: of all programs */
	uint32_t uid;
	uint8_t a, b;
	uint16_t reserved;
	struct hak_score score;
};

struct hak_imported {
	struct hak_learned_table contexts;
	size_t tallies;
};

struct hak_priors {
	uint32_t week; /* in which the sums weigh what they do; 0: nobody has asked yet, and there are none */
	void *local, *from_elsewhere; /* owned; trees of sums, as tsearch() has them */
	struct hak_imported imported;
	int unreadable; /* 0; why STATE_DIR/priors.json is left alone */
	bool unsaved;
};

void hak_priors_deinit(struct hak_priors *priors);

/* Sums anew: of what was imported; each of this host's contexts is to be taken in then. Without memory there
 * are fewer. From then on they follow, so that nobody who tells much has all of them summed up again. */
void hak_priors_begin(struct hak_priors *priors, uint32_t week);
/* A context comes, and goes; and before and after it changes otherwise than by what is told. */
void hak_priors_take_in(struct hak_priors *priors, const struct hak_learned *learned);
void hak_priors_take_out(struct hak_priors *priors, const struct hak_learned *learned);
/* Some pairs came new with this week. */
void hak_priors_add(struct hak_priors *priors, const struct hak_learned *learned,
		    const struct hak_tally_entry *more);

/* For a context that is itself in the sums. */
void hak_priors_find(const struct hak_priors *priors, const struct hak_learned *learned,
		     struct hak_prior *ret_prior);

/* "program" and so on; NULL for none. */
const char *hak_prior_source_name(enum hak_prior_source source);

/* As hak_learned_rate(), with the prior: for people. @ret_pairs: how many of its pairs a strategy has from
 * the prior; they are not in ret_rating[].pairs. */
void hak_prior_rate(const struct hak_prior *prior, const struct hak_learned *learned, uint32_t week,
		    struct hak_rating ret_rating[HAK_STRATEGY_COUNT], uint64_t ret_pairs[HAK_STRATEGY_COUNT]);

/* How much better @strategy seems to be than @other by the prior alone; Q20, 0 where it says nothing. */
int32_t hak_prior_promise(const struct hak_prior *prior, unsigned strategy, unsigned other);

/* ---- priors_file.c ----------------------------------------------------------------------------------- */

/* At start: what was imported before. What cannot be read is said in the journal. */
void hak_priors_load(struct hak_priors *priors, int state_fd);

/**
 * hak_priors_import() - another host's export
 * @own: this host's incarnation, whose tallies are no prior
 * @ret_tallies, @ret_news: that were in it, and that rose; set on success only
 * Return: 0: it is unsaved; else nothing was taken: -EBADMSG (damaged), -EPROTONOSUPPORT (a later schema),
 * -ENOBUFS (more than a host keeps), -EEXIST (priors.json is a later version's), -ENOMEM.
 */
int hak_priors_import(struct hak_priors *priors, const char *text, uint64_t own, uint64_t *ret_tallies,
		      uint64_t *ret_news);
/* The text of HAK_PRIORS_FILE. Return: the caller's to free; NULL without memory. */
char *hak_priors_format(const struct hak_priors *priors);

#endif
