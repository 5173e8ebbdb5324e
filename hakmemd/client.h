/* SPDX-License-Identifier: MIT */
/*
 * A client: one telemetry file under clients/ and the processes that write to its slots (its creator and the
 * children that were forked from it). The file belongs to a stranger: it is opened, checked, read once with
 * pread into a private buffer, validated there, and closed again. What is kept of it is `struct hak_sample`.
 *
 * Descriptors: none is kept, neither of the file nor of its processes.
 * Memory: about 0.4 KiB a client, 1 KiB a part of its file (one, where it has few children at a time), and
 * 0.7 KiB a live slot.
 */
#ifndef HAK_CLIENT_H
#define HAK_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "context.h"
#include "policy.h"
#include "process_check.h"
#include "score.h"
#include "tallies.h"
#include "telemetry.h"

enum { HAK_SLOT_LINE_BYTES = 64 };

/* The last accepted content of a slot. */
struct hak_sample {
	uint64_t start_usec;
	uint64_t applied_serial;
	uint64_t policy_word; /* 0: none applied yet */
	uint64_t publishes;
	uint64_t log_written;
	uint32_t pinned; /* enum hak_pin bits */
	uint32_t page_bytes;
	uint32_t inner_pid;    /* what the process calls itself */
	uint32_t state;        /* enum hak_slot_state */
	uint32_t window_ticks; /* of its games, as it found them right; 0: none yet */
	uint32_t trial_cpu_usec, trial_peak_kib; /* of its trial */
	uint64_t counter[HAK_COUNTER_COUNT];
	uint64_t gauge[HAK_GAUGE_COUNT];
	uint64_t fatal_usec; /* 0: no last words */
	uint64_t fatal_address;
	char fatal_text[HAK_TELEMETRY_FATAL_CHARS];
};

enum hak_slot_phase {
	HAK_PHASE_FREE,       /* no claim that was not folded */
	HAK_PHASE_NEW,        /* claimed; whose it is is not settled */
	HAK_PHASE_LIVE,       /* verified: it maps the file */
	HAK_PHASE_UNVERIFIED, /* somebody may be there, whose memory map this daemon may not see */
	HAK_PHASE_ENDED,      /* to be folded */
};

struct hak_client;
struct hak_learned;
struct hak_registry;

/* What the file tells of two strategies, as last accepted; see struct hak_tally_record. */
struct hak_client_score {
	uint64_t strategy[2]; /* keys */
	struct hak_score score;
};

/*
 * What processes of the file have cost, for trials (learner_trial.c). Those that found no slot, or ended
 * while no daemon ran, are neither in the work nor in its cost.
 */
struct hak_client_cost {
	/* Allocations of the creator, frees of its children, whose allocations count what they inherited. */
	uint64_t work;
	uint64_t cpu_usec;
	uint32_t peak_kib; /* of the one that had most */
};

/* A start: the creator and its children. */
struct hak_client_run {
	uint64_t start_usec;   /* of the creator, 0: nothing told yet */
	uint64_t mapped_bytes; /* by the one that mapped most, at most */
	uint32_t trial;        /* 1 + the strategy that it runs for a trial; 0: none */
	struct hak_client_cost ended; /* of claims that were folded */
	struct hak_client_cost cost;  /* of those, and of the others as last read */
};

/* Whether a process has moved; reclaim.c's. */
struct hak_stillness {
	uint64_t publishes, cpu_ticks; /* as last seen */
	uint64_t since_usec;           /* that they are so */
	bool reclaimed;                /* while it was still */
	unsigned losses;               /* of the helper's link, then */
};

