/* SPDX-License-Identifier: MIT */
/* A learner over directories of its own, clients that are made here, and what its owner was told. */
#ifndef HAK_LEARNER_FIXTURE_H
#define HAK_LEARNER_FIXTURE_H

#include "learner.h"

enum { LEARNER_UID = 1000 };

extern struct hak_control_writer learner_writer;
extern struct hak_learner learner;
extern int learner_state_fd;

/* What the owner was told. */
struct learner_told {
	char what[32]; /* the last decision */
	unsigned decisions, changes, poisonings;
	enum hak_mode mode; /* that all clients run in */
	bool disk_is_slow;  /* what wants to be saved waits for learner_write() */
};
extern struct learner_told told;

struct player {
	struct hak_client client;
	struct hak_part part, *parts;
	struct hak_sample sample;
	struct hak_client_score score;
};

void learner_set_up(void);
void learner_tear_down(void);
/* All that wants to be saved, or fails with @result. */
void learner_write(int result);
/* As a daemon that ends, and starts again: after learner_end(). */
void learner_begin(void);
void learner_end(void);

/* A process of /usr/bin/program, LEARNER_UID's. */
void begin_player(struct player *player, uint64_t number, uint64_t context);
/* It has played so many pairs more of @a and @b, a cheaper by @ratio (Q20). */
void play(struct player *player, unsigned a, unsigned b, unsigned pairs, int32_t ratio);
void learner_second(struct player *player, bool pressure);

#endif
