/* SPDX-License-Identifier: MIT */
/*
 * A process to steer from outside. Prints "ready", then
 *   busy spin     malloc and free of 64 bytes without pause, until SIGTERM
 *   busy sleep    nothing, until SIGTERM
 *   busy steps    reads lines "pairs N", "fill N", "keep N", "large N", "fork" or "quit" from stdin,
 *                 obeys, says "ok": N pairs of malloc and free of 64 bytes; N blocks of 64 bytes that are
 *                 kept, then all freed; N that are kept for ever; N large blocks of 3 MiB, one after the
 *                 other; a child that sleeps and ends with us
 * No stdio, so that the only allocations are those asked for.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void on_term(int number)
{
	(void)number;
	stopped = 1;
}

static void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(1);
}

static void *opaque(void *pointer)
{
	__asm__ volatile("" : "+r"(pointer) : : "memory");
	return pointer;
}

static void pairs(long count, size_t size_bytes)
{
	for (long i = 0; i < count; i++) {
		char *block = opaque(malloc(size_bytes));

		if (block == NULL)
			_exit(1);
		*block = 1;
		free(block);
	}
}

static void **keep(long count)
{
	void **first = NULL;

	for (long i = 0; i < count; i++) {
		void **block = opaque(malloc(64));

		*block = first;
		first = block;
	}
	return first;
}

static void fill(long count)
{
	void **first = keep(count);

	while (first != NULL) {
		void **next = *first;

		free(first);
		first = next;
	}
}

static void fork_sleeper(void)
{
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

static void obey(void)
{
	char line[64];
	ssize_t length;

	while ((length = read(STDIN_FILENO, line, sizeof(line) - 1)) > 0) {
		line[length] = '\0';
		if (strncmp(line, "pairs ", 6) == 0)
			pairs(atol(line + 6), 64);
		else if (strncmp(line, "fill ", 5) == 0)
			fill(atol(line + 5));
		else if (strncmp(line, "keep ", 5) == 0)
			(void)keep(atol(line + 5));
		else if (strncmp(line, "large ", 6) == 0)
			pairs(atol(line + 6), 3 << 20);
		else if (strncmp(line, "fork", 4) == 0)
			fork_sleeper();
		else
			break;
		say("ok\n");
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_term};
	sigset_t blocked;
	sigset_t before;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	sigaction(SIGTERM, &action, NULL);
	say("ready\n");
	if (argc == 2 && strcmp(argv[1], "spin") == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		while (!stopped)
			pairs(1000, 64);
	} else if (argc == 2 && strcmp(argv[1], "steps") == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		obey();
	} else {
		while (!stopped)
			sigsuspend(&before);
	}
	return 0;
}
