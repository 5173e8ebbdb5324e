/* SPDX-License-Identifier: MIT */
/* No call of malloc's family is a cancellation point: a cancelled thread ends at the next one that is. */
#include "api.h"

#include <fcntl.h>
#include <malloc.h>

enum { BLOCKS = 20000 };

static volatile bool came_through;

static void *allocate(void *unused)
{
	static void *block[BLOCKS];

	pthread_cancel(pthread_self());
	for (unsigned i = 0; i < BLOCKS; i++)
		block[i] = realloc(malloc(i), i * 2);
	for (unsigned i = 0; i < BLOCKS; i++)
		free(block[i]);
	free(malloc((size_t)50 << 20));
	malloc_trim(0);
	(void)mallinfo2();
	malloc_stats();
	came_through = true;
	pthread_testcancel();
	return unused;
}

int main(void)
{
	pthread_t thread;
	void *result;
	int nothing = open("/dev/null", O_WRONLY), said = dup(STDERR_FILENO);

	expect(nothing >= 0 && dup2(nothing, STDERR_FILENO) >= 0, "no /dev/null");
	expect(pthread_create(&thread, NULL, allocate, NULL) == 0, "no thread");
	pthread_join(thread, &result);
	dup2(said, STDERR_FILENO);
	expect(came_through, "a call of malloc's family was a cancellation point");
	expect(result == PTHREAD_CANCELED, "it was not cancelled");
	return 0;
}
