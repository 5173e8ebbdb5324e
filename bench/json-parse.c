/* SPDX-License-Identifier: MIT */
/*
 * json-parse: a buffer of 64 KiB is filled with a document, parsed into a tree of small nodes (one block per
 * value, one per string, arrays of children that grow by realloc), walked once, and all of it freed.
 * Imitates a web service that decodes one request after another.
 */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t operations = 1000;
static uint64_t buffer_bytes = 64 << 10;
static struct bench_latencies latencies;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "documents" },
	{ "buffer", &buffer_bytes, "bytes of a document" },
	{ 0 },
};

struct value {
	char kind; /* '{', '[', '"' or '0' */
	char *key;
	char *text;
	long number;
	struct value **child;
	size_t children, room;
};

/* A list of records, as an API would answer, as many as fit. */
static void write_document(char *at, size_t bytes, struct bench_rng *rng)
{
	char *end = at + bytes;

	*at++ = '[';
	while (end - at > 200) {
		unsigned int id = bench_rng_below(rng, 1000000);
		int width = (int)bench_rng_between(rng, 3, 40);

		at += sprintf(at, "{\"id\":%u,\"name\":\"%0*u\",\"tags\":[\"red\",\"a longer word\",%u],"
			      "\"at\":{\"x\":%u,\"y\":%u}},", id, width, id, id % 7, id % 100, id % 17);
	}
	at[-1] = ']';
	*at = '\0';
}

static char *parse_text(const char **at)
{
	const char *end = strchr(++*at, '"');
	size_t length = (size_t)(end - *at);
	char *text = bench_alloc(length + 1);

	memcpy(text, *at, length);
	text[length] = '\0';
	*at = end + 1;
	return text;
}

static void add_child(struct value *parent, struct value *child)
{
	if (parent->children == parent->room) {
		parent->room = parent->room ? parent->room * 2 : 4;
		parent->child = realloc(parent->child, parent->room * sizeof(*parent->child));
		bench_check(parent->child, parent->room * sizeof(*parent->child));
	}
	parent->child[parent->children++] = child;
}

static struct value *parse_value(const char **at)
{
	struct value *value = bench_alloc(sizeof(*value));

	*value = (struct value){ .kind = **at };
	if (**at == '"') {
		value->text = parse_text(at);
	} else if (**at == '{' || **at == '[') {
		char close = **at == '{' ? '}' : ']';

		while (**at != close) {
			char *key = NULL;

			++*at; /* the opening bracket or a comma */
			if (value->kind == '{') {
				key = parse_text(at);
				++*at; /* the colon */
			}
			add_child(value, parse_value(at));
			value->child[value->children - 1]->key = key;
		}
		++*at;
	} else {
		value->kind = '0';
		value->number = strtol(*at, (char **)at, 10);
	}
	return value;
}

static long sum(const struct value *value)
{
	long total = value->number + (value->text ? value->text[0] : 0);

	for (size_t i = 0; i < value->children; i++)
		total += sum(value->child[i]);
	return total;
}

static void free_value(struct value *value)
{
	for (size_t i = 0; i < value->children; i++)
		free_value(value->child[i]);
	free(value->child);
	free(value->key);
	free(value->text);
	free(value);
}

int main(int argc, char **argv)
{
	struct bench_rng rng = bench_rng_seeded(4);
	uint64_t began, before, now, done = 0;
	char *document;
	long total = 0;

	bench_start(argc, argv, "json-parse", "decode documents of 64 KiB into trees", arguments);
	if (buffer_bytes < 1024)
		buffer_bytes = 1024;
	document = bench_map(buffer_bytes);
	write_document(document, buffer_bytes, &rng);
	began = before = bench_now_nsec();
	while (done < operations && !bench_time_up()) {
		char *buffer = bench_alloc(buffer_bytes);
		const char *at = buffer;
		struct value *root;

		memcpy(buffer, document, buffer_bytes);
		root = parse_value(&at);
		total += sum(root);
		free_value(root);
		free(buffer);
		done++;
		now = bench_now_nsec();
		bench_latency_add(&latencies, now - before);
		before = now;
	}
	bench_figure("checksum", (double)(total / (long)(done ? done : 1)));
	return bench_report(done, before - began, &latencies);
}
