/* SPDX-License-Identifier: MIT */
/*
 * Threads fork while others read lines, which allocates with a stream locked, and one flushes all streams,
 * which waits for each of them with their list locked. So does fork lock that list (glibc's bug 19431).
 */
#include "api.h"

#include <stdatomic.h>
#include <sys/wait.h>

enum { FORKERS = 3, READERS = 6, LINE_CHARS = 50000, SECONDS = 2 };

static _Atomic bool done;

static void *fork_on(void *unused)
{
	int status;

	while (!done) {
		pid_t child = fork();

		if (child == 0)
			_exit(fclose(fopen("/dev/null", "r")) != 0); /* the list is not locked there */
		expect(waitpid(child, &status, 0) == child && status == 0, "a child ended with %d", status);
	}
	return unused;
}

static void *read_on(void *unused)
{
	FILE *file = tmpfile();
	char *line;
	size_t size;

	expect(file != NULL, "no temporary file");
	for (unsigned i = 0; i < LINE_CHARS; i++)
		putc('x', file);
	while (!done) {
		line = NULL;
		size = 0;
		rewind(file);
		expect(getline(&line, &size, file) == LINE_CHARS, "a short line");
		free(line);
	}
	fclose(file);
	return unused;
}

static void *flush_on(void *unused)
{
	while (!done)
		fflush(NULL);
	return unused;
}

int main(void)
{
	pthread_t thread[FORKERS + READERS + 1];

	alarm(60); /* who waits for ever */
	for (unsigned i = 0; i < sizeof(thread) / sizeof(thread[0]); i++)
		expect(pthread_create(&thread[i], NULL,
				      i < FORKERS ? fork_on : i < FORKERS + READERS ? read_on : flush_on,
				      NULL) == 0, "no thread");
	sleep(SECONDS);
	done = true;
	for (unsigned i = 0; i < sizeof(thread) / sizeof(thread[0]); i++)
		pthread_join(thread[i], NULL);
	return 0;
}
