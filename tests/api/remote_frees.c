/* SPDX-License-Identifier: MIT */
/* Producers allocate, consumers free: data arrives whole, and memory is used again instead of growing. */
#include "api.h"

#include <stdatomic.h>

enum { PAIRS = 2, MESSAGES = 400000, RING = 1024, ALLOWED_KIB = 60000 };

struct channel {
	_Atomic(void *) slot[RING];
	unsigned seed;
};

static size_t message_size(uint32_t *state)
{
	uint32_t roll = random_next(state);

	return roll % 1000 == 0 ? roll % 300000 + 16 : roll % 800 + 16;
}

static void *produce(void *argument)
{
	struct channel *channel = argument;
	uint32_t state = channel->seed;

	for (unsigned i = 0; i < MESSAGES; i++) {
		size_t size = message_size(&state);
		size_t *message = malloc(size);

		expect(message != NULL, "malloc failed");
		message[0] = size;
		fill(message + 1, size - 8, i);
		while (atomic_load_explicit(&channel->slot[i % RING], memory_order_acquire) != NULL)
			sched_yield();
		atomic_store_explicit(&channel->slot[i % RING], message, memory_order_release);
	}
	return NULL;
}

static void *consume(void *argument)
{
	struct channel *channel = argument;

	for (unsigned i = 0; i < MESSAGES; i++) {
		size_t *message;

		while ((message = atomic_load_explicit(&channel->slot[i % RING], memory_order_acquire)) ==
		       NULL)
			sched_yield();
		atomic_store_explicit(&channel->slot[i % RING], NULL, memory_order_release);
		expect(filled(message + 1, message[0] - 8, i), "message %u was overwritten", i);
		free(message);
	}
	return NULL;
}

int main(void)
{
	static struct channel channel[PAIRS];
	pthread_t thread[2 * PAIRS];
	long peak;

	for (unsigned i = 0; i < PAIRS; i++) {
		channel[i].seed = i + 1;
		expect(pthread_create(&thread[2 * i], NULL, produce, &channel[i]) == 0, "no thread");
		expect(pthread_create(&thread[2 * i + 1], NULL, consume, &channel[i]) == 0, "no thread");
	}
	for (int i = 0; i < 2 * PAIRS; i++)
		pthread_join(thread[i], NULL);
	peak = status_kib("VmHWM");
	expect(peak < ALLOWED_KIB, "peak RSS %ld KiB for rings of under 2 MiB", peak);
	return 0;
}
