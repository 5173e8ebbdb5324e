/* SPDX-License-Identifier: MIT */
/*
 * sim_start DIR USEC_A KIB_A USEC_B KIB_B [CHILD_USEC_A CHILD_USEC_B]: a process that starts as libhakmem
 * does where a trial may be open (learning/trial.h), without libhakmem. Once the daemon knows it, it has cost
 * so much as is said of its side, its forked child, if it has one, the rest, and both end well. Large is the
 * child, where there is one. Prints "A" or
 * "B"; "-" where there was no trial, or was none any more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "policy.h"
#include "strategy.h"
#include "telemetry.h"
#include "trial.h"

enum { ALLOCATIONS = 10000, MAPPED_BYTES = 64 << 20, NAP_NSEC = 2000000, NAPS = 5000 };
enum { LIBRARY_VERSION = 1 << 8 };

/* What its program's processes start with. Return: 1 + the strategy of its side of a trial; 0: there is none.
 */
static uint32_t find_side(const struct hak_control_header *header, const struct hak_key *own,
			  bool *ret_second)
{
	struct hak_context_payload payload;
	struct hak_key key;
	char path[256] = "";

	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		return 0;
	hak_start_key((uint32_t)geteuid(), strrchr(path, '/') + 1, &key);
	if (hak_control_find_context(header, &key, &payload) < 0 || !payload.trial_key)
		return 0;
	*ret_second = hak_trial_coin(own->word[1]);
	return 1U + (uint32_t)hak_strategy_find(*ret_second ? payload.trial_key : payload.strategy_key);
}

/* Does the daemon leave it the strategy that it began with? Waits until it has an entry. */
static bool may_keep(const struct hak_control_header *header, const struct hak_key *key, uint32_t side)
{
	const struct timespec rest = {0, NAP_NSEC};
	struct hak_process_payload entry;
	struct hak_policy policy;

	for (int i = 0; i < NAPS; i++) {
		if (hak_control_find_process(header, key, &entry) == 0)
			return hak_policy_unpack(entry.policy_word, &policy, NULL) == 0 &&
			       policy.evolution == HAK_EVO_FROZEN && 1U + policy.strategy == side;
		(void)nanosleep(&rest, NULL); /* a signal ends it sooner: as good */
	}
	return false;
}

static void cost(struct hak_telemetry_slot *slot, uint64_t mapped_bytes, const char *usec, const char *kib)
{
	/* relaxed, all but the last: it is alone, and the daemon reads it when it has ended */
	atomic_store_explicit(&slot->counter[HAK_COUNTER_alloc_count], ALLOCATIONS, memory_order_relaxed);
	atomic_store_explicit(&slot->gauge[HAK_GAUGE_peak_mapped_bytes], mapped_bytes, memory_order_relaxed);
	atomic_store_explicit(&slot->game.trial_cpu_usec, (uint32_t)strtoul(usec, NULL, 10),
			      memory_order_relaxed);
	atomic_store_explicit(&slot->game.trial_peak_kib, (uint32_t)strtoul(kib, NULL, 10),
			      memory_order_relaxed);
	atomic_store_explicit(&slot->state, HAK_SLOT_EXITED, memory_order_release);
}

static bool run_child(struct hak_telemetry_file *file, uint32_t side, const char *usec, const char *kib)
{
	pid_t child = fork();
	int slot, status;

	if (child < 0)
		return false;
	if (child > 0)
		return waitpid(child, &status, 0) == child && status == 0;
	slot = hak_telemetry_claim_slot(file, NULL, (uint32_t)getpid(), (uint32_t)getppid());
	if (slot < 0)
		_exit(EXIT_FAILURE);
	file->slot[slot].page_bytes = file->slot[0].page_bytes;
	atomic_store_explicit(&file->slot[slot].trial, side, memory_order_relaxed);
	cost(&file->slot[slot], MAPPED_BYTES, usec, kib);
	_exit(EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
	const struct hak_control_header *header;
	struct hak_telemetry_file *file;
	struct hak_telemetry_slot *slot;
	struct hak_key key;
	uint32_t side;
	bool second = false;

	if ((argc != 6 && argc != 8) || hak_control_map(argv[1], &header) < 0 ||
	    hak_telemetry_create(argv[1], header, LIBRARY_VERSION, &file, &key) < 0) {
		fputs("sim_start: five or seven arguments, and a daemon that has run in DIR\n", stderr);
		return EXIT_FAILURE;
	}
	slot = &file->slot[0];
	slot->page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
	side = find_side(header, &key, &second);
	atomic_store_explicit(&slot->trial, side, memory_order_relaxed);
	/* release: who sees that it has a policy sees its trial */
	atomic_store_explicit(&slot->policy_word,
			      atomic_load_explicit(&header->policy_word, memory_order_relaxed),
			      memory_order_release);
	if (!may_keep(header, &key, side))
		atomic_store_explicit(&slot->trial, side = 0, memory_order_relaxed);
	if (argc == 8 && !run_child(file, side, argv[second ? 7 : 6], argv[second ? 5 : 3]))
		return EXIT_FAILURE;
	cost(slot, argc == 8 ? 0 : MAPPED_BYTES, argv[second ? 4 : 2], argv[second ? 5 : 3]);
	puts(!side ? "-" : second ? "B" : "A");
	return EXIT_SUCCESS;
}
