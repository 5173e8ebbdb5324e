/* SPDX-License-Identifier: MIT */
/*
 * brood BYTES: a server that forks a child for each session, and is told how many by lines on its input:
 *
 *	fork N    N children more; each takes 64 blocks that come to BYTES, and stays
 *	end N     the N oldest end well
 *	kill N    the N oldest are killed
 *	storm N   N children one after the other, each ends at once by _exit()
 *	family N  the newest child forks N that do as it does and end with it
 *
 * Answers each line with "done" once all that has happened. Ends, and its children with it, when its input
 * does.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN_MOST = 1024, BLOCKS = 64 };

static struct {
	pid_t pid;
	int order;  /* a byte is an order; its end is one to end */
	int answer; /* a byte from each that has its blocks */
} children[CHILDREN_MOST];
static int first, last; /* children[first] is the oldest that lives, children[last] the next */
static size_t bytes;

static void say(int fd)
{
	if (write(fd, "", 1) != 1)
		_exit(1);
}

static int hears(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 1;
}

static void take_blocks(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		char *block = malloc(bytes / BLOCKS);

		if (!block)
			_exit(1);
		memset(block, i, bytes / BLOCKS);
	}
}

static void live(int orders, int answers)
{
	take_blocks();
	say(answers);
	while (hears(orders)) {
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			take_blocks();
			say(answers);
			pause();
		}
	}
	exit(0);
}

static void begin_child(void)
{
	int order[2], answer[2];

	if (last == CHILDREN_MOST || pipe(order) < 0 || pipe(answer) < 0)
		exit(1);
	children[last].order = order[1];
	children[last].pid = fork();
	if (children[last].pid == 0) {
		for (int i = first; i <= last; i++)
			close(children[i].order);
		live(order[0], answer[1]);
	}
	close(order[0]);
	close(answer[1]);
	children[last].answer = answer[0];
	if (children[last].pid < 0 || !hears(answer[0]))
		exit(1);
	last++;
}

static void end_child(int by_signal)
{
	if (by_signal)
		kill(children[first].pid, SIGKILL);
	close(children[first].order);
	close(children[first].answer);
	waitpid(children[first].pid, NULL, 0);
	first++;
}

static void storm(int count)
{
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			exit(1);
	}
}

static void obey(const char *verb, int count)
{
	if (strcmp(verb, "storm") == 0)
		storm(count);
	else if (strcmp(verb, "family") == 0)
		for (int i = 0; i < count; i++) {
			say(children[last - 1].order);
			(void)hears(children[last - 1].answer);
		}
	else
		for (int i = 0; i < count; i++)
			if (strcmp(verb, "fork") == 0)
				begin_child();
			else
				end_child(strcmp(verb, "kill") == 0);
}

int main(int argc, char **argv)
{
	char verb[16];
	int count;

	if (argc != 2)
		return 2;
	bytes = strtoul(argv[1], NULL, 10);
	while (scanf("%15s %d", verb, &count) == 2) {
		obey(verb, count);
		puts("done");
		fflush(stdout);
	}
	while (first < last)
		end_child(0);
	return 0;
}
