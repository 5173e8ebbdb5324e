/* SPDX-License-Identifier: MIT */
/*
 * stress SECONDS THREADS [SEED]: everything at once, with checked contents. Each block is filled with its own
 * byte and verified at free and realloc: malloc, calloc, aligned_alloc and realloc of 0 bytes to 6 MiB;
 * blocks change hands between threads; threads end and are replaced; the process forks, and the child
 * verifies and frees what it inherited; malloc_trim in between. Every other generation of threads has sizes
 * of its own, so that what those before left must serve others. Prints what was done; anything wrong aborts
 * with a message.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	OWN_BLOCKS = 6000,
	SHARED_BLOCKS = 2048,
	THREADS_MOST = 64,
	LIFE_OPERATIONS = 150000, /* of a thread */
	FORK_ONE_IN = 60000,
	TRIM_ONE_IN = 20000,
	CHILD_BLOCKS = 1000,
	SEASON_BYTES_MOST = 40 << 10,
	SPARSE_STEP = 509, /* large blocks are verified in steps */
};

struct block {
	unsigned char *bytes;
	size_t size;
	unsigned char identity;
};

struct worker {
	uint64_t random;
	uint64_t operations;
	pthread_t thread;
	struct block blocks[OWN_BLOCKS];
};

/* Sizes of a generation; 0 to 0: of all kinds. */
static struct {
	size_t low, high;
} season;

static struct block shared[SHARED_BLOCKS];
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t forks, lives, exchanges;
static time_t end_of_time;

static _Noreturn void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "stress: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	abort();
}

/* xorshift64 (Marsaglia, 2003) */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t random_size(uint64_t *random)
{
	uint64_t kind = next_random(random) % 1000, value = next_random(random);

	if (season.high)
		return season.low + value % (season.high - season.low);
	if (kind < 700)
		return value % 512;
	if (kind < 920)
		return value % (8 << 10);
	if (kind < 985)
		return value % (64 << 10);
	if (kind < 998)
		return value % (512 << 10);
	return value % (6 << 20);
}

static void choose_season(uint64_t *random)
{
	uint64_t value = next_random(random);

	season.low = season.high = 0;
	if (value % 2)
		return;
	season.low = (size_t)8 << (value >> 8) % 11;
	season.high = season.low << (1 + (value >> 16) % 6);
	if (season.high > SEASON_BYTES_MOST)
		season.high = SEASON_BYTES_MOST;
}

static size_t step_of(size_t size)
{
	return size > 4096 ? SPARSE_STEP : 1;
}

static void verify(const struct block *block, size_t size)
{
	for (size_t i = 0; i < size; i += step_of(block->size))
		if (block->bytes[i] != block->identity)
			fail("%p, %zu bytes: byte %zu is %#x instead of %#x", (void *)block->bytes,
			     block->size, i, block->bytes[i], block->identity);
}

static void fill(struct block *block)
{
	memset(block->bytes, block->identity, block->size);
}

static void make(struct block *block, uint64_t *random)
{
	uint64_t how = next_random(random) % 16;
	size_t align = (size_t)16 << next_random(random) % 12;

	block->size = random_size(random);
	block->identity = (unsigned char)next_random(random);
	if (how == 0)
		block->bytes = aligned_alloc(align, block->size);
	else if (how == 1)
		block->bytes = calloc(1, block->size);
	else
		block->bytes = malloc(block->size);
	if (!block->bytes)
		fail("no memory for %zu bytes", block->size);
	if (how == 0 && (uintptr_t)block->bytes % align != 0)
		fail("%p is not aligned to %zu", (void *)block->bytes, align);
	for (size_t i = 0; how == 1 && i < block->size; i++)
		if (block->bytes[i])
			fail("calloc(1, %zu): byte %zu is %#x", block->size, i, block->bytes[i]);
	if (malloc_usable_size(block->bytes) < block->size)
		fail("%p: usable size %zu of %zu", (void *)block->bytes, malloc_usable_size(block->bytes),
		     block->size);
	fill(block);
}

