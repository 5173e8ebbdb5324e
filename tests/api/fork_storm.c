/* SPDX-License-Identifier: MIT */
/*
 * Threads allocate without pause while others fork. Each child allocates, starts threads, forks again; the
 * parent goes on. A child that finds a lock of the allocator taken for ever would hang: run.py's limit shows
 * it.
 */
#include "api.h"

#include <stdatomic.h>
#include <sys/wait.h>

enum { ALLOCATORS = 3, FORKERS = 2, FORKS = 25, KEPT = 300 };
static atomic_bool stop;

static void churn(void **block, uint32_t *state, int steps)
{
	for (int step = 0; step < steps; step++) {
		unsigned i = random_next(state) % KEPT;

		free(block[i]);
		block[i] = malloc(random_next(state) % (i < 3 ? 400000 : 1500));
		expect(block[i] != NULL, "malloc failed");
		*(char *)block[i] = 1;
	}
}

static void *allocate(void *number)
{
	void *block[KEPT] = {NULL};
	uint32_t state = (uint32_t)(uintptr_t)number + 1;

	while (!atomic_load(&stop))
		churn(block, &state, 1000);
	for (int i = 0; i < KEPT; i++)
		free(block[i]);
	return NULL;
}

static void *short_life(void *number)
{
	void *block[KEPT] = {NULL};
	uint32_t state = (uint32_t)(uintptr_t)number + 77;

	churn(block, &state, 500);
	for (int i = 0; i < KEPT; i++)
		free(block[i]);
	return NULL;
}

static void wait_for(pid_t child)
{
	int status;

	expect(waitpid(child, &status, 0) == child, "waitpid: %d", errno);
	expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child ended with status 0x%x",
	       (unsigned)status);
}

/* The child, its child and so on: each starts threads and forks while they run. */
static void child_main(int depth, void *inherited)
{
	pthread_t thread[2];
	pid_t grandchild;

	do {
		free(inherited);
		short_life((void *)1);
		for (int i = 0; i < 2; i++)
			expect(pthread_create(&thread[i], NULL, short_life, NULL) == 0,
			       "no thread in the child");
		inherited = malloc(1000);
		grandchild = depth > 0 ? fork() : -1;
		expect(grandchild >= 0 || depth == 0, "fork in the child: %d", errno);
		depth--;
	} while (grandchild == 0);
	if (grandchild > 0)
		wait_for(grandchild);
	free(inherited);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	/* Through exit, so that the destructors run in the child of a threaded process too. */
	exit(0);
}

static void *fork_often(void *unused)
{
	for (int i = 0; i < FORKS; i++) {
		void *block = malloc(5000);
		pid_t child = fork();

		expect(child >= 0, "fork: %d", errno);
		if (child == 0)
			child_main(i % 3, block);
		free(block);
		wait_for(child);
	}
	return unused;
}

int main(void)
{
	pthread_t allocator[ALLOCATORS];
	pthread_t forker[FORKERS];

	for (int i = 0; i < ALLOCATORS; i++)
		expect(pthread_create(&allocator[i], NULL, allocate, (void *)(uintptr_t)i) == 0, "no thread");
	for (int i = 0; i < FORKERS; i++)
		expect(pthread_create(&forker[i], NULL, fork_often, NULL) == 0, "no thread");
	for (int i = 0; i < FORKERS; i++)
		pthread_join(forker[i], NULL);
	atomic_store(&stop, true);
	for (int i = 0; i < ALLOCATORS; i++)
		pthread_join(allocator[i], NULL);
	return 0;
}
