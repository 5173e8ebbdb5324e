/* SPDX-License-Identifier: MIT */
/*
 * work-steal: workers with a deque each. A task is a block; running it allocates scratch memory and, for a
 * few levels, two child tasks that go to the worker's own deque. An idle worker steals the oldest task of
 * another, so tasks are freed by whoever runs them. Only worker 0 gets the first tasks: the others live by
 * stealing, as in Cilk, Rayon or a build tool. An operation is a task.
 */
#include "workload.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { DEQUE = 8192 };

static uint64_t operations = 3000000;
static uint64_t threads = 2;
static uint64_t depth = 10;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "tasks, about" },
	{ "threads", &threads, "workers" },
	{ "depth", &depth, "levels of child tasks below a first one" },
	{ 0 },
};

struct task {
	uint32_t level;
	uint32_t payload_bytes;
	char payload[];
};

static struct worker {
	_Alignas(BENCH_LINE_BYTES) pthread_mutex_t lock;
	struct task *deque[DEQUE];     /* guarded by lock: [oldest, newest) modulo DEQUE */
	uint64_t oldest, newest;
	struct bench_rng rng;
	uint64_t done;
} *worker;

static _Atomic uint64_t roots_left;   /* first tasks not yet started */
static _Atomic int64_t tasks_waiting; /* in deques or running */

static struct task *new_task(struct bench_rng *rng, uint32_t level)
{
	uint32_t bytes = (uint32_t)bench_rng_between(rng, 16, 240);
	struct task *task = bench_alloc(sizeof(*task) + bytes);

	task->level = level;
	task->payload_bytes = bytes;
	memset(task->payload, (int)level, bytes);
	return task;
}

static void push(struct worker *self, struct task *task)
{
	/* relaxed: a plain count; it goes up before the parent's own goes down */
	atomic_fetch_add_explicit(&tasks_waiting, 1, memory_order_relaxed);
	pthread_mutex_lock(&self->lock);
	self->deque[self->newest++ % DEQUE] = task; /* depth-first: a deque holds a few tasks a level */
	pthread_mutex_unlock(&self->lock);
}

static struct task *take(struct worker *from, bool newest)
{
	struct task *task = NULL;

	pthread_mutex_lock(&from->lock);
	if (from->oldest != from->newest)
		task = from->deque[(newest ? --from->newest : from->oldest++) % DEQUE];
	pthread_mutex_unlock(&from->lock);
	return task;
}

static void execute(struct worker *self, struct task *task)
{
	size_t scratch_bytes = bench_rng_size(&self->rng, 64, 2047);
	char *scratch = bench_alloc(scratch_bytes);

	bench_touch_lines(scratch, scratch_bytes);
	memcpy(scratch, task->payload,
	       task->payload_bytes < scratch_bytes ? task->payload_bytes : scratch_bytes);
	if (task->level > 0) {
		push(self, new_task(&self->rng, task->level - 1));
		push(self, new_task(&self->rng, task->level - 1));
	}
	free(scratch);
	free(task);
	self->done++;
	/* relaxed: a plain count; joins order the rest */
	atomic_fetch_sub_explicit(&tasks_waiting, 1, memory_order_relaxed);
}

static void *work(void *argument)
{
	struct worker *self = argument;
	size_t me = (size_t)(self - worker);

	for (;;) {
		struct task *task = take(self, true);

		for (size_t i = 1; !task && i < threads; i++)
			task = take(&worker[(me + i) % threads], false);
		if (task) {
			execute(self, task);
		} else if (me == 0 && atomic_load_explicit(&roots_left, memory_order_relaxed)) {
			atomic_fetch_sub_explicit(&roots_left, 1, memory_order_relaxed);
			push(self, new_task(&self->rng, (uint32_t)depth));
		} else if (!atomic_load_explicit(&roots_left, memory_order_relaxed) &&
			   !atomic_load_explicit(&tasks_waiting, memory_order_relaxed)) {
			return NULL;
		} else {
			sched_yield();
		}
	}
}

int main(int argc, char **argv)
{
	uint64_t elapsed, done = 0;

	bench_start(argc, argv, "work-steal", "tasks freed by whoever runs them", arguments);
	if (depth > 20)
		depth = 20;
	if (threads < 1 || threads > BENCH_THREADS_MAX)
		threads = 2;
	worker = bench_map(threads * sizeof(*worker));
	atomic_init(&roots_left, operations / ((UINT64_C(2) << depth) - 1) + 1);
	for (size_t i = 0; i < threads; i++) {
		pthread_mutex_init(&worker[i].lock, NULL);
		worker[i].rng = bench_rng_seeded(90 + i);
	}
	elapsed = bench_run_threads((unsigned int)threads, work, worker, sizeof(*worker));
	for (size_t i = 0; i < threads; i++)
		done += worker[i].done;
	return bench_report(done, elapsed, NULL);
}