static void resize(struct block *block, uint64_t *random)
{
	size_t size = random_size(random) + 1, kept = size < block->size ? size : block->size;

	block->bytes = realloc(block->bytes, size);
	if (!block->bytes)
		fail("no memory to make %zu bytes %zu", block->size, size);
	verify(block, kept);
	block->size = size;
	fill(block);
}

static void drop(struct block *block)
{
	verify(block, block->size);
	free(block->bytes);
	block->bytes = NULL;
}

static void exchange(struct block *block, uint64_t *random)
{
	struct block *other = &shared[next_random(random) % SHARED_BLOCKS], kept;

	pthread_mutex_lock(&shared_lock);
	kept = *other;
	*other = *block;
	*block = kept;
	pthread_mutex_unlock(&shared_lock);
	atomic_fetch_add(&exchanges, 1);
}

/* The child has this thread alone, and all the blocks. */
static void fork_and_verify(struct worker *worker)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		fail("fork failed");
	if (child == 0) {
		for (unsigned i = 0; i < CHILD_BLOCKS; i++)
			if (worker->blocks[i].bytes)
				drop(&worker->blocks[i]);
		for (unsigned i = 0; i < CHILD_BLOCKS; i++)
			make(&worker->blocks[i], &worker->random);
		_exit(0);
	}
	if (waitpid(child, &status, 0) < 0 || status)
		fail("the forked child ended with status %#x", status);
	atomic_fetch_add(&forks, 1);
}

static void operate(struct worker *worker)
{
	uint64_t random = next_random(&worker->random);
	struct block *block = &worker->blocks[random % OWN_BLOCKS];

	random >>= 32;
	if (!block->bytes)
		make(block, &worker->random);
	else if (random % 8 == 0)
		resize(block, &worker->random);
	else if (random % 8 < 3)
		exchange(block, &worker->random);
	else
		drop(block);
	if (next_random(&worker->random) % FORK_ONE_IN == 0)
		fork_and_verify(worker);
	if (next_random(&worker->random) % TRIM_ONE_IN == 0)
		(void)malloc_trim(0);
}

static void *live(void *argument)
{
	struct worker *worker = argument;

	for (unsigned i = 0; i < LIFE_OPERATIONS && time(NULL) < end_of_time; i++, worker->operations++)
		operate(worker);
	atomic_fetch_add(&lives, 1);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker worker[THREADS_MOST];
	long seconds = argc > 1 ? atol(argv[1]) : 0, threads = argc > 2 ? atol(argv[2]) : 0;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1, operations = 0;

	if (seconds < 1 || threads < 1 || threads > THREADS_MOST) {
		fprintf(stderr, "usage: stress SECONDS THREADS [SEED], with 1 to %d threads\n", THREADS_MOST);
		return 2;
	}
	end_of_time = time(NULL) + seconds;
	for (long i = 0; i < threads; i++)
		worker[i].random = (seed * 1000 + (uint64_t)i + 1) * UINT64_C(0x9e3779b97f4a7c15);
	/* Successors inherit the blocks of those that ended. */
	while (time(NULL) < end_of_time) {
		choose_season(&worker[0].random);
		for (long i = 0; i < threads; i++)
			if (pthread_create(&worker[i].thread, NULL, live, &worker[i]))
				fail("cannot start a thread");
		for (long i = 0; i < threads; i++)
			pthread_join(worker[i].thread, NULL);
	}
	for (long i = 0; i < threads; i++) {
		for (unsigned j = 0; j < OWN_BLOCKS; j++)
			if (worker[i].blocks[j].bytes)
				drop(&worker[i].blocks[j]);
		operations += worker[i].operations;
	}
	for (unsigned i = 0; i < SHARED_BLOCKS; i++)
		if (shared[i].bytes)
			drop(&shared[i]);
	printf("operations %llu forks %llu threads %llu exchanges %llu\n", (unsigned long long)operations,
	       (unsigned long long)forks, (unsigned long long)lives, (unsigned long long)exchanges);
	return 0;
}
