/* SPDX-License-Identifier: MIT */
/*
 * A telemetry file, RUNTIME_DIR/clients/NAME: made by a process in libhakmem's constructor, written by it and
 * by the children that it forks, read by hakmemd with pread and never believed before
 * hak_telemetry_validate().
 *
 * NAME is 32 hexadecimal digits (128 random bits). The process's key is a hash of NAME, so that the
 * world-readable control segment does not tell where anybody's telemetry lies.
 *
 * Layout: parts of 16 KiB, each a header of 2 KiB, then HAK_TELEMETRY_SLOTS slots of 2 KiB. Slot 0 of part 0
 * is the creator's. A forked child claims another by compare-and-swap of `claims`; the daemon says in the
 * part's control entry which claims have ended (slots_freed), and a slot is free while both are equal.
 *
 * The file is as long as HAK_TELEMETRY_PARTS parts, but only the first is there from the beginning: the rest
 * is a hole, which costs nothing. A child that finds no free slot opens the next part, where the file system
 * has room for it. All that is about the whole file (tallies, forks_untracked) is in the header of part 0.
 *
 * Who may run with whom (a slot has one writing process; its threads publish under a lock of libhakmem):
 *
 *               | claim    | open a part     | publish in the same slot | daemon's pread
 *   claim       | yes [T1] | yes [T2]        | no: claimed first        | yes
 *   open a part | yes [T2] | yes: same bytes | yes                      | yes [T2]
 *   publish     | no       | yes             | no: libhakmem's lock     | yes: validate clamps what is torn
 *
 * [T1] slot.claims: compare-and-swap, acq_rel.
 * [T2] parts_open: raised by compare-and-swap, release, once the part is there; acquire before it is touched.
 */
#ifndef HAK_SHM_TELEMETRY_H
#define HAK_SHM_TELEMETRY_H

#include "control.h"
#include "counters.h"

#define HAK_TELEMETRY_MAGIC     UINT64_C(0x314d454c4b4148ff) /* "\xffHAKLEM1" in memory order */
#define HAK_TELEMETRY_ABI_MINOR 0

enum {
	HAK_TELEMETRY_NAME_CHARS = 32,
	HAK_TELEMETRY_SLOT_BYTES = 2048,
	HAK_TELEMETRY_HEADER_BYTES = 2048,
	HAK_TELEMETRY_COUNTERS = 64,
	HAK_TELEMETRY_GAUGES = 16,
	HAK_TELEMETRY_TALLIES = 31,
	HAK_TELEMETRY_RANGES = 96,
	HAK_RANGE_PAGES_BITS = 24, /* of a range's word */
	HAK_TELEMETRY_LOG_LINES = 6,
	HAK_TELEMETRY_LOG_CHARS = 56,
	HAK_TELEMETRY_FATAL_CHARS = 96,
};

/* What no honest file exceeds. */
#define HAK_TELEMETRY_ADDRESS_MAX (UINT64_C(1) << 56) /* bytes of user address space on any machine */
#define HAK_TELEMETRY_COUNTER_MAX (UINT64_C(1) << 62) /* two of them can be added */
#define HAK_TELEMETRY_FREED_SLACK (UINT64_C(1) << 48) /* more freed than allocated: torn copies do */
#define HAK_TELEMETRY_THREADS_MAX (UINT64_C(1) << 22) /* the kernel's limit of pids; of heaps as well */
static_assert((int)HAK_COUNTER_COUNT <= (int)HAK_TELEMETRY_COUNTERS, "counters fit a slot");
static_assert((int)HAK_GAUGE_COUNT <= (int)HAK_TELEMETRY_GAUGES, "gauges fit a slot");

enum hak_slot_state {
	HAK_SLOT_EMPTY,  /* never claimed */
	HAK_SLOT_LIVE,   /* claimed by a process */
	HAK_SLOT_EXITED, /* that process said good-bye; its last publish is final */
	HAK_SLOT_STATE_COUNT
};

/* Which fields of the policy the process took from its environment (it is pinned where MODE is set). */
enum hak_pin {
	HAK_PIN_MODE = 1 << 0,
	HAK_PIN_THP = 1 << 1,
	HAK_PIN_FREE_POLICY = 1 << 2,
	HAK_PIN_EVOLUTION = 1 << 3,
	HAK_PIN_BIGCACHE = 1 << 4,
	HAK_PIN_BATCH = 1 << 5,
	HAK_PIN_THREAD_BINS = 1 << 6,
	HAK_PIN_LOG = 1 << 7,
	HAK_PIN_ALL = (1 << 8) - 1
};

