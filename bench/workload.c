/* SPDX-License-Identifier: MIT */
/* See workload.h. */
#include "workload.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { FIGURES_MAX = 8 };

static const char *scenario_name;
static uint64_t start_nsec;
static uint64_t limit_sec = 5;
static struct {
	const char *name;
	double value;
} figures[FIGURES_MAX];
static unsigned int figure_count;
static uint64_t books_kib; /* what bench_map() took: not the allocator's */

size_t bench_rng_size(struct bench_rng *rng, size_t low, size_t high)
{
	unsigned int doublings = 0;
	size_t base, top;

	while ((low << (doublings + 1)) <= high)
		doublings++;
	base = low << bench_rng_below(rng, doublings + 1);
	top = base * 2 - 1 < high ? base * 2 - 1 : high;
	return bench_rng_between(rng, base, top);
}

uint64_t bench_now_nsec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

bool bench_time_up(void)
{
	return bench_now_nsec() - start_nsec >= limit_sec * UINT64_C(1000000000);
}

/*
 * ---- latencies
 * --------------------------------------------------------------------------------------------------
 */

static unsigned int latency_bucket(uint64_t nsec)
{
	unsigned int doubling, bucket;

	if (nsec < BENCH_LATENCY_STEPS)
		return (unsigned int)nsec;
	doubling = 63 - (unsigned int)__builtin_clzll(nsec) - 5; /* 2^5 steps */
	bucket = doubling * BENCH_LATENCY_STEPS + (unsigned int)(nsec >> doubling);
	if (bucket >= BENCH_LATENCY_DOUBLINGS * BENCH_LATENCY_STEPS)
		bucket = BENCH_LATENCY_DOUBLINGS * BENCH_LATENCY_STEPS - 1;
	return bucket;
}

static uint64_t latency_value(unsigned int bucket)
{
	unsigned int doubling = bucket / BENCH_LATENCY_STEPS;
	uint64_t step = bucket % BENCH_LATENCY_STEPS;

	return doubling == 0 ? step : (step + BENCH_LATENCY_STEPS) << (doubling - 1);
}

void bench_latency_add(struct bench_latencies *latencies, uint64_t nsec)
{
	latencies->count++;
	latencies->bucket[latency_bucket(nsec)]++;
}

uint64_t bench_latency_permille(const struct bench_latencies *latencies, unsigned int permille)
{
	uint64_t below = 0;
	uint64_t wanted = latencies->count * permille / 1000;

	for (unsigned int i = 0; i < BENCH_LATENCY_DOUBLINGS * BENCH_LATENCY_STEPS; i++) {
		below += latencies->bucket[i];
		if (below > wanted)
			return latency_value(i);
	}
	return 0;
}

/*
 * ---- memory
 * ------------------------------------------------------------------------------------------------------
 */

void *bench_map(size_t bytes)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE; /* resident from now on */
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (memory == MAP_FAILED) {
		fprintf(stderr, "%s: cannot map %zu bytes for the workload itself: %s\n",
			scenario_name, bytes, strerror(errno));
		exit(1);
	}
	books_kib += (bytes + BENCH_PAGE_BYTES - 1) / BENCH_PAGE_BYTES * (BENCH_PAGE_BYTES / 1024);
	return memory;
}

void bench_check(const void *block, size_t bytes)
{
	if (block)
		return;
	fprintf(stderr, "%s: the allocator refused %zu bytes: %s\n", scenario_name, bytes, strerror(errno));
	exit(1);
}

void *bench_alloc(size_t bytes)
{
	void *block = malloc(bytes);

	bench_check(block, bytes);
	return block;
}

/* The value of a "Vm...:" line of /proc/self/status, read without stdio, which would allocate. */
static uint64_t status_kib(const char *key)
{
	static char text[8192];
	const char *found;
	ssize_t length;
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	length = read(fd, text, sizeof(text) - 1);
	(void)close(fd); /* nothing was written */
	if (length <= 0)
		return 0;
	text[length] = '\0';
	found = strstr(text, key);
	return found ? strtoull(found + strlen(key), NULL, 10) : 0;
}

uint64_t bench_rss_kib(void)
{
	uint64_t kib = status_kib("VmRSS:");

	return kib > books_kib ? kib - books_kib : 0;
}

/*
 * ---- arguments and report
 * ---------------------------------------------------------------------------------------
 */

static void print_arguments(FILE *stream, const struct bench_argument *arguments)
{
	for (; arguments->name; arguments++)
		fprintf(stream, "  %-12s %s (now %" PRIu64 ")\n", arguments->name, arguments->help,
			*arguments->value);
	fprintf(stream, "  %-12s %s (now %" PRIu64 ")\n", "seconds", "end early after this time", limit_sec);
	fprintf(stream, "  %-12s %s (now %s)\n", "name", "scenario in the report", scenario_name);
}

