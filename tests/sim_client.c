/* SPDX-License-Identifier: MIT */
/*
 * A process under libhakmem as the daemon sees one, without libhakmem: makes a telemetry file, follows the
 * serial and its entry, counts. For the daemon's tests and for measurements with many processes.
 *
 *	sim_client DIR busy [PERIOD_USEC]         visits a slow path again and again
 *	sim_client DIR asleep                     applies what it finds, then never visits
 *	sim_client DIR pinned MODE                busy, its mode from the environment
 *	sim_client DIR liar                       visits and never applies
 *	sim_client DIR wrong                      applies, and runs another mode than it should
 *	sim_client DIR once COUNT                 counts COUNT allocations and ends well
 *	sim_client DIR forks COUNT DELAY_USEC     forks children one after the other, each counts one;
 *	                                          prints "claimed N untracked N"
 *	sim_client DIR family                     a parent and three children, all busy
 *	sim_client DIR fall                       its counters fall when its input ends
 *	sim_client DIR plays A B PAIRS PERMILLE   has played PAIRS pairs of strategies number A and B, A
 *cheaper by so much; then busy. HAK_SIM_END: ends well instead sim_client DIR hostile huge|fall|inconsistent
 *	                                          has played, and lies about it when its input has ended
 *	sim_client DIR talks COUNT                writes COUNT lines into its log, one each 10 ms, and stays
 *	sim_client DIR fatal                      leaves last words and aborts
 *	sim_client DIR swarm BUSY ASLEEP STOPPED PINNED LIAR
 *	                                          so many of each, registering all at once; prints "ready",
 *then in us how long that took the median, the 99th percentile and the slowest of them, how much CPU time the
 *slowest, and how many of them slept in a system call meanwhile; ends with SIGTERM
 *	sim_client DIR churn RATE SECONDS         RATE processes a second, each counts 100; prints how many
 *
 * All but once, forks and fatal run until they are killed. HAK_SIM_LAZY: each says that a page of it is
 * lazily free, which it is not.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "policy.h"
#include "score.h"
#include "sim_cost.h"
#include "strategy.h"
#include "telemetry.h"

enum { BLOCK_BYTES = 64, VISIT_BLOCKS = 128, LIBRARY_VERSION = 1 << 8 };

struct sim {
	const char *runtime_dir;
	const struct hak_control_header *header; /* NULL: no daemon has ever run */
	struct hak_telemetry_file *file;
	struct hak_telemetry_slot *slot;
	struct hak_key key;
	uint32_t pinned;
	enum hak_mode pinned_mode;
	bool never_applies;
	bool applies_wrongly;
};