struct hak_log_line {
	uint64_t time_usec;                 /* CLOCK_REALTIME (coarse) */
	char text[HAK_TELEMETRY_LOG_CHARS]; /* NUL-terminated */
};
static_assert(sizeof(struct hak_log_line) == 64, "log line");

/* Last words: why the process aborted itself. */
struct hak_fatal_record {
	uint64_t time_usec;
	uint64_t address;         /* the pointer complained of */
	_Atomic uint32_t written; /* 1 once the rest is whole (release) */
	uint32_t pid;
	uint8_t reserved[8];
	char text[HAK_TELEMETRY_FATAL_CHARS]; /* what stderr was told, cut, NUL-terminated */
};
static_assert(sizeof(struct hak_fatal_record) == 128, "fatal record");

/* A lazily freed range, packed: page number << 24 | pages. Zero: none. */
typedef uint64_t hak_range_word;

enum hak_game_phase {
	HAK_GAME_NONE,   /* plays nothing */
	HAK_GAME_WATCH,  /* counts what each strategy would do; strategy 0 is in force */
	HAK_GAME_PLAY,   /* two strategies by turns */
	HAK_GAME_FROZEN, /* has decided by itself */
	HAK_GAME_CANARY, /* has, and plays against the nearest rival for a moment */
	HAK_GAME_PHASE_COUNT
};

/* What the process plays now. Each field is right by itself. */
struct hak_game_report {
	_Atomic uint64_t game_id;          /* of the schedule that it obeys; 0: decides itself */
	_Atomic uint32_t phase;            /* enum hak_game_phase */
	_Atomic uint32_t strategies;       /* in force | A << 8 | B << 16 */
	_Atomic uint32_t window_ticks;     /* a window's work, in 128 frees or one large free */
	_Atomic uint32_t operations;       /* new slabs and large blocks until it was decided */
	_Atomic uint32_t scatter_permille; /* of the windows */
	_Atomic uint32_t pairs;            /* of this learning */
	_Atomic uint32_t trial_cpu_usec;   /* while slot.trial is not 0: CPU time since the process began, */
	_Atomic uint32_t trial_peak_kib;   /* and the most that was resident; both stop at their end */
};
static_assert(sizeof(struct hak_game_report) == 40, "game report");

struct hak_telemetry_slot {
	_Atomic uint32_t claims;         /* [T1] how often the slot was claimed */
	_Atomic uint32_t state;          /* enum hak_slot_state */
	uint32_t pid;                    /* in the process's own pid namespace */
	uint32_t parent_pid;             /* of a forked child; 0 in the creator's claim of slot 0 */
	uint64_t start_usec;             /* CLOCK_REALTIME when claimed */
	_Atomic uint64_t applied_serial; /* the control serial whose policy is in force */
	_Atomic uint64_t policy_word;    /* the policy in force, overrides included */
	uint32_t pinned;                 /* enum hak_pin bits */
	uint32_t page_bytes;
	_Atomic uint64_t publishes;       /* counts publishes; even: counters at rest */
	_Atomic uint64_t purges_done;     /* the purge_request last obeyed */
	uint64_t log_written;             /* lines ever written; line i is log[i % LINES] */
	_Atomic uint64_t ranges_sequence; /* even: ranges at rest */
	_Atomic uint32_t filled_claims;   /* the claim that this content belongs to; stored last */
	_Atomic uint32_t trial; /* 1 + the strategy run since the first allocation for a trial; 0: none */
	struct hak_game_report game;

