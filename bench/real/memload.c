/* SPDX-License-Identifier: MIT */
/*
 * memload: a load for memcached over its unix socket; never itself under test. Each connection sends groups
 * of 32 commands (two sets of 50 to 900 bytes for one get) and reads the answers.
 *
 *   memload SOCKET CONNECTIONS COMMANDS        commands of each connection
 */
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { GROUP = 32, KEYS = 100000, VALUE_MAX = 900 };

static const char *socket_path;
static uint64_t commands;

static void fail(const char *what)
{
	fprintf(stderr, "memload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(socket_path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "memload: %s is too long for a socket's path\n", socket_path);
		exit(2);
	}
	strcpy(address.sun_path, socket_path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail(socket_path);
	return fd;
}

/*
 * Return: length of a group of commands written to @text, the last of which is a get of a key that is there.
 */
static size_t write_group(char *text, struct bench_rng *rng)
{
	char *at = text;
	unsigned int key = 0;

	for (unsigned int i = 0; i < GROUP; i++) {
		if (i % 3 == 2 || i == GROUP - 1) {
			at += sprintf(at, "get k%u\r\n", key);
			continue;
		}
		key = bench_rng_below(rng, KEYS);
		size_t bytes = bench_rng_between(rng, 50, VALUE_MAX);

		at += sprintf(at, "set k%u 0 0 %zu\r\n", key, bytes);
		memset(at, 'v', bytes);
		at += bytes;
		memcpy(at, "\r\n", 2);
		at += 2;
	}
	return (size_t)(at - text);
}

/* Answers end: STORED for a set, END for a get. Values hold only 'v', so words cannot be mistaken. */
static void read_answers(int fd)
{
	static __thread char text[1 << 16];
	unsigned int answers = 0;

	while (answers < GROUP) {
		ssize_t length = read(fd, text, sizeof(text));

		if (length <= 0)
			fail("read");
		for (ssize_t i = 0; i < length; i++)
			answers += text[i] == 'D'; /* one in STORED, one in END, none in VALUE or a key */
	}
}

static void *load(void *argument)
{
	static __thread char text[GROUP * (VALUE_MAX + 64)];
	struct bench_rng *rng = argument;
	int fd = open_socket();

	for (uint64_t done = 0; done < commands; done += GROUP) {
		size_t length = write_group(text, rng), sent = 0;

		while (sent < length) {
			ssize_t written = write(fd, text + sent, length - sent);

			if (written < 0)
				fail("write");
			sent += (size_t)written;
		}
		read_answers(fd);
	}
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct bench_rng rng[BENCH_THREADS_MAX];
	unsigned int connections;
	uint64_t elapsed;

	if (argc != 4) {
		fprintf(stderr, "usage: memload SOCKET CONNECTIONS COMMANDS\n");
		return 2;
	}
	socket_path = argv[1];
	connections = (unsigned int)strtoul(argv[2], NULL, 10);
	commands = strtoull(argv[3], NULL, 10);
	for (unsigned int i = 0; i < connections && i < BENCH_THREADS_MAX; i++)
		rng[i] = bench_rng_seeded(230 + i);
	elapsed = bench_run_threads(connections, load, rng, sizeof(rng[0]));
	printf("%.0f operations per second\n", (double)(commands * connections) * 1e9 / (double)elapsed);
	return 0;
}