static void die(const char *what, int r)
{
	fprintf(stderr, "sim_client: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void nap(uint64_t usec)
{
	struct timespec time = {(time_t)(usec / 1000000), (long)(usec % 1000000 * 1000)};

	(void)nanosleep(&time, NULL); /* a signal ends it sooner: as good */
}

/* The slot has one writer: plain additions with relaxed stores are enough. */
static void count(struct sim *sim, enum hak_counter counter, uint64_t by)
{
	uint64_t value = atomic_load_explicit(&sim->slot->counter[counter], memory_order_relaxed);

	atomic_store_explicit(&sim->slot->counter[counter], value + by, memory_order_relaxed);
}

static uint64_t policy_word(const struct sim *sim)
{
	uint64_t word = atomic_load_explicit(&sim->header->policy_word, memory_order_relaxed);
	struct hak_process_payload entry;
	struct hak_policy policy;

	if (hak_control_find_process(sim->header, &sim->key, &entry) == 0 && entry.policy_word)
		word = entry.policy_word;
	if (sim->pinned & HAK_PIN_MODE) {
		policy = hak_policy_of_mode(sim->pinned_mode);
		return hak_policy_pack(&policy, 0);
	}
	if (sim->applies_wrongly && hak_policy_unpack(word, &policy, NULL) == 0) {
		policy = hak_policy_of_mode((policy.mode + 1) % HAK_MODE_COUNT);
		return hak_policy_pack(&policy, 0);
	}
	return word;
}

static void apply(struct sim *sim)
{
	uint64_t serial;

	if (!sim->header || sim->never_applies)
		return;
	serial = atomic_load_explicit(&sim->header->serial, memory_order_acquire); /* [S2] */
	if (serial == atomic_load_explicit(&sim->slot->applied_serial, memory_order_relaxed))
		return;
	atomic_store_explicit(&sim->slot->policy_word, policy_word(sim), memory_order_relaxed);
	atomic_store_explicit(&sim->slot->applied_serial, serial, memory_order_release);
	count(sim, HAK_COUNTER_policy_applied, 1);
}

static void publish(struct sim *sim)
{
	atomic_fetch_add_explicit(&sim->slot->publishes, 2, memory_order_relaxed);
}

/* What a slow visit leaves behind. */
static void visit(struct sim *sim, uint64_t blocks)
{
	apply(sim);
	count(sim, HAK_COUNTER_slow_visits, 1);
	count(sim, HAK_COUNTER_alloc_count, blocks);
	count(sim, HAK_COUNTER_alloc_bytes, blocks * BLOCK_BYTES);
	count(sim, HAK_COUNTER_free_count, blocks);
	count(sim, HAK_COUNTER_free_bytes, blocks * BLOCK_BYTES);
	publish(sim);
}

static void begin(struct sim *sim)
{
	int r;

	r = hak_control_map(sim->runtime_dir, &sim->header);
	if (r < 0)
		sim->header = NULL; /* as libhakmem does: nothing to follow, telemetry all the same */
	r = hak_telemetry_create(sim->runtime_dir, sim->header, LIBRARY_VERSION, &sim->file, &sim->key);
	if (r < 0)
		die("cannot make a telemetry file", r);
	sim->slot = &sim->file->slot[0];
	sim->slot->pinned = sim->pinned;
	sim->slot->page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
	if (getenv("HAK_SIM_LAZY")) {
		sim->slot->range[0] = UINT64_C(1) << (HAK_RANGE_PAGES_BITS + 16) | 1;
		sim->slot->gauge[HAK_GAUGE_lazily_free_bytes] = sim->slot->page_bytes;
	}
	apply(sim);
	publish(sim);
}

static void say_good_bye(struct sim *sim)
{
	atomic_store_explicit(&sim->slot->state, HAK_SLOT_EXITED, memory_order_release);
}

static void stay_busy(struct sim *sim, uint64_t period_usec)
{
	for (;;) {
		visit(sim, VISIT_BLOCKS);
		nap(period_usec);
	}
}

/* Who ends before the daemon has seen what it runs is of no context. */
static void wait_until_known(const struct sim *sim)
{
	enum { NAP_USEC = 2000, NAPS = 10000 };
	struct hak_process_payload entry;

	for (int i = 0; sim->header && i < NAPS; i++) {
		if (hak_control_find_process(sim->header, &sim->key, &entry) == 0)
			return;
		nap(NAP_USEC);
	}
}

/* Until the end of the input: so far it is believed. */
static void wait_until_told(void)
{
	while (getchar() != EOF)
		;
}

static void stay_asleep(void)
{
	for (;;)
		pause();
}

static int claim(struct sim *sim)
{
	uint64_t serial = atomic_load_explicit(&sim->slot->applied_serial, memory_order_relaxed);
	uint64_t word = atomic_load_explicit(&sim->slot->policy_word, memory_order_relaxed);
	int r = hak_telemetry_claim(sim->file, &sim->key, sim->header, (uint32_t)getpid(),
				    (uint32_t)getppid(), &sim->slot);

	if (r < 0)
		return r;
	sim->slot->pinned = sim->pinned;
	atomic_store_explicit(&sim->slot->policy_word, word, memory_order_relaxed);
	atomic_store_explicit(&sim->slot->applied_serial, serial, memory_order_relaxed);
	return 0;
}

/* Every other child dies without a word, as those do that call _exit(). */
static void run_forks(struct sim *sim, int forks, uint64_t delay_usec)
{
	int claimed = 0, status;

	for (int i = 0; i < forks; i++) {
		pid_t child = fork();

		if (child < 0)
			die("cannot fork", -1);
		if (child == 0) {
			if (claim(sim) < 0)
				_exit(1);
			count(sim, HAK_COUNTER_alloc_count, 1);
			count(sim, HAK_COUNTER_alloc_bytes, BLOCK_BYTES);
			publish(sim);
			if (i % 2)
				say_good_bye(sim);
			_exit(0);
		}
		count(sim, HAK_COUNTER_forks, 1);
		publish(sim);
		if (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0)
			claimed++;
		nap(delay_usec);
	}
	printf("claimed %d untracked %d\n", claimed, forks - claimed);
}

/* The record of the pair (a, b), whose keys' order may turn it round. */
static void play(struct sim *sim, unsigned a, unsigned b, unsigned pairs, int permille)
{
	uint64_t key_a = hak_strategy_key(&hak_strategy_table[a].strategy);
	uint64_t key_b = hak_strategy_key(&hak_strategy_table[b].strategy);
	int32_t ratio = permille * ((1 << 20) / 1000) * (key_a < key_b ? 1 : -1);
	struct hak_tally_record *record = sim->file->tally;
	struct hak_score score = {.plus = 0};

	while (record->key[0] && record->key[0] != (key_a < key_b ? key_a : key_b))
		record++;
	for (unsigned i = 0; i < pairs; i++) /* they scatter by a quarter */
		hak_score_add(&score, ratio + ratio / 4 * (i % 2 ? 1 : -1), ratio);
	for (unsigned i = 0; i < HAK_OUTCOME_COUNT; i++)
		atomic_fetch_add_explicit(&record->outcome[i], score.outcome[i], memory_order_relaxed);
	atomic_fetch_add_explicit(&record->sum_plus, score.plus, memory_order_relaxed);
	atomic_fetch_add_explicit(&record->sum_minus, score.minus, memory_order_relaxed);
	atomic_fetch_add_explicit(&record->sum_squares, score.squares, memory_order_relaxed);
	atomic_store_explicit(&record->key[1], key_a < key_b ? key_b : key_a, memory_order_relaxed);
	atomic_store_explicit(&record->key[0], key_a < key_b ? key_a : key_b, memory_order_release);
}

static void run_hostile(struct sim *sim, const char *how)
{
	struct hak_tally_record *record = sim->file->tally;

	play(sim, 0, 1, 4, 100);
	wait_until_told();
	if (strcmp(how, "huge") == 0)
		atomic_store_explicit(&record->sum_plus, UINT64_C(1) << 60, memory_order_relaxed);
	else if (strcmp(how, "fall") == 0)
		atomic_store_explicit(&record->outcome[0], 0, memory_order_relaxed);
	else /* a thousand games won, by nothing in sum and nothing in squares, beside large sums */
		atomic_store_explicit(&record->sum_squares, UINT64_C(1) << 50, memory_order_relaxed);
	if (strcmp(how, "fall") == 0)
		atomic_store_explicit(&record->outcome[4], 0, memory_order_relaxed);
}

static void run_family(struct sim *sim)
{
	for (int i = 0; i < 3; i++) {
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (claim(sim) < 0)
				_exit(1);
			stay_busy(sim, 10000);
		}
	}
	stay_busy(sim, 10000);
}

static void run_talks(struct sim *sim, uint64_t lines)
{
	for (uint64_t i = 0; i < lines; i++) {
		struct hak_log_line *line = &sim->slot->log[i % HAK_TELEMETRY_LOG_LINES];
		struct timespec now;

		(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
		line->time_usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
		snprintf(line->text, sizeof(line->text), "line %llu\x1b of many", (unsigned long long)i);
		sim->slot->log_written = i + 1;
		publish(sim);
		nap(10000);
	}
	stay_asleep();
}

static void run_fatal(struct sim *sim)
{
	struct hak_fatal_record *fatal = &sim->slot->fatal;

	fatal->time_usec = (uint64_t)time(NULL) * 1000000;
	fatal->address = 0xdead0;
	fatal->pid = (uint32_t)getpid();
	snprintf(fatal->text, sizeof(fatal->text), "free(0xdead0): not a pointer of ours");
	atomic_store_explicit(&fatal->written, 1, memory_order_release);
	nap(300000);
	(void)signal(SIGABRT, SIG_DFL);
	abort();
}

enum kind { BUSY, ASLEEP, STOPPED, PINNED, LIAR, KINDS };

static void run_member(const char *runtime_dir, enum kind kind, struct cost *cost)
{
	struct sim sim = {.runtime_dir = runtime_dir, .never_applies = kind == LIAR};
	uint64_t began = now_usec(), cpu_began = usec_of(CLOCK_PROCESS_CPUTIME_ID);
	long slept = sleeps();

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* cannot fail */
	if (kind == PINNED) {
		sim.pinned = HAK_PIN_MODE;
		sim.pinned_mode = HAK_MODE_MINIMAL;
	}
	begin(&sim);
	cost->cpu_usec = usec_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_began;
	cost->slept = sleeps() != slept;
	atomic_store_explicit(&cost->usec, now_usec() - began + 1, memory_order_release); /* with the rest */
	if (kind == ASLEEP)
		stay_asleep();
	if (kind == STOPPED)
		(void)raise(SIGSTOP); /* cannot fail */
	stay_busy(&sim, 20000);
}

static int run_swarm(const char *runtime_dir, char **counts)
{
	static pid_t member[SWARM_MAX];
	struct cost *cost = mmap(NULL, SWARM_MAX * sizeof(*cost), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int members = 0, caught, gate[2];
	sigset_t signals;
	char nothing;

	if (cost == MAP_FAILED || pipe(gate) < 0)
		die("cannot prepare a swarm", -1);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	for (int kind = 0; kind < KINDS; kind++) {
		for (int i = atoi(counts[kind]); i > 0 && members < SWARM_MAX; i--) {
			member[members] = fork();
			if (member[members] == 0) {
				sigprocmask(SIG_UNBLOCK, &signals, NULL);
				close(gate[1]);
				if (read(gate[0], &nothing, 1) != 0) /* it ends when the gate opens */
					_exit(1);
				run_member(runtime_dir, (enum kind)kind, &cost[members]);
			}
			if (member[members] < 0)
				die("cannot fork", -1);
			members++;
		}
	}
	close(gate[1]);
	report_swarm(cost, members);
	sigwait(&signals, &caught);
	for (int i = 0; i < members; i++)
		kill(member[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	return 0;
}

static int run_churn(struct sim *sim, uint64_t rate, uint64_t seconds)
{
	uint64_t began = now_usec(), born = 0;

	while (born < rate * seconds) {
		uint64_t due = began + born * 1000000 / rate, now = now_usec();
		pid_t child;

		if (now < due)
			nap(due - now);
		child = fork();
		if (child == 0) {
			begin(sim);
			visit(sim, 100);
			say_good_bye(sim);
			_exit(0);
		}
		born += child > 0;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	while (wait(NULL) > 0)
		;
	printf("%llu\n", (unsigned long long)born);
	return 0;
}

static int run(struct sim *sim, int argc, char **argv)
{
	const char *kind = argv[2];
	const char *first = argc > 3 ? argv[3] : "0";

	if (strcmp(kind, "pinned") == 0) {
		sim->pinned = HAK_PIN_MODE;
		if (hak_mode_parse(first, &sim->pinned_mode) < 0)
			die("which mode?", -22);
	}
	sim->never_applies = strcmp(kind, "liar") == 0;
	sim->applies_wrongly = strcmp(kind, "wrong") == 0;
	begin(sim);
	if (strcmp(kind, "asleep") == 0) {
		stay_asleep();
	} else if (strcmp(kind, "once") == 0) {
		visit(sim, strtoull(first, NULL, 10));
		say_good_bye(sim);
	} else if (strcmp(kind, "forks") == 0) {
		run_forks(sim, atoi(first), argc > 4 ? strtoull(argv[4], NULL, 10) : 0);
		say_good_bye(sim);
	} else if (strcmp(kind, "family") == 0) {
		run_family(sim);
	} else if (strcmp(kind, "fall") == 0) {
		visit(sim, 1000);
		wait_until_told();
		atomic_store_explicit(&sim->slot->counter[HAK_COUNTER_alloc_count], 1, memory_order_relaxed);
		stay_asleep();
	} else if (strcmp(kind, "plays") == 0 && argc == 7) {
		wait_until_known(sim);
		play(sim, (unsigned)atoi(first), (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]),
		     atoi(argv[6]));
		if (!getenv("HAK_SIM_END"))
			stay_busy(sim, 20000);
		say_good_bye(sim);
	} else if (strcmp(kind, "hostile") == 0) {
		run_hostile(sim, first);
		stay_busy(sim, 20000);
	} else if (strcmp(kind, "talks") == 0) {
		run_talks(sim, strtoull(first, NULL, 10));
	} else if (strcmp(kind, "fatal") == 0) {
		run_fatal(sim);
	} else {
		stay_busy(sim, strtoull(first, NULL, 10) ? strtoull(first, NULL, 10) : 1000);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sim sim = {0};

	if (argc < 3) {
		fprintf(stderr, "sim_client DIR "
				"busy|asleep|pinned|liar|wrong|once|forks|family|fall|plays|hostile|fatal|"
				"swarm|churn [...]\n");
		return 2;
	}
	if (strcmp(argv[2], "swarm") == 0) {
		if (argc != 3 + KINDS)
			die("swarm takes five numbers", -22);
		return run_swarm(argv[1], argv + 3);
	}
	sim.runtime_dir = argv[1];
	if (strcmp(argv[2], "churn") == 0) {
		if (argc != 5)
			die("churn takes two numbers", -22);
		return run_churn(&sim, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
	}
	return run(&sim, argc, argv);
}
