/* SPDX-License-Identifier: MIT */
/*
 * The control segment, RUNTIME_DIR/control.v1: written by hakmemd alone, mapped read-only by every process.
 *
 * Layout: one header page, the contexts table, the processes table. Each table is an array of buckets of
 * eight entries; a key may live in either of two buckets. Each entry holds two copies of its payload: the
 * writer fills the copy that nobody reads and then flips `sequence` with one store. So a writer stopped
 * between any two stores leaves every entry whole: the old one, or the new one.
 *
 * Who may run with whom (one writer, any number of readers in other processes):
 *
 *                  | snapshot / find            | header loads
 *   publish        | yes [S1]                   | yes [S2]
 *   another publish| never: one daemon holds the segment's lock
 *
 * [S1] entry.sequence: release by the writer after the copy is whole, acquire by the reader before it copies.
 * [S2] header.serial: release by the writer after all entries and the policy word of this change; the slow
 *      path's look is relaxed (a late look only delays), applying loads it again with acquire.
 *
 * docs/shm-protocol.md is the normative description.
 */
#ifndef HAK_SHM_CONTROL_H
#define HAK_SHM_CONTROL_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HAK_CONTROL_FILE      "control.v1"
#define HAK_CLIENTS_DIR       "clients"
#define HAK_CONTROL_MAGIC     UINT64_C(0x314c52544b4148ff) /* "\xffHAKTRL1" in memory order */
#define HAK_CONTROL_ABI_MINOR 0

enum hak_segment_state {
	HAK_SEGMENT_DEFAULT, /* allocated at boot, no daemon has run yet */
	HAK_SEGMENT_LIVE,    /* a daemon runs; believe it while the heartbeat moves */
	HAK_SEGMENT_STOPPED, /* the daemon ended cleanly; make no new telemetry */
	HAK_SEGMENT_STATE_COUNT
};

struct hak_key {
	uint64_t word[2]; /* both zero: no entry */
};
static_assert(sizeof(struct hak_key) == 16, "key");

/* Costs of this machine, calibrated once by the daemon, in ns; zero where unknown. */
struct hak_machine_costs {
	uint32_t fault_small_ns;
	uint32_t fault_huge_ns;
	uint32_t populate_page_ns;
	uint32_t madvise_page_ns;
	uint32_t syscall_ns;
	uint32_t reserved[3];
};
static_assert(sizeof(struct hak_machine_costs) == 32, "machine costs");

/* What the system says of huge pages: /sys/kernel/mm/transparent_hugepage/enabled. */
enum hak_system_thp { HAK_SYSTEM_THP_UNKNOWN, HAK_SYSTEM_THP_SOME, HAK_SYSTEM_THP_NEVER };

