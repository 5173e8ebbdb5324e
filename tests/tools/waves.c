/* SPDX-License-Identifier: MIT */
/*
 * waves SECONDS THREADS: each thread allocates some tens of MiB in blocks of 64 bytes to 6 MiB, fills each
 * with its number, verifies all and frees them, again and again, so that much memory is always being given
 * back and taken again. Prints the waves; wrong contents abort with a message.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCKS_MOST = 40000, THREADS_MOST = 16, WAVE_BYTES = 48 << 20, STEP = 509 };

struct wave {
	uint64_t random;
	unsigned waves;
	unsigned count;
	unsigned char *block[BLOCKS_MOST];
	size_t bytes[BLOCKS_MOST];
};

static struct wave waves[THREADS_MOST];
static time_t end_of_time;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t random_bytes(uint64_t *state)
{
	size_t low = (size_t)64 << next_random(state) % 17;

	return low + next_random(state) % low / 2;
}

static void rise(struct wave *wave)
{
	size_t total = 0;

	for (wave->count = 0; wave->count < BLOCKS_MOST && total < WAVE_BYTES; wave->count++) {
		size_t bytes = random_bytes(&wave->random);

		wave->block[wave->count] = malloc(bytes);
		if (!wave->block[wave->count])
			abort();
		memset(wave->block[wave->count], (int)(wave->count % 251), bytes);
		wave->bytes[wave->count] = bytes;
		total += bytes;
	}
}

static void fall(struct wave *wave)
{
	for (unsigned i = 0; i < wave->count; i++) {
		for (size_t at = 0; at < wave->bytes[i]; at += STEP)
			if (wave->block[i][at] != i % 251) {
				fprintf(stderr, "waves: byte %zu of %zu at %p is %u instead of %u\n", at,
					wave->bytes[i], (void *)wave->block[i], wave->block[i][at], i % 251);
				abort();
			}
		free(wave->block[i]);
	}
	wave->waves++;
}

static void *run(void *data)
{
	struct wave *wave = data;
	struct timespec pause = {.tv_nsec = 20000000};

	while (time(NULL) < end_of_time) {
		rise(wave);
		fall(wave);
		if (wave->waves % 4 == 0)
			(void)nanosleep(&pause, NULL);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long seconds = argc > 1 ? atol(argv[1]) : 0, threads = argc > 2 ? atol(argv[2]) : 0;
	pthread_t thread[THREADS_MOST];
	unsigned done = 0;

	if (argc != 3 || seconds < 1 || threads < 1 || threads > THREADS_MOST) {
		fprintf(stderr, "usage: waves SECONDS THREADS (1 to %d)\n", THREADS_MOST);
		return 2;
	}
	end_of_time = time(NULL) + seconds;
	for (long i = 0; i < threads; i++) {
		waves[i].random = (uint64_t)i + 88172645463325252;
		if (pthread_create(&thread[i], NULL, run, &waves[i]) != 0)
			return 1;
	}
	for (long i = 0; i < threads; i++) {
		pthread_join(thread[i], NULL);
		done += waves[i].waves;
	}
	printf("waves %u\n", done);
	return 0;
}
