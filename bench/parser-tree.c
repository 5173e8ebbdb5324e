/* SPDX-License-Identifier: MIT */
/*
 * parser-tree: syntax trees as a compiler or a linter builds them. A recursive descent makes nodes of 32 to
 * 160 bytes with arrays of children of the exact size and names of their own; passes over the tree fold
 * constants, which frees subtrees and puts fresh leaves in their place; whole files are dropped in the order
 * in which they came, eight of them live. An operation is a node made.
 */
#include "workload.h"

#include <stdlib.h>
#include <string.h>

enum { FILES = 8, CHILDREN_MAX = 5 };

static uint64_t operations = 8000000;
static uint64_t file_nodes = 20000;
static uint64_t made;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "nodes" },
	{ "file", &file_nodes, "nodes of a file, about" },
	{ 0 },
};

struct node {
	uint32_t kind, children;
	struct node **child;
	char *name;
	long value;
	char attributes[]; /* 0 to 128 bytes, by kind */
};

static struct node *new_node(struct bench_rng *rng, uint32_t children)
{
	uint32_t kind = bench_rng_below(rng, 9);
	struct node *node = bench_alloc(sizeof(*node) + kind * 16);

	memset(node, 0, sizeof(*node) + kind * 16);
	node->kind = kind;
	node->children = children;
	if (kind < 3) {
		size_t length = bench_rng_between(rng, 3, 24);

		node->name = bench_alloc(length + 1);
		memset(node->name, 'n', length);
		node->name[length] = '\0';
	}
	if (children)
		node->child = bench_alloc(children * sizeof(*node->child));
	made++;
	return node;
}

static struct node *parse(struct bench_rng *rng, unsigned int depth)
{
	uint32_t children = depth ? bench_rng_below(rng, CHILDREN_MAX + 1) : 0;
	struct node *node = new_node(rng, children);

	for (uint32_t i = 0; i < children; i++)
		node->child[i] = parse(rng, depth - 1);
	return node;
}

static void free_tree(struct node *node)
{
	for (uint32_t i = 0; i < node->children; i++)
		free_tree(node->child[i]);
	free(node->child);
	free(node->name);
	free(node);
}

/* Every node whose children are leaves becomes a leaf with probability 1/4. */
static struct node *fold(struct node *node, struct bench_rng *rng)
{
	bool flat = true;

	for (uint32_t i = 0; i < node->children; i++) {
		node->child[i] = fold(node->child[i], rng);
		flat = flat && node->child[i]->children == 0;
	}
	if (node->children && flat && bench_rng_below(rng, 4) == 0) {
		free_tree(node);
		node = new_node(rng, 0);
	}
	return node;
}

static struct node *parse_file(struct bench_rng *rng)
{
	uint64_t began = made;
	struct node *file = new_node(rng, 64);

	for (uint32_t i = 0; i < 64; i++) {
		/* A function is as deep as what is left of the file allows. */
		file->child[i] = parse(rng, made - began < file_nodes ? 7 : 1);
	}
	for (unsigned int pass = 0; pass < 3; pass++)
		for (uint32_t i = 0; i < 64; i++)
			file->child[i] = fold(file->child[i], rng);
	return file;
}

int main(int argc, char **argv)
{
	static struct node *file[FILES];
	static struct bench_latencies latencies;
	struct bench_rng rng = bench_rng_seeded(14);
	uint64_t began, files = 0;

	bench_start(argc, argv, "parser-tree", "syntax trees made, folded and dropped", arguments);
	began = bench_now_nsec();
	while (made < operations && !bench_time_up()) {
		uint64_t before = bench_now_nsec();

		if (file[files % FILES])
			free_tree(file[files % FILES]);
		file[files++ % FILES] = parse_file(&rng);
		bench_latency_add(&latencies, bench_now_nsec() - before);
	}
	began = bench_now_nsec() - began;
	for (size_t i = 0; i < FILES; i++)
		if (file[i])
			free_tree(file[i]);
	return bench_report(made, began, &latencies);
}