struct hak_control_header {
	/* line 0: what the slow paths look at. Written by the daemon. */
	uint64_t magic;
	uint16_t abi_minor;
	uint16_t header_bytes;        /* 4096 */
	_Atomic uint32_t state;       /* enum hak_segment_state */
	uint64_t segment_id;          /* random, never changes for this inode */
	_Atomic uint64_t heartbeat;   /* counts up while the daemon lives, about once a second */
	_Atomic uint64_t serial;      /* [S2] counts changes; 0: nothing was ever published */
	_Atomic uint64_t policy_word; /* the global policy, hak_policy_pack() */
	_Atomic uint64_t pending;     /* the serial that a change under way will end with; 0: none */
	_Atomic uint32_t system_thp;  /* enum hak_system_thp, as the daemon last saw it */
	uint32_t line0_reserved;
	/* line 1: geometry. Written once, before magic. */
	uint64_t total_bytes; /* of the file */
	uint32_t contexts_offset_bytes;
	uint32_t contexts_count; /* entries, a power of two */
	uint32_t processes_offset_bytes;
	uint32_t processes_count; /* entries, a power of two */
	uint32_t geometry_crc;    /* hak_crc32c() over line 1 with this field zero */
	uint32_t line1_reserved[9];
	/* line 2 */
	struct hak_machine_costs costs;
	_Atomic uint32_t starts; /* start keys that were ever published; 0: there is none to look for */
	uint32_t line2_reserved[7];
	uint8_t page_reserved[4096 - 192]; /* begins a line: it is read by words */
};
static_assert(sizeof(struct hak_control_header) == 4096, "header page");
static_assert(offsetof(struct hak_control_header, abi_minor) == 8, "abi_minor");
static_assert(offsetof(struct hak_control_header, header_bytes) == 10, "header_bytes");
static_assert(offsetof(struct hak_control_header, state) == 12, "state");
static_assert(offsetof(struct hak_control_header, segment_id) == 16, "segment_id");
static_assert(offsetof(struct hak_control_header, heartbeat) == 24, "heartbeat");
static_assert(offsetof(struct hak_control_header, serial) == 32, "serial");
static_assert(offsetof(struct hak_control_header, policy_word) == 40, "policy_word");
static_assert(offsetof(struct hak_control_header, pending) == 48, "pending");
static_assert(offsetof(struct hak_control_header, system_thp) == 56, "system_thp");
static_assert(offsetof(struct hak_control_header, total_bytes) == 64, "total_bytes");
static_assert(offsetof(struct hak_control_header, contexts_offset_bytes) == 72, "contexts_offset_bytes");
static_assert(offsetof(struct hak_control_header, contexts_count) == 76, "contexts_count");
static_assert(offsetof(struct hak_control_header, processes_offset_bytes) == 80, "processes_offset_bytes");
static_assert(offsetof(struct hak_control_header, processes_count) == 84, "processes_count");
static_assert(offsetof(struct hak_control_header, geometry_crc) == 88, "geometry_crc");
static_assert(offsetof(struct hak_control_header, costs) == 128, "costs");
static_assert(offsetof(struct hak_control_header, starts) == 160, "starts");

enum {
	HAK_CONTROL_CONTEXTS = 16384,
	HAK_CONTROL_PROCESSES = 16384,
	HAK_ENTRY_BYTES = 256,
	HAK_ENTRY_PAYLOAD_BYTES = 120,
	HAK_BUCKET_ENTRIES = 8,
	HAK_STRATEGY_DIMENSIONS = 12,
	HAK_TELEMETRY_SLOTS = 7,   /* of one part of a telemetry file; see telemetry.h */
	HAK_TELEMETRY_PARTS = 128, /* of one file, at most */
};

/* Who chose a process's policy word. */
enum hak_policy_source {
	HAK_SOURCE_BUILTIN,
	HAK_SOURCE_LEARNED,
	HAK_SOURCE_CONFIG,
	HAK_SOURCE_RULE,
	HAK_SOURCE_RUNTIME,
	HAK_SOURCE_HOLD,
	HAK_SOURCE_PANIC,
	HAK_SOURCE_COUNT
};

/* One game's schedule for a process (learning); game_id 0: play nothing. */
struct hak_schedule {
	uint64_t game_id;
	uint8_t strategy_a;
	uint8_t strategy_b;
	uint8_t first_is_b;
	uint8_t reserved;
	uint32_t window_ticks;
};
static_assert(sizeof(struct hak_schedule) == 16, "schedule");

struct hak_process_payload {
	struct hak_key key; /* hash of the telemetry file's name */
	struct hak_key context;
	uint64_t policy_word;   /* this process's policy; 0: the global word */
	uint64_t purge_request; /* counts up; the process purges itself at a change */
	struct hak_schedule schedule;
	uint32_t slots_freed[HAK_TELEMETRY_SLOTS]; /* slot i is free while its `claims` equals this */
	uint8_t source;                            /* enum hak_policy_source */
	uint8_t part;  /* of the file, that slots_freed is about; all else but the key is part 0's alone */
	uint8_t parts; /* part 0: how many the daemon reads; 0: one, by a daemon that knows no others */
	uint8_t reserved;
	uint8_t reserved2[20];
	uint32_t crc; /* hak_crc32c() of all bytes before it */
};
static_assert(sizeof(struct hak_process_payload) == HAK_ENTRY_PAYLOAD_BYTES, "process payload");
static_assert(offsetof(struct hak_process_payload, policy_word) == 32, "policy_word");
static_assert(offsetof(struct hak_process_payload, purge_request) == 40, "purge_request");
static_assert(offsetof(struct hak_process_payload, schedule) == 48, "schedule");
static_assert(offsetof(struct hak_process_payload, slots_freed) == 64, "slots_freed");
static_assert(offsetof(struct hak_process_payload, source) == 92, "source");
static_assert(offsetof(struct hak_process_payload, part) == 93, "part");
static_assert(offsetof(struct hak_process_payload, parts) == 94, "parts");
static_assert(offsetof(struct hak_process_payload, crc) == 116, "crc");

