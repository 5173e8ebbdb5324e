/* SPDX-License-Identifier: MIT */
/*
 * asym: unequal threads. One reader allocates requests of mixed sizes for three workers; each worker keeps
 * what it got for a while (the first a little, the next eight times as much, ...), frees it in random order,
 * and allocates a small answer for each, which the reader frees. Imitates an acceptor with a pool of
 * workers: one thread's heap is drained by all, and small blocks flow the other way. An operation is a
 * request.
 */
#include "workload.h"

#include <pthread.h>
#include <stdlib.h>

enum { WORKERS = 3, BATCH = 64, MAILBOX = 32, KEPT_MAX = 8192 };

static uint64_t operations = 3000000;
static uint64_t low = 16;
static uint64_t high = 4096;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "requests" },
	{ "low", &low, "bytes of the smallest request" },
	{ "high", &high, "bytes of the largest" },
	{ 0 },
};

struct batch {
	void *block[BATCH];
};

/* A bounded queue of batches; everything guarded by lock. */
struct mailbox {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct batch batch[MAILBOX];
	uint64_t put, got;
	bool closed;
};

static struct worker {
	_Alignas(BENCH_LINE_BYTES) struct mailbox requests;
	struct mailbox answers;
	struct bench_rng rng;
	size_t keep;
} worker[WORKERS];

static void mailbox_init(struct mailbox *mailbox)
{
	pthread_mutex_init(&mailbox->lock, NULL);
	pthread_cond_init(&mailbox->changed, NULL);
}

static void put(struct mailbox *mailbox, const struct batch *batch)
{
	pthread_mutex_lock(&mailbox->lock);
	while (mailbox->put - mailbox->got == MAILBOX)
		pthread_cond_wait(&mailbox->changed, &mailbox->lock);
	mailbox->batch[mailbox->put++ % MAILBOX] = *batch;
	pthread_cond_signal(&mailbox->changed);
	pthread_mutex_unlock(&mailbox->lock);
}

/* Waits where @wait; false when there is nothing (and, with @wait, will be nothing any more). */
static bool get(struct mailbox *mailbox, struct batch *ret_batch, bool wait)
{
	bool found;

	pthread_mutex_lock(&mailbox->lock);
	while (wait && mailbox->put == mailbox->got && !mailbox->closed)
		pthread_cond_wait(&mailbox->changed, &mailbox->lock);
	found = mailbox->put != mailbox->got;
	if (found) {
		*ret_batch = mailbox->batch[mailbox->got++ % MAILBOX];
		pthread_cond_signal(&mailbox->changed);
	}
	pthread_mutex_unlock(&mailbox->lock);
	return found;
}

static void close_mailbox(struct mailbox *mailbox)
{
	pthread_mutex_lock(&mailbox->lock);
	mailbox->closed = true;
	pthread_cond_signal(&mailbox->changed);
	pthread_mutex_unlock(&mailbox->lock);
}

static void free_batch(const struct batch *batch)
{
	for (unsigned int i = 0; i < BATCH; i++)
		free(batch->block[i]);
}

static void *work(struct worker *self)
{
	void **kept = bench_map(self->keep * sizeof(*kept));
	struct batch batch, answer;

	while (get(&self->requests, &batch, true)) {
		for (unsigned int i = 0; i < BATCH; i++) {
			void **slot = &kept[bench_rng_below(&self->rng, (uint32_t)self->keep)];

			bench_read(batch.block[i]);
			free(*slot);
			*slot = batch.block[i];
			answer.block[i] = bench_alloc(48);
			bench_touch_lines(answer.block[i], 48);
		}
		put(&self->answers, &answer);
	}
	close_mailbox(&self->answers);
	for (size_t i = 0; i < self->keep; i++)
		free(kept[i]);
	return NULL;
}

static void *read_requests(void)
{
	struct bench_rng rng = bench_rng_seeded(160);
	struct batch batch;

	for (uint64_t n = 0; n < operations / BATCH; n++) {
		struct worker *to = &worker[n % WORKERS];

		for (unsigned int i = 0; i < BATCH; i++) {
			size_t bytes = bench_rng_size(&rng, low, high);

			batch.block[i] = bench_alloc(bytes);
			bench_touch_lines(batch.block[i], bytes);
		}
		put(&to->requests, &batch);
		for (unsigned int i = 0; i < WORKERS; i++)
			while (get(&worker[i].answers, &batch, false))
				free_batch(&batch);
	}
	for (unsigned int i = 0; i < WORKERS; i++)
		close_mailbox(&worker[i].requests);
	for (unsigned int i = 0; i < WORKERS; i++)
		while (get(&worker[i].answers, &batch, true))
			free_batch(&batch);
	return NULL;
}

static void *run(void *argument)
{
	size_t *number = argument;

	return *number < WORKERS ? work(&worker[*number]) : read_requests();
}

int main(int argc, char **argv)
{
	static size_t number[WORKERS + 1];
	uint64_t elapsed;

	bench_start(argc, argv, "asym", "one thread allocates, three free at their own pace", arguments);
	for (size_t i = 0; i <= WORKERS; i++)
		number[i] = i;
	for (size_t i = 0; i < WORKERS; i++) {
		mailbox_init(&worker[i].requests);
		mailbox_init(&worker[i].answers);
		worker[i].rng = bench_rng_seeded(161 + i);
		worker[i].keep = (size_t)KEPT_MAX >> (3 * (WORKERS - 1 - i));
	}
	elapsed = bench_run_threads(WORKERS + 1, run, number, sizeof(number[0]));
	return bench_report(operations / BATCH * BATCH, elapsed, NULL);
}