struct hak_slot {
	struct hak_client *client;
	uint16_t index; /* through all parts */
	enum hak_slot_phase phase;
	uint32_t claims;    /* the claim that all below is about */
	uint32_t folded;    /* the last claim that the tallies have */
	uint32_t freeing;   /* that is in the batch under way, or in the last one */
	uint32_t freed;     /* that is on the disk; what slots_freed says */
	uint8_t attempts;   /* to settle the pid */
	uint64_t seen_usec; /* when that began; 0: not yet */
	uint64_t log_told;  /* lines of its log that were passed on */
	pid_t pid;          /* in this daemon's namespace; 0: unknown */
	uint64_t born;      /* of that process, as struct hak_process_life has it */
	uint64_t faults;    /* of that process, at the last look; of programs before an exec, too */
	char comm[HAK_COMM_CHARS + 1]; /* at the last look */
	bool asked;                    /* hakmem-helper is asked who it is */
	struct hak_sample *sample;     /* NULL until a child has filled its claim */
	struct hak_stillness still;
	uint64_t collapsed_word;   /* policy under which huge pages were asked for; collapse.c's */
	uint64_t pressed_usec;     /* when it last gave memory because it was short; 0: never. reclaim.c's */
	SLIST_ENTRY(hak_slot) same_pid; /* registry's: while it has a pid */
};

/* Seven slots, with an entry of their own in the control segment; part 0's is the client's. */
struct hak_part {
	struct hak_slot slot[HAK_TELEMETRY_SLOTS];
};

/* On the way out: nobody uses its file any more, which goes when all that it told is durable. */
enum hak_leaving {
	HAK_LEAVING_NOT,
	HAK_LEAVING_WAITS,   /* for the next batch of writes */
	HAK_LEAVING_WRITING, /* in the one under way */
	HAK_LEAVING_DURABLE,
};

struct hak_client {
	char name[HAK_TELEMETRY_NAME_CHARS + 1];
	struct hak_key key;
	uint64_t id; /* rises with each client; the order of lists and cursors */
	uint64_t inode;
	uid_t uid;        /* owner of the file; (uid_t)-1 until it was opened */
	bool accepted;    /* its content was valid once */
	bool distrusted;  /* its counters fell: read no more, ends with its process */
	bool direct;      /* its pids are pids of our namespace */
	bool file_folded; /* forks_untracked is in the tallies */
	bool frees;       /* of some slot freed is not folded */
	bool published;   /* has an entry in the control segment */
	bool gone;        /* the file is not there any more */
	uint32_t library_version;
	uint64_t forks_untracked; /* as the file tells */
	uint64_t unseen;          /* children in parts that are not read */
	struct hak_context_place place;
	struct hak_key context;               /* zero: program unknown */
	char *exe;                            /* owned; NULL: unknown */
	uint8_t build_id[HAK_BUILD_ID_BYTES]; /* of it; zeros: none, or unknown */
	uint64_t policy_word;                 /* as published for it; 0: the global one */
	enum hak_policy_source source;
	uint64_t purge_request;          /* as published; 0: none since this daemon began */
	struct hak_client_score *scores; /* owned; by record, of which the later ones may be absent */
	size_t score_count;
	struct hak_learned *learned;  /* borrowed, of its context; NULL: not known yet */
	struct hak_schedule schedule; /* as published */
	bool canary;                  /* plays one */
	bool came_late;               /* when its context had a shortlist already */
	struct hak_client_run run;
	uint8_t trial; /* 1 + the strategy that it was given for a trial; 0: none, or its result is known */
	uint16_t slots_used; /* none was ever claimed from this one on: loops stop here */
	uint8_t part_count;  /* that are read; each counts as a file of its user */
	uint8_t parts_told;  /* that its file says it has; more than are read if its user has too many */
	struct hak_part **part; /* owned, each of them as well: slots stay where they are */
	/* registry's */
	struct hak_registry *registry;
	bool recheck; /* one of its processes may have become another program */
	bool let_go;  /* nobody has its file mapped any more, as inotify told */
	SLIST_ENTRY(hak_client) same_hash;
	struct hak_client *previous, *next;
	uint64_t seen_usec;   /* first sight */
	uint64_t due_usec;    /* 0: nothing to do before the sweep */
	uint32_t due_place;   /* due.c's; 0: not in its queue */
	uint32_t delay_usec;  /* between the last look and the next, while it is young or forks */
	uint64_t forked_usec; /* a child claimed a slot then; 0: long ago, or never */
	uint64_t empty_usec;  /* since when no slot is in use; 0: some are */
	uint8_t attempts;     /* to read a file that is not valid yet */
	enum hak_leaving leaving;
};