struct hak_context_payload {
	struct hak_key key;
	uint64_t policy_word;                       /* 0: the global word */
	uint64_t strategy_key;                      /* hash of the vector below */
	uint16_t strategy[HAK_STRATEGY_DIMENSIONS]; /* struct hak_strategy; docs/strategies.md */
	uint32_t epoch;                             /* of the FROZEN snapshot; 0: never frozen */
	int32_t elo_milli;                          /* 1500000 is the mean */
	uint32_t elo_stderr_milli;
	uint32_t games;
	uint64_t evidence_hash;
	uint8_t evolution; /* enum hak_evolution */
	uint8_t source;    /* enum hak_policy_source */
	uint8_t reserved[6];
	uint64_t trial_key; /* half of those who start run this strategy, by their coin; 0: no trial */
	uint8_t reserved2[20];
	uint32_t crc;
};
static_assert(sizeof(struct hak_context_payload) == HAK_ENTRY_PAYLOAD_BYTES, "context payload");
static_assert(offsetof(struct hak_context_payload, policy_word) == 16, "policy_word");
static_assert(offsetof(struct hak_context_payload, strategy_key) == 24, "strategy_key");
static_assert(offsetof(struct hak_context_payload, strategy) == 32, "strategy");
static_assert(offsetof(struct hak_context_payload, epoch) == 56, "epoch");
static_assert(offsetof(struct hak_context_payload, elo_milli) == 60, "elo_milli");
static_assert(offsetof(struct hak_context_payload, games) == 68, "games");
static_assert(offsetof(struct hak_context_payload, evidence_hash) == 72, "evidence_hash");
static_assert(offsetof(struct hak_context_payload, evolution) == 80, "evolution");
static_assert(offsetof(struct hak_context_payload, trial_key) == 88, "trial_key");
static_assert(offsetof(struct hak_context_payload, crc) == 116, "crc");

/* An entry of either table. `sequence` counts flips; copy[sequence & 1] is the one to read [S1]. */
struct hak_process_entry {
	_Atomic uint64_t sequence;
	uint64_t reserved;
	struct hak_process_payload copy[2];
};
struct hak_context_entry {
	_Atomic uint64_t sequence;
	uint64_t reserved;
	struct hak_context_payload copy[2];
};
static_assert(sizeof(struct hak_process_entry) == HAK_ENTRY_BYTES, "process entry");
static_assert(sizeof(struct hak_context_entry) == HAK_ENTRY_BYTES, "context entry");

#define HAK_CONTROL_BYTES                    \
	(sizeof(struct hak_control_header) + \
	 (size_t)HAK_ENTRY_BYTES * (HAK_CONTROL_CONTEXTS + HAK_CONTROL_PROCESSES))

/* ---- readers: every process (control_reader.c) ------------------------------------------------------- */

/**
 * hak_control_map() - map the control segment of a runtime directory, read-only
 * @runtime_dir: absolute path
 * @ret_header:  set on success only; unmap with hak_control_unmap()
 *
 * Opens O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_NONBLOCK, refuses what is not a regular file, is writable by group or
 * others, is owned by neither root nor the owner of @runtime_dir nor the caller, is of another size than it
 * says, or carries a wrong magic, header size, state, geometry or geometry CRC. The descriptor is closed
 * before return.
 *
 * Threads: any. Memory: none from malloc (libhakmem calls this in its constructor). Preserves errno.
 * Syscalls: openat, fstat, mmap, close; one newfstatat more where the owner is neither root nor the caller.
 * Return: 0; -ENOENT (no segment), -EPERM (no regular file, owner or mode), -ELOOP (a symbolic link), -EPROTO
 *         (content), or what the kernel said.
 */
