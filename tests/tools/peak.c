/* SPDX-License-Identifier: MIT */
/*
 * peak LIBRARY COMMAND [WORD...]: runs a command with that library preloaded (empty: none) and prints its
 * peak resident size in KiB on stderr. A program of its own, linked statically, because a child's peak starts
 * with that of the process that it was forked from.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;
	pid_t child;
	char *environment[2] = {NULL, NULL};
	char preload[4096];
	const char *library = argc > 2 ? argv[1] : "";

	if (argc < 3) {
		fprintf(stderr, "usage: peak LIBRARY COMMAND [WORD...] (LIBRARY may be empty)\n");
		return 2;
	}
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", library);
	environment[0] = preload;
	errno = posix_spawn(&child, argv[2], NULL, NULL, argv + 2, environment);
	if (errno != 0) {
		fprintf(stderr, "peak: cannot run %s: %s\n", argv[2], strerror(errno));
		return 1;
	}
	if (wait4(child, &status, 0, &usage) != child || status != 0)
		return 1;
	fprintf(stderr, "%ld\n", usage.ru_maxrss);
	return 0;
}