	_Atomic uint64_t counter[HAK_TELEMETRY_COUNTERS]; /* enum hak_counter */
	_Atomic uint64_t gauge[HAK_TELEMETRY_GAUGES];     /* enum hak_gauge */
	_Atomic hak_range_word range[HAK_TELEMETRY_RANGES];
	struct hak_log_line log[HAK_TELEMETRY_LOG_LINES];
	struct hak_fatal_record fatal;
};
static_assert(sizeof(struct hak_telemetry_slot) == HAK_TELEMETRY_SLOT_BYTES, "slot");
static_assert(offsetof(struct hak_telemetry_slot, state) == 4, "state");
static_assert(offsetof(struct hak_telemetry_slot, pid) == 8, "pid");
static_assert(offsetof(struct hak_telemetry_slot, start_usec) == 16, "start_usec");
static_assert(offsetof(struct hak_telemetry_slot, applied_serial) == 24, "applied_serial");
static_assert(offsetof(struct hak_telemetry_slot, policy_word) == 32, "policy_word");
static_assert(offsetof(struct hak_telemetry_slot, pinned) == 40, "pinned");
static_assert(offsetof(struct hak_telemetry_slot, publishes) == 48, "publishes");
static_assert(offsetof(struct hak_telemetry_slot, purges_done) == 56, "purges_done");
static_assert(offsetof(struct hak_telemetry_slot, log_written) == 64, "log_written");
static_assert(offsetof(struct hak_telemetry_slot, ranges_sequence) == 72, "ranges_sequence");
static_assert(offsetof(struct hak_telemetry_slot, filled_claims) == 80, "filled_claims");
static_assert(offsetof(struct hak_telemetry_slot, trial) == 84, "trial");
static_assert(offsetof(struct hak_telemetry_slot, game) == 88, "game");
static_assert(offsetof(struct hak_telemetry_slot, counter) == 128, "counter");
static_assert(offsetof(struct hak_telemetry_slot, gauge) == 640, "gauge");
static_assert(offsetof(struct hak_telemetry_slot, range) == 768, "range");
static_assert(offsetof(struct hak_telemetry_slot, log) == 1536, "log");
static_assert(offsetof(struct hak_telemetry_slot, fatal) == 1920, "fatal");

/*
 * Results of pairs of games between two strategies, of all processes of the file together: everything but the
 * keys only rises, atomically. There may be several records of one pair of strategies; their sum counts.
 */
struct hak_tally_record {
	_Atomic uint64_t key[2];     /* of strategies A and B, A's is less. [0]: 0 free; [1]: 0 not ready */
	_Atomic uint32_t outcome[5]; /* for A: lost both, one; even; won one, both */
	uint32_t reserved;
	_Atomic uint64_t sum_plus;  /* of log ratios cost B : cost A that are positive: A was cheaper */
	_Atomic uint64_t sum_minus; /* of the others, negated */
	_Atomic uint64_t sum_squares;
};
static_assert(sizeof(struct hak_tally_record) == 64, "tally record");

/* One part: for a file that has no others the whole file. */
struct hak_telemetry_file {
	uint64_t magic; /* written last, once */
	uint16_t abi_minor;
	uint16_t header_bytes;
	uint16_t slots;
	uint16_t slot_bytes;
	uint32_t library_version;         /* major << 16 | minor << 8 | patch */
	uint32_t pid;                     /* the creator's, in its own namespace */
	uint64_t segment_id;              /* of the control segment that it follows; 0: none */
	_Atomic uint64_t forks_untracked; /* children that found no free slot */
	_Atomic uint32_t parts_open;      /* [T2] parts of the file that are there; 0: one */
	_Atomic uint32_t part_last;       /* hints: where the last child found a slot, */
	_Atomic uint32_t part_next;       /* and where to go on searching beside that */
	uint8_t reserved[12];
	struct hak_tally_record tally[HAK_TELEMETRY_TALLIES];
	struct hak_telemetry_slot slot[HAK_TELEMETRY_SLOTS];
};
static_assert(sizeof(struct hak_telemetry_file) == 16384, "file");
static_assert(offsetof(struct hak_telemetry_file, library_version) == 16, "library_version");
static_assert(offsetof(struct hak_telemetry_file, segment_id) == 24, "segment_id");
static_assert(offsetof(struct hak_telemetry_file, forks_untracked) == 32, "forks_untracked");
static_assert(offsetof(struct hak_telemetry_file, parts_open) == 40, "parts_open");
static_assert(offsetof(struct hak_telemetry_file, tally) == 64, "tally");
static_assert(offsetof(struct hak_telemetry_file, slot) == HAK_TELEMETRY_HEADER_BYTES, "slot");

#define HAK_TELEMETRY_BYTES_MAX (HAK_TELEMETRY_PARTS * sizeof(struct hak_telemetry_file))
enum { HAK_TELEMETRY_SLOTS_MAX = HAK_TELEMETRY_PARTS * HAK_TELEMETRY_SLOTS };

/* Where slot @index lies, counted through all parts. */
static inline size_t hak_telemetry_slot_offset(unsigned index)
{
	return index / HAK_TELEMETRY_SLOTS * sizeof(struct hak_telemetry_file) +
	       HAK_TELEMETRY_HEADER_BYTES + index % HAK_TELEMETRY_SLOTS * HAK_TELEMETRY_SLOT_BYTES;
}