int hak_control_map(const char *runtime_dir, const struct hak_control_header **ret_header);
void hak_control_unmap(const struct hak_control_header *header);

/**
 * hak_control_find_process() - a whole, valid copy of a process's entry
 * Bounded: at most two buckets, four tries an entry. No system call; preserves errno.
 * Return: 0; -ENOENT; -EAGAIN where an entry that may be ours changed at each try, or is
 *         damaged (keep what you had).
 */
int hak_control_find_process(const struct hak_control_header *header, const struct hak_key *key,
			     struct hak_process_payload *ret_payload);
int hak_control_find_context(const struct hak_control_header *header, const struct hak_key *key,
			     struct hak_context_payload *ret_payload);

/**
 * hak_control_read_process() - a whole, valid copy of the entry with number @index, for who walks a table
 * A daemon that starts walks it to drop the entries of processes that ended while no daemon ran.
 * Return: 0; -ENOENT (empty); -EAGAIN (as above); -ERANGE (no such entry: the walk is over).
 */
int hak_control_read_process(const struct hak_control_header *header, uint32_t index,
			     struct hak_process_payload *ret_payload);

enum { HAK_START_PROGRAM_CHARS = 64 };

/**
 * hak_start_key() - the key under which the contexts table has what a user's program starts with
 * @uid:     whose telemetry file it is
 * @program: base name of the executable; its first HAK_START_PROGRAM_CHARS bytes count
 * A process has no entry before the daemon has seen its file, and never computes its own context, which has
 * its unit in it. Until then it may take the strategy of this entry; its own entry counts from then on.
 * Threads: any. No system call.
 */
void hak_start_key(uint32_t uid, const char *program, struct hak_key *ret_key);

/* ---- the writer: hakmemd (control_writer.c) ---------------------------------------------------------- */

struct hak_control_writer {
	struct hak_control_header *header; /* mapped read-write, shared */
	int fd;                            /* of the segment; kept open, locked with flock(LOCK_EX) */
};

/**
 * hak_control_writer_init() - open or make the segment, repair it, keep its inode
 * @writer: caller's storage; give back with hak_control_writer_deinit()
 *
 * Takes the lock (a second writer gets -EBUSY), allocates the final size before the magic is written, repairs
 * what a killed writer left: entries whose active copy is no longer valid are emptied, the serial moves once
 * if a change was under way. A file that is no segment of this major (wrong size, magic, geometry) is refused
 * with -EPROTO, a wrong owner or mode with -EPERM, and left alone. A new segment that finds no space is
 * removed. Return: 0, -EBUSY, -EPROTO, -EPERM, -ELOOP, or what the kernel said.
 */
int hak_control_writer_init(struct hak_control_writer *writer, const char *runtime_dir);
void hak_control_writer_deinit(struct hak_control_writer *writer);

/**
 * hak_control_publish_policy() - one new global policy word, visible as one change
 * Return: the new serial.
 */
uint64_t hak_control_publish_policy(struct hak_control_writer *writer, uint64_t policy_word);

/**
 * hak_control_put_process() - insert or replace the entry with @payload->key
 * @payload: crc is computed here. The key must not be zero.
 * Readers see the old or the new entry. Does not move the serial: call hak_control_bump() after a group.
 * Return: 0, -ENOSPC (both buckets full), -EINVAL (key zero).
 */
int hak_control_put_process(struct hak_control_writer *writer, const struct hak_process_payload *payload);
int hak_control_put_context(struct hak_control_writer *writer, const struct hak_context_payload *payload);
/* Return: 0, -ENOENT. */
int hak_control_drop_process(struct hak_control_writer *writer, const struct hak_key *key);
int hak_control_drop_context(struct hak_control_writer *writer, const struct hak_key *key);
uint64_t hak_control_bump(struct hak_control_writer *writer); /* return: the new serial */

void hak_control_set_state(struct hak_control_writer *writer, enum hak_segment_state state);
void hak_control_set_system_thp(struct hak_control_writer *writer, enum hak_system_thp system_thp);
void hak_control_beat(struct hak_control_writer *writer);

#endif
