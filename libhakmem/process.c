/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <errno.h>

#include "fatal.h"
#include "hakmem.h"
#include "huge.h"
#include "knobs.h"
#include "lock.h"
#include "os.h"
#include "start.h"
#include "text.h"

enum { HEARTBEAT_MSEC = 3500 }; /* it comes each second; later than this the daemon hangs */
enum { LIBRARY_VERSION = HAKMEM_VERSION_MAJOR << 16 | HAKMEM_VERSION_MINOR << 8 | HAKMEM_VERSION_PATCH };

struct hak_process hak_process = {
	.policy_epoch = 1,
	.thread_bins = true,
};

/* What follow() works on; guarded by the lock once the constructor has returned. */
static struct {
	struct hak_lock lock;
	struct hak_config config;
	struct hak_policy policy;
	struct hak_telemetry_file *file;
	struct hak_key key;
	uint32_t pid;
	struct hak_schedule schedule; /* of our entry */
	bool frozen;                  /* we have decided for a strategy, */
	uint8_t frozen_strategy;      /* this one, */
	bool frozen_in_force;         /* and the policy in force, which learns, is what comes of it */
	bool has_entry;               /* the daemon knows us */
	struct hak_start start;       /* before that */
	_Atomic bool has_forked; /* a child shares pages, or we share our parent's */
	uint64_t logged_word; /* the policy that was last told of in the log, without its epoch, */
	uint32_t logged_pid;  /* and by whom */
	uint64_t heartbeat;
	uint32_t heartbeat_msec; /* when it was seen to move; 0: not yet */
} self;

static struct hak_telemetry_slot *slot_now(void)
{
	return atomic_load_explicit(&hak_process.slot, memory_order_relaxed);
}

void hak_process_log(enum hak_log level, const char *line)
{
	struct hak_telemetry_slot *slot = slot_now();
	int saved_errno = errno;

	if (self.policy.log < level)
		return;
	if (slot)
		hak_telemetry_log(slot, line);
	if (self.config.log_stderr) {
		char buffer[HAK_TELEMETRY_LOG_CHARS + 16];
		struct hak_text text;

		hak_text_init(&text, buffer, sizeof(buffer));
		hak_text_add(&text, "hakmem: ");
		hak_text_add(&text, line);
		hak_text_add(&text, "\n");
		hak_text_say(&text);
	}
	errno = saved_errno;
}

/* Once for each policy in force and process: the serial moves whenever anybody's policy changes. */
static void log_policy(const struct hak_policy *policy, uint64_t serial)
{
	uint64_t word = hak_policy_pack(policy, 0);
	char buffer[HAK_TELEMETRY_LOG_CHARS];
	struct hak_text text;

	if (word == self.logged_word && self.pid == self.logged_pid)
		return;
	self.logged_word = word;
	self.logged_pid = self.pid;
	hak_text_init(&text, buffer, sizeof(buffer));
	hak_text_add(&text, "policy: mode ");
	hak_text_add(&text, hak_mode_name((enum hak_mode)policy->mode));
	hak_text_add(&text, ", serial ");
	hak_text_add_unsigned(&text, serial, 10);
	hak_process_log(HAK_LOG_MINIMAL, buffer);
}

/* ---- the policy in force ----------------------------------------------------------------------------- */

/* Store a policy where each module reads its part, then let visits know. Caller holds the lock. */
static void put_in_force(const struct hak_policy *policy, uint64_t serial)
{
	struct hak_telemetry_slot *slot = slot_now();
	bool had_cache = self.policy.bigcache, thp_changes = hak_knobs_set_policy(policy);

	self.policy = *policy;
	/* relaxed, all: each reader obeys at its next call, and the epoch below orders them for visits */
	atomic_store_explicit(&hak_process.thread_bins, policy->thread_bins, memory_order_relaxed);
	if (thp_changes)
		atomic_store_explicit(&hak_process.convert_wanted, true, memory_order_relaxed);
	if (had_cache && !policy->bigcache)
		atomic_store_explicit(&hak_process.release_wanted, true, memory_order_relaxed);
	/* release [P1] */
	atomic_fetch_add_explicit(&hak_process.policy_epoch, 1, memory_order_release);
	hak_os_count(HAK_COUNTER_policy_applied, 1);
	if (slot) {
		atomic_store_explicit(&slot->trial, self.start.is_tried ? 1U + self.start.tried : 0,
				      memory_order_relaxed);
		atomic_store_explicit(&slot->policy_word, hak_policy_pack(policy, (uint32_t)serial),
				      memory_order_relaxed);
		/* release: who reads this serial finds the word that belongs to it */
		atomic_store_explicit(&slot->applied_serial, serial, memory_order_release);
	}
	log_policy(policy, serial);
}