/* The key of a part's control entry; @file: the file's, which is part 0's. */
static inline struct hak_key hak_telemetry_part_key(const struct hak_key *file, unsigned part)
{
	/* Both words are random bits; odd factors keep the parts of a file apart. */
	return (struct hak_key){{file->word[0] + part * UINT64_C(0x9e3779b97f4a7c15),
				 file->word[1] + part * UINT64_C(0xc2b2ae3d27d4eb4f)}};
}

/* And back: the file's, of a part's. */
static inline struct hak_key hak_telemetry_file_key(const struct hak_key *key, unsigned part)
{
	return (struct hak_key){{key->word[0] - part * UINT64_C(0x9e3779b97f4a7c15),
				 key->word[1] - part * UINT64_C(0xc2b2ae3d27d4eb4f)}};
}

/* ---- the process (telemetry_writer.c): no malloc, preserves errno ------------------------------------ */

/**
 * hak_telemetry_create() - make and map this process's file, slot 0 claimed
 * @header:   the mapped control segment, or NULL where there is none; STOPPED gives -ESHUTDOWN
 * @ret_file: set on success only; HAK_TELEMETRY_BYTES_MAX mapped shared, the descriptor is closed
 * @ret_key:  hash of the name
 * Syscalls: getpid, openat(O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC, 0644), prlimit (exceeding RLIMIT_FSIZE
 *           would raise SIGXFSZ), fchmod (the umask), fallocate, ftruncate (where that fails the file has but
 *           one part), mmap, close; unlink after a failure.
 * Return: 0, -ESHUTDOWN, -EFBIG (RLIMIT_FSIZE), or what the kernel said (the caller goes on without
 *         telemetry, silently).
 */
int hak_telemetry_create(const char *runtime_dir, const struct hak_control_header *header,
			 uint32_t library_version, struct hak_telemetry_file **ret_file,
			 struct hak_key *ret_key);

/* Zeros, then who and when, then the claim that all this belongs to. */
void hak_telemetry_fill_slot(struct hak_telemetry_slot *slot, uint32_t claim, uint32_t pid,
			     uint32_t parent_pid);

/* In telemetry_claim.c: */

/**
 * hak_telemetry_claim() - a forked child's own slot
 * @file:    as hak_telemetry_create() mapped it
 * @key:     the file's
 * @control: says which slots are free again; NULL: only those never claimed are
 * Looks at four parts at most, then opens a new one.
 * Threads: the only one of a child. Syscalls: madvise(MADV_POPULATE_WRITE) for a part that is opened, once in
 * seven children at most and 127 times in the life of a file. Return: 0; -EBUSY (forks_untracked was
 * counted).
 */
int hak_telemetry_claim(struct hak_telemetry_file *file, const struct hak_key *key,
			const struct hak_control_header *control, uint32_t pid, uint32_t parent_pid,
			struct hak_telemetry_slot **ret_slot);

/**
 * hak_telemetry_claim_slot() - a slot of one part
 * @slots_freed: from the part's control entry; NULL: only slots never claimed are free
 * Return: the slot's number; -EBUSY: none is free.
 */
int hak_telemetry_claim_slot(struct hak_telemetry_file *part, const uint32_t *slots_freed, uint32_t pid,
			     uint32_t parent_pid);

/* One line into the slot's ring, cut to HAK_TELEMETRY_LOG_CHARS with its NUL. One writer at a time. */
void hak_telemetry_log(struct hak_telemetry_slot *slot, const char *text);

/* ---- the daemon (telemetry_reader.c) ----------------------------------------------------------------- */

/* In telemetry_key.c, for both sides. Return: 0; -EINVAL where @name is not 32 lower-case hex digits. */
int hak_telemetry_key(const char *name, struct hak_key *ret_key);

/**
 * hak_telemetry_validate() - make a copied part safe to use, or refuse it
 * @file:     a private copy, just read; changed in place (clamped, strings cleaned, unknown states emptied)
 * @length:   bytes that were read
 * @previous: the last accepted copy, or NULL; counters may not fall within one claim of a slot
 * Return: 0; -EPROTO (short, wrong magic, sizes or version); -ERANGE (counters fell or are absurd: more freed
 *         than allocated by over 2^48, gauges beyond the address space).
 * A copy taken while a child claims a slot may be torn so that counters seem to fall: read once more before
 * judging an -ERANGE. A slot in state EMPTY with claims != 0 is being claimed. After -EPROTO and -ERANGE the
 * copy is not safe to use.
 */
int hak_telemetry_validate(struct hak_telemetry_file *file, size_t length,
			   const struct hak_telemetry_file *previous);

#endif