/* A claim has ended, and its sample goes: it still counts in what the start cost. */
void hak_client_end_cost(struct hak_slot *slot);

/* @name was checked with hak_telemetry_key(). Of one part. Return: NULL without memory. */
struct hak_client *hak_client_new(const char *name);
void hak_client_free(struct hak_client *client);
/* One part more. Return: 0, -ENOMEM. */
int hak_client_add_part(struct hak_client *client);

/* @index: below HAK_TELEMETRY_SLOTS times part_count. */
static inline struct hak_slot *hak_client_slot(const struct hak_client *client, size_t index)
{
	return &client->part[index / HAK_TELEMETRY_SLOTS]->slot[index % HAK_TELEMETRY_SLOTS];
}

/* All that were ever claimed: NULL begins, and NULL ends. */
static inline struct hak_slot *hak_client_next_slot(const struct hak_client *client,
						    const struct hak_slot *previous)
{
	size_t index = previous ? previous->index + 1u : 0;

	return index < client->slots_used ? hak_client_slot(client, index) : NULL;
}

#define HAK_FOREACH_SLOT(slot, client) \
	for (struct hak_slot *slot = NULL; (slot = hak_client_next_slot(client, slot));)

/* The creator's; of a child once that has ended. */
static inline struct hak_slot *hak_client_creator(const struct hak_client *client)
{
	return &client->part[0]->slot[0];
}

/* The path of what it runs; else its name, for want of a better one. */
static inline const char *hak_client_program(const struct hak_client *client)
{
	return client->exe ? client->exe : hak_client_creator(client)->comm;
}

enum hak_client_news {
	HAK_NEWS_CLAIMS = 1 << 0, /* a slot was claimed since the last read */
	HAK_NEWS_LOG = 1 << 1,    /* a slot has lines that were not passed on */
	HAK_NEWS_PARTS = 1 << 2,  /* the file has parts that are not read */
};

/**
 * hak_client_read() - look at the file, take samples
 * @ret_news: enum hak_client_news bits; may be NULL
 * New claims put their slot into HAK_PHASE_NEW. An unsteady copy is read once more.
 * Return: 0; -ENOENT (gone, or another file by now); -EPROTO (not whole, or no telemetry); -ERANGE (it lies);
 *         -EINVAL (no regular file); or what the kernel said.
 */
int hak_client_read(struct hak_client *client, const struct hak_client_home *home, unsigned *ret_news);

/* How many children claimed slots in parts that the file has and that are not read: into client->unseen. */
void hak_client_count_unseen(struct hak_client *client, const struct hak_client_home *home);

/* Line @number of a slot's log, of the last HAK_TELEMETRY_LOG_LINES. NULL where its client is not the one
 * that was read last, whole and accepted: what is there then is not safe to use. */
const struct hak_log_line *hak_client_log_line(const struct hak_slot *slot, uint64_t number);

/* What WaitApplied polls: one line of one slot, nothing kept. */
struct hak_client_line {
	uint32_t claims;
	uint64_t applied_serial;
	uint32_t pinned;
	uint64_t publishes;
	uint64_t purges_done;
};
int hak_client_read_line(const struct hak_client *client, const struct hak_client_home *home, unsigned slot,
			 struct hak_client_line *ret_line);

struct hak_helper_request;

/**
 * hak_client_read_ranges() - the lazily freed ranges of one slot, just now, as a request to the helper
 * @ret_request: version and pid are left alone
 * Return: 0; -ENODATA: none is published; or as hak_client_read().
 */
int hak_client_read_ranges(const struct hak_slot *slot, const struct hak_client_home *home,
			   struct hak_helper_request *ret_request);

/* Find out who the client is, by a process that is it. @comm: its name, for want of a better one. */
void hak_client_identify(struct hak_client *client, pid_t pid, const char *comm);

void hak_client_take_executable(struct hak_client *client, const struct hak_executable *executable);

/* Then it has a sample, too. */
static inline bool hak_slot_has_process(const struct hak_slot *slot)
{
	return slot->phase == HAK_PHASE_LIVE || slot->phase == HAK_PHASE_UNVERIFIED;
}

#endif