/* Read our entry: what to play, a wish to purge. Return: its policy word; 0: none. */
static uint64_t read_entry(const struct hak_control_header *control)
{
	struct hak_process_payload payload;

	if (!control || !self.file || hak_control_find_process(control, &self.key, &payload) < 0)
		return 0;
	self.has_entry = true;
	self.schedule = payload.schedule;
	/* relaxed, both: the epoch of the policy that follows sends each thread to look */
	if (payload.purge_request > atomic_load_explicit(&hak_process.purge_request, memory_order_relaxed))
		atomic_store_explicit(&hak_process.purge_request, payload.purge_request,
				      memory_order_relaxed);
	return payload.policy_word;
}

/* What a policy that learns becomes once we have decided; of mode learning balanced's row. */
static struct hak_policy frozen_policy(const struct hak_policy *learning, uint8_t strategy)
{
	struct hak_policy policy = *learning;
	struct hak_config features = self.config;

	if (learning->mode == HAK_MODE_LEARNING)
		policy = hak_policy_of_mode(HAK_MODE_BALANCED);
	policy.mode = learning->mode;
	policy.log = learning->log;
	policy.evolution = HAK_EVO_FROZEN;
	policy.strategy = strategy;
	/* Single features stay as the environment gave them. */
	features.pinned &= ~(uint32_t)(HAK_PIN_MODE | HAK_PIN_EVOLUTION);
	return hak_config_apply(&features, &policy);
}

/* Before the daemon knows us: what our program's processes start with. A trial goes on while it holds. */
static void follow_start(struct hak_policy *policy)
{
	struct hak_start *start = &self.start;
	bool starts = !self.has_entry && policy->elo != HAK_ELO_OFF && policy->mode != HAK_MODE_RESEARCH &&
		      !(self.config.pinned & HAK_PIN_EVOLUTION);

	if (self.has_entry)
		start->is_tried = start->is_tried && policy->evolution == HAK_EVO_FROZEN &&
				  policy->strategy == start->tried;
	else /* who took a mode from the environment plays for it only if it learns; fast plays never */
		start->is_tried = start->is_tried && starts && policy->mode != HAK_MODE_FAST &&
				  (!(self.config.pinned & HAK_PIN_MODE) || policy->mode == HAK_MODE_LEARNING);
	if (starts && start->is_tried)
		*policy = frozen_policy(policy, start->tried);
	else if (starts && start->is_known)
		*policy = frozen_policy(policy, start->strategy);
}

/* Put in force what the segment says; built-in where we understand nothing. Caller holds the lock. */
static void apply_published(const struct hak_control_header *control)
{
	struct hak_policy policy = hak_policy_of_mode(HAK_MODE_BALANCED);
	uint64_t serial = 0, word = 0;

	self.schedule = (struct hak_schedule){0};
	if (control) {
		/* acquire [S2]: pairs with the release of the daemon's publish */
		serial = atomic_load_explicit(&control->serial, memory_order_acquire);
		word = read_entry(control);
		if (!word)
			word = atomic_load_explicit(&control->policy_word, memory_order_relaxed);
	}
	(void)hak_policy_unpack(word, &policy, NULL); /* -EINVAL: nothing published, or by a newer daemon */
	policy = hak_config_apply(&self.config, &policy);
	self.frozen_in_force = self.frozen && policy.evolution == HAK_EVO_LEARN;
	if (self.frozen_in_force)
		policy = frozen_policy(&policy, self.frozen_strategy);
	else
		follow_start(&policy);
	/* relaxed: who sees the epoch of this policy has acquired it [P1] */
	atomic_store_explicit(&hak_process.plays,
			      !policy.panic &&
				      (policy.evolution >= HAK_EVO_LEARN || self.frozen_in_force),
			      memory_order_relaxed);
	put_in_force(&policy, serial);
	atomic_store_explicit(&hak_process.seen_serial, serial, memory_order_relaxed);
}

/* ---- the daemon, and what learning decides ----------------------------------------------------------- */

