/* SPDX-License-Identifier: MIT */
/*
 * Thousands of short threads: what an ended thread's heap holds is taken over, RSS does not grow. Some leave
 * blocks for others to free after their end.
 */
#include "api.h"

enum { ROUNDS = 5000, WARM_UP = 500, BLOCKS = 200, ALLOWED_KIB = 3000 };

struct gift {
	void *block[BLOCKS];
};

static void *thread_main(void *argument)
{
	struct gift *gift = argument;
	void *own[BLOCKS];

	for (int i = 0; i < BLOCKS; i++) {
		gift->block[i] = malloc((size_t)i * 13 % 1500 + 1);
		own[i] = malloc((size_t)i * 29 % 3000 + 1);
		expect(gift->block[i] != NULL && own[i] != NULL, "malloc failed");
		*(char *)gift->block[i] = 1;
		*(char *)own[i] = 2;
	}
	for (int i = 0; i < BLOCKS; i++)
		free(own[i]);
	free(malloc(200000));
	return NULL;
}

int main(void)
{
	static struct gift gift[2];
	long before = 0;
	long after;

	for (int round = 0; round < ROUNDS; round++) {
		pthread_t thread[2];

		if (round == WARM_UP)
			before = status_kib("VmRSS");
		for (int t = 0; t < 2; t++)
			expect(pthread_create(&thread[t], NULL, thread_main, &gift[t]) == 0, "no thread");
		for (int t = 0; t < 2; t++) {
			pthread_join(thread[t], NULL);
			for (int i = 0; i < BLOCKS; i++)
				free(gift[t].block[i]);
		}
	}
	after = status_kib("VmRSS");
	expect(after - before < ALLOWED_KIB, "RSS grew from %ld to %ld KiB over %d threads", before, after,
	       2 * (ROUNDS - WARM_UP));
	return 0;
}