static bool parse_value(const char *text, uint64_t *ret_value)
{
	char *end;
	uint64_t value;
	unsigned int shift = 0;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end == 'K' || *end == 'M' || *end == 'G')
		shift = *end == 'K' ? 10 : *end == 'M' ? 20 : 30;
	if (errno || end[shift ? 1 : 0] || value > UINT64_MAX >> shift)
		return false;
	*ret_value = value << shift;
	return true;
}

static uint64_t *find_argument(const struct bench_argument *arguments, const char *word, size_t length)
{
	if (length == strlen("seconds") && !strncmp(word, "seconds", length))
		return &limit_sec;
	for (; arguments->name; arguments++)
		if (strlen(arguments->name) == length && !strncmp(arguments->name, word, length))
			return arguments->value;
	return NULL;
}

void bench_start(int argc, char **argv, const char *scenario, const char *summary,
		 const struct bench_argument *arguments)
{
	scenario_name = scenario;
	for (int i = 1; i < argc; i++) {
		const char *equals = strchr(argv[i], '=');
		uint64_t *value = NULL;

		if (!strcmp(argv[i], "--help")) {
			printf("%s: %s\n%s [NAME=VALUE]...\n", scenario, summary, argv[0]);
			print_arguments(stdout, arguments);
			exit(0);
		}
		if (!strncmp(argv[i], "name=", 5)) {
			scenario_name = argv[i] + 5;
			continue;
		}
		if (equals)
			value = find_argument(arguments, argv[i], (size_t)(equals - argv[i]));
		if (!value) {
			fprintf(stderr, "%s: '%s' is no argument of this scenario; NAME=VALUE with one of:\n",
				scenario, argv[i]);
			print_arguments(stderr, arguments);
			exit(2);
		}
		if (!parse_value(equals + 1, value)) {
			fprintf(stderr, "%s: '%s' needs a decimal number, K, M or G may follow\n", scenario,
				argv[i]);
			exit(2);
		}
	}
	start_nsec = bench_now_nsec();
}

void bench_figure(const char *name, double value)
{
	if (figure_count == FIGURES_MAX)
		abort();
	figures[figure_count].name = name;
	figures[figure_count++].value = value;
}

/* The object that a call of malloc from here reaches. */
static const char *allocator_name(void)
{
	Dl_info info;
	const char *slash;

	if (!dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info) || !info.dli_fname)
		return "unknown";
	slash = strrchr(info.dli_fname, '/');
	return slash ? slash + 1 : info.dli_fname;
}

int bench_report(uint64_t operations, uint64_t elapsed_nsec, const struct bench_latencies *latencies)
{
	uint64_t rss = bench_rss_kib();
	uint64_t peak = status_kib("VmHWM:") - books_kib;

	printf("bench scenario=%s operations=%" PRIu64 " ns_per_op=%.2f", scenario_name, operations,
	       operations ? (double)elapsed_nsec / (double)operations : 0.0);
	if (latencies)
		printf(" p50_ns=%" PRIu64 " p99_ns=%" PRIu64, bench_latency_permille(latencies, 500),
		       bench_latency_permille(latencies, 990));
	printf(" peak_rss_kib=%" PRIu64 " rss_kib=%" PRIu64, peak, rss);
	for (unsigned int i = 0; i < figure_count; i++)
		printf(figures[i].value < 10000 ? " %s=%.4g" : " %s=%.0f", figures[i].name, figures[i].value);
	printf(" allocator=%s\n", allocator_name());
	return fflush(stdout) == 0 ? 0 : 1;
}

/*
 * ---- threads
 * -----------------------------------------------------------------------------------------------------
 */

static pthread_barrier_t ready;

struct thread_start {
	void *(*body)(void *);
	void *argument;
};

static void *thread_main(void *start)
{
	struct thread_start *self = start;

	(void)pthread_barrier_wait(&ready); /* returns no error for an initialised barrier */
	return self->body(self->argument);
}

uint64_t bench_run_threads(unsigned int count, void *(*body)(void *), void *arguments, size_t stride)
{
	static pthread_t thread[BENCH_THREADS_MAX];
	static struct thread_start starts[BENCH_THREADS_MAX];
	uint64_t began;

	if (count < 1 || count > BENCH_THREADS_MAX) {
		fprintf(stderr, "%s: threads=%u, but it must be 1 to %d\n", scenario_name, count,
			BENCH_THREADS_MAX);
		exit(2);
	}
	pthread_barrier_init(&ready, NULL, count + 1);
	for (unsigned int i = 0; i < count; i++) {
		starts[i] = (struct thread_start){ body, (char *)arguments + i * stride };
		if (pthread_create(&thread[i], NULL, thread_main, &starts[i])) {
			fprintf(stderr, "%s: cannot start thread %u of %u\n", scenario_name, i + 1, count);
			exit(1);
		}
	}
	began = bench_now_nsec(); /* before the barrier: a thread may run to its end before we run again */
	(void)pthread_barrier_wait(&ready);
	for (unsigned int i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&ready);
	return bench_now_nsec() - began;
}