static bool is_heart_beating(const struct hak_control_header *control)
{
	uint64_t heartbeat = atomic_load_explicit(&control->heartbeat, memory_order_relaxed);
	uint32_t now_msec = hak_os_coarse_msec();

	if (heartbeat != self.heartbeat) {
		self.heartbeat_msec = self.heartbeat ? now_msec : 0; /* the first one may be of long ago */
		self.heartbeat = heartbeat;
	}
	return self.heartbeat_msec && now_msec - self.heartbeat_msec < HEARTBEAT_MSEC &&
	       atomic_load_explicit(&control->state, memory_order_relaxed) == HAK_SEGMENT_LIVE;
}

void hak_process_watch_daemon(void)
{
	const struct hak_control_header *control =
		atomic_load_explicit(&hak_process.control, memory_order_relaxed);

	if (!control || !slot_now() || !hak_lock_try(&self.lock))
		return;
	if (hak_huge_follow_system(control)) {
		atomic_store_explicit(&hak_process.convert_wanted, true, memory_order_relaxed);
		/* release [P1]: sends visits to look, as a policy does */
		atomic_fetch_add_explicit(&hak_process.policy_epoch, 1, memory_order_release);
	}
	hak_lazy_set(&hak_lazy.allowed,
		     is_heart_beating(control) && hak_knob(lazy) &&
			     !atomic_load_explicit(&self.has_forked, memory_order_relaxed) &&
			     self.policy.free_policy == HAK_FREE_ADAPTIVE);
	hak_lock_release(&self.lock);
}

void hak_process_purged(uint64_t request)
{
	struct hak_telemetry_slot *slot = slot_now();

	atomic_store_explicit(&hak_process.purged, request, memory_order_relaxed);
	/* release: who sees it done finds statistics from after it */
	if (slot)
		atomic_store_explicit(&slot->purges_done, request, memory_order_release);
}

void hak_process_follow(void)
{
	const struct hak_control_header *control =
		atomic_load_explicit(&hak_process.control, memory_order_relaxed);

	if (!control || !hak_lock_try(&self.lock))
		return; /* somebody else is at it; our next visit looks again */
	apply_published(control);
	hak_lock_release(&self.lock);
}

void hak_process_play(struct hak_process_play *ret_play)
{
	const struct hak_control_header *control =
		atomic_load_explicit(&hak_process.control, memory_order_relaxed);

	hak_lock_acquire(&self.lock);
	*ret_play = (struct hak_process_play){
		.policy = self.policy,
		.schedule = self.schedule,
		.epoch = atomic_load_explicit(&hak_process.policy_epoch, memory_order_relaxed),
		.frozen = self.frozen_in_force,
	};
	if (control)
		ret_play->costs = control->costs;
	hak_lock_release(&self.lock);
}

static void decide(bool frozen, uint8_t strategy)
{
	hak_lock_acquire(&self.lock);
	self.frozen = frozen;
	self.frozen_strategy = strategy;
	apply_published(atomic_load_explicit(&hak_process.control, memory_order_relaxed));
	hak_lock_release(&self.lock);
}

void hak_process_freeze(uint8_t strategy)
{
	decide(true, strategy);
	hak_os_count(HAK_COUNTER_game_freezes, 1);
}

void hak_process_thaw(void)
{
	decide(false, 0);
	hak_os_count(HAK_COUNTER_game_thaws, 1);
}

/* The record of a pair of strategies, claimed if there is none; NULL: there is no room. */
static struct hak_tally_record *find_tally(uint64_t low_key, uint64_t high_key)
{
	for (unsigned i = 0; i < HAK_TELEMETRY_TALLIES; i++) {
		struct hak_tally_record *tally = &self.file->tally[i];
		uint64_t key = atomic_load_explicit(&tally->key[0], memory_order_relaxed);

		/* relaxed: the winner is the only one who stores key[1], and nothing else depends on it */
		if (key == 0 && atomic_compare_exchange_strong_explicit(&tally->key[0], &key, low_key,
									memory_order_relaxed,
									memory_order_relaxed)) {
			atomic_store_explicit(&tally->key[1], high_key, memory_order_relaxed);
			return tally;
		}
		if (key == low_key && atomic_load_explicit(&tally->key[1], memory_order_relaxed) == high_key)
			return tally;
	}
	return NULL;
}

