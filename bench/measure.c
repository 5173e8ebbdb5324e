/* SPDX-License-Identifier: MIT */
/*
 * measure: run a command and write what it used to a file, as one line:
 *   wall_nsec user_usec sys_usec peak_rss_kib minor_faults major_faults context_switches status
 * bench/run cannot ask this of its own children: a process's peak counts what its parent had resident before
 * exec, and an interpreter is larger than many of the programs measured.
 *
 *   measure FILE [VARIABLE=VALUE]... -- COMMAND [ARGUMENT]...
 * The variables (LD_PRELOAD among them) are set for the command alone. Peak and times include the command's
 * own children that it waited for. status is the exit status, or 128 + the signal.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_nsec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t usec(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_usec;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	uint64_t began;
	int status, command = 2;
	FILE *out;
	pid_t pid;

	while (command < argc && strcmp(argv[command], "--"))
		command++;
	if (command + 1 >= argc) {
		fprintf(stderr, "usage: measure FILE [VARIABLE=VALUE]... -- COMMAND [ARGUMENT]...\n");
		return 2;
	}
	began = now_nsec();
	pid = fork();
	if (pid < 0) {
		fprintf(stderr, "measure: cannot fork: %s\n", strerror(errno));
		return 1;
	}
	if (pid == 0) {
		for (int i = 2; i < command; i++)
			putenv(argv[i]);
		execvp(argv[command + 1], &argv[command + 1]);
		fprintf(stderr, "measure: cannot run %s: %s\n", argv[command + 1], strerror(errno));
		_exit(127);
	}
	while (wait4(pid, &status, 0, &usage) < 0) {
		if (errno != EINTR) {
			fprintf(stderr, "measure: cannot wait: %s\n", strerror(errno));
			return 1;
		}
	}
	began = now_nsec() - began;
	out = fopen(argv[1], "we");
	if (!out) {
		fprintf(stderr, "measure: cannot write %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	fprintf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %ld %ld %ld %ld %d\n", began, usec(usage.ru_utime),
		usec(usage.ru_stime), usage.ru_maxrss, usage.ru_minflt, usage.ru_majflt,
		usage.ru_nvcsw + usage.ru_nivcsw,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return fclose(out) == 0 ? 0 : 1;
}
