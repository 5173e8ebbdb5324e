/* SPDX-License-Identifier: MIT */
/*
 * seccomp_storm [SECONDS | control]: first thing in main, after libhakmem's constructor, installs a filter
 * that traps every system call but those that a guest allocator may make (docs/design.md, "The whole")
 * and those that this program itself needs. Then threads allocate, free each other's blocks, reallocate, fork
 * and end. The trap handler names the call and ends the process with status 99. `control` makes a forbidden
 * call on purpose.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

enum { WORKERS = 3, BLOCKS = 400, EXIT_TRAPPED = 99, EXIT_BROKEN = 1 };

#define LOAD(field)     BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ALLOW           BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define TRAP            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)
#define ALLOW_IF(value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1), ALLOW

/* clang-format off: one rule reads best as one line */
static const struct sock_filter rules[] = {
	LOAD(nr),
	/* The allocator's. */
	ALLOW_IF(__NR_mmap),
	ALLOW_IF(__NR_munmap),
	ALLOW_IF(__NR_mremap),
	ALLOW_IF(__NR_madvise),
	ALLOW_IF(__NR_mprotect),
	ALLOW_IF(__NR_clock_gettime),
	ALLOW_IF(__NR_getpid),
	ALLOW_IF(__NR_getrusage),
	ALLOW_IF(__NR_write),
	ALLOW_IF(__NR_tgkill),
	/* prctl(PR_SET_VMA) alone; the accumulator is loaded again after each detour. */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_prctl, 0, 4),
	LOAD(args[0]),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_VMA, 0, 1),
	ALLOW,
	TRAP,
	/* futex: private ones; and shared waits, with which glibc joins threads. */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_futex, 0, 7),
	LOAD(args[1]),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FUTEX_PRIVATE_FLAG, 3, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAIT, 1, 0),
	TRAP,
	ALLOW,
	TRAP,
	/* What the program needs: threads, fork, waiting, ending. */
	ALLOW_IF(__NR_exit),
	ALLOW_IF(__NR_exit_group),
	ALLOW_IF(__NR_clone),
	ALLOW_IF(__NR_clone3),
	ALLOW_IF(__NR_set_robust_list),
	ALLOW_IF(__NR_rseq),
	ALLOW_IF(__NR_rt_sigprocmask),
	ALLOW_IF(__NR_rt_sigreturn),
	ALLOW_IF(__NR_wait4),
	ALLOW_IF(__NR_clock_nanosleep),
	ALLOW_IF(__NR_sched_yield),
	ALLOW_IF(__NR_gettid),
	TRAP,
};
/* clang-format on */

static _Atomic(void *) exchange[64];
static atomic_bool stop;

static void complain(const char *what, long number)
{
	char line[120];
	int length = snprintf(line, sizeof(line), "%s %ld\n", what, number);

	(void)!write(STDERR_FILENO, line, (size_t)length);
}

static void on_trap(int signal_number, siginfo_t *info, void *context)
{
	(void)signal_number;
	(void)context;
	complain("trapped system call", info->si_syscall);
	_exit(EXIT_TRAPPED);
}

static void *nothing(void *unused)
{
	return unused;
}

/* glibc's first pthread_create installs handlers of its own, before the filter may see it. */
static void first_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, nothing, NULL) != 0)
		_exit(EXIT_BROKEN);
	pthread_join(thread, NULL);
}

static void install(void)
{
	struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	struct sock_fprog program = {.len = sizeof(rules) / sizeof(rules[0]),
				     .filter = (struct sock_filter *)rules};

	sigaction(SIGSYS, &action, NULL);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		complain("no filter, errno", errno);
		_exit(77);
	}
}

static uint32_t random_next(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static size_t random_size(uint32_t *state)
{
	uint32_t roll = random_next(state) % 1000;

	if (roll == 0)
		return random_next(state) % (12u << 20) + 1;
	return roll < 20 ? random_next(state) % 300000 + 1 : random_next(state) % 2000 + 1;
}

static void churn(uint32_t *state, void **block, int steps)
{
	for (int step = 0; step < steps; step++) {
		unsigned i = random_next(state) % BLOCKS;
		size_t size = random_size(state);

		switch (random_next(state) % 4) {
		case 0:
			block[i] = realloc(block[i], size);
			break;
		case 1:
			free(block[i]);
			block[i] = calloc(1, size);
			break;
		case 2:
			free(block[i]);
			block[i] = aligned_alloc(256, size);
			break;
		default:
			/* Somebody else's block for one of ours. */
			block[i] = atomic_exchange(&exchange[random_next(state) % 64], block[i]);
			free(block[i]);
			block[i] = malloc(size);
		}
		if (block[i] == NULL) {
			complain("no memory for bytes", (long)size);
			_exit(EXIT_BROKEN);
		}
		*(volatile char *)block[i] = 1;
	}
}

static void *work(void *number)
{
	void *block[BLOCKS] = {NULL};
	uint32_t state = (uint32_t)(uintptr_t)number * 7919 + 1;

	do
		churn(&state, block, 2000);
	while (!atomic_load(&stop));
	for (int i = 0; i < BLOCKS; i++)
		free(block[i]);
	return NULL;
}

static void start_and_join(bool once)
{
	pthread_t thread[WORKERS];

	for (uintptr_t i = 0; i < WORKERS; i++) {
		if (pthread_create(&thread[i], NULL, work, (void *)(i + (once ? 10 : 0))) != 0)
			_exit(EXIT_BROKEN);
	}
	for (int i = 0; i < WORKERS; i++)
		pthread_join(thread[i], NULL);
}

static void fork_once(void)
{
	pid_t child = fork();
	int status = 0;

	if (child < 0)
		_exit(EXIT_BROKEN);
	if (child == 0) {
		atomic_store(&stop, true);
		start_and_join(true);
		exit(0);
	}
	if (waitpid(child, &status, 0) != child || status != 0) {
		complain("a child ended with status", status);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_BROKEN);
	}
}

static void *fork_until_over(void *seconds)
{
	time_t end = time(NULL) + (time_t)(uintptr_t)seconds;

	while (time(NULL) < end) {
		struct timespec pause = {0, 20 * 1000 * 1000};

		fork_once();
		nanosleep(&pause, NULL);
	}
	atomic_store(&stop, true);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t forker;

	first_thread();
	install();
	if (argc == 2 && strcmp(argv[1], "control") == 0) {
		free(malloc(100));
		(void)getuid();
		return 0;
	}
	if (pthread_create(&forker, NULL, fork_until_over,
			   (void *)(uintptr_t)(argc == 2 ? atoi(argv[1]) : 1)) != 0)
		return EXIT_BROKEN;
	start_and_join(false);
	pthread_join(forker, NULL);
	return 0;
}