void hak_process_tally(uint8_t strategy_a, uint8_t strategy_b, const struct hak_score *score)
{
	uint64_t key_a = hak_strategy_key(&hak_strategy_table[strategy_a].strategy);
	uint64_t key_b = hak_strategy_key(&hak_strategy_table[strategy_b].strategy);
	struct hak_score seen = key_a < key_b ? *score : hak_score_reversed(score);
	struct hak_tally_record *tally;

	if (!self.file)
		return;
	tally = find_tally(key_a < key_b ? key_a : key_b, key_a < key_b ? key_b : key_a);
	if (!tally)
		return;
	/*
	 * relaxed, all: each number by itself only rises. A copy that is taken in between, or after we were
	 * killed here, must not have sums that are too large for their squares (hak_score_is_sound()).
	 */
	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		atomic_fetch_add_explicit(&tally->outcome[i], seen.outcome[i], memory_order_relaxed);
	atomic_fetch_add_explicit(&tally->sum_squares, seen.squares, memory_order_relaxed);
	/* release: pairs with nothing here; the daemon's pread() comes to the sums first, which lie lower */
	atomic_thread_fence(memory_order_release);
	atomic_fetch_add_explicit(&tally->sum_plus, seen.plus, memory_order_relaxed);
	atomic_fetch_add_explicit(&tally->sum_minus, seen.minus, memory_order_relaxed);
}

/* ---- begin, fork ------------------------------------------------------------------------------------- */

static void use_slot(struct hak_telemetry_slot *slot)
{
	slot->pinned = self.config.pinned;
	slot->page_bytes = (uint32_t)hak_os_page_bytes();
	hak_fatal_set_record(&slot->fatal);
	/* release: pairs with nothing in this process but keeps the fields above before its use elsewhere */
	atomic_store_explicit(&hak_process.slot, slot, memory_order_release);
}

void hak_process_init(void)
{
	const struct hak_control_header *control = NULL;

	hak_config_read(&self.config);
	self.policy = hak_policy_of_mode(HAK_MODE_BALANCED);
	/* relaxed: there are no other threads yet */
	atomic_store_explicit(&hak_knobs.solo_slabs, self.config.solo_slabs, memory_order_relaxed);
	/* Either may fail: without a segment the policy is built in, without a file nobody is told. */
	if (!self.config.disabled) {
		(void)hak_control_map(self.config.runtime_dir, &control);
		(void)hak_telemetry_create(self.config.runtime_dir, control, LIBRARY_VERSION, &self.file,
					   &self.key);
	}
	if (self.file) {
		self.pid = self.file->pid;
		use_slot(&self.file->slot[0]);
	}
	if (control) {
		(void)hak_huge_follow_system(control);
		hak_start_find(control, self.file ? &self.key : NULL, &self.start);
	} else {
		hak_huge_read_system();
	}
	hak_lock_acquire(&self.lock);
	apply_published(control);
	hak_lock_release(&self.lock);
	atomic_store_explicit(&hak_process.control, control, memory_order_release);
}

void hak_process_fork_prepare(void)
{
	hak_lock_acquire(&self.lock);
}

void hak_process_fork_parent(void)
{
	hak_lock_release(&self.lock);
}

void hak_process_has_forked(void)
{
	/* relaxed: where no lock is held here the next look at the daemon obeys */
	atomic_store_explicit(&self.has_forked, true, memory_order_relaxed);
	hak_lazy_set(&hak_lazy.allowed, false);
}

void hak_process_fork_child(void)
{
	const struct hak_control_header *control =
		atomic_load_explicit(&hak_process.control, memory_order_relaxed);
	struct hak_telemetry_slot *parents = slot_now(), *own;
	uint32_t parent = self.pid;
	uint64_t purges_done;

	hak_lock_reset(&self.lock);
	if (!self.file)
		return;
	purges_done = parents ? atomic_load_explicit(&parents->purges_done, memory_order_relaxed) : 0;
	hak_fatal_set_record(NULL);
	atomic_store_explicit(&hak_process.slot, NULL, memory_order_relaxed);
	self.pid = hak_os_pid();
	if (hak_telemetry_claim(self.file, &self.key, control, self.pid, parent, &own) < 0)
		return; /* counted in the file's header */
	use_slot(own);
	atomic_store_explicit(&hak_process.is_untold, true, memory_order_relaxed); /* the only thread */
	/* So far. Memory, request and policy are inherited, and the next visit follows. */
	hak_process_purged(purges_done);
	put_in_force(&self.policy, atomic_load_explicit(&hak_process.seen_serial, memory_order_relaxed));
}
