/* SPDX-License-Identifier: MIT */
/*
 * hash-grow: a chained hash table fills from empty to some hundred thousand entries (a node with its key's
 * text, a value block of its own), its bucket array doubling by calloc and rehash; a third is deleted and
 * found missing, then it is emptied and fills again. Imitates dictionaries, symbol tables and key-value
 * stores. An operation is an insertion.
 */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t operations = 2400000;
static uint64_t entries = 400000;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "insertions" },
	{ "entries", &entries, "entries of a full table" },
	{ 0 },
};

struct node {
	struct node *next;
	uint64_t hash;
	char *value;
	char key[];
};

static struct node **buckets;
static size_t bucket_count, node_count;

static void rehash(size_t count)
{
	struct node **fresh = calloc(count, sizeof(*fresh));

	bench_check(fresh, count * sizeof(*fresh));
	for (size_t i = 0; i < bucket_count; i++) {
		while (buckets[i]) {
			struct node *node = buckets[i];

			buckets[i] = node->next;
			node->next = fresh[node->hash & (count - 1)];
			fresh[node->hash & (count - 1)] = node;
		}
	}
	free(buckets);
	buckets = fresh;
	bucket_count = count;
}

static uint64_t hash_of(uint64_t id)
{
	struct bench_rng rng = bench_rng_seeded(id);

	return bench_rng_next(&rng);
}

static void insert(uint64_t id)
{
	uint64_t hash = hash_of(id);
	size_t key_bytes = 8 + (hash & 31), value_bytes = 16 + (hash >> 8 & 127);
	struct node *node = bench_alloc(sizeof(*node) + key_bytes + 1);

	node->hash = hash;
	memset(node->key, 'k', key_bytes);
	node->key[key_bytes] = '\0';
	node->value = bench_alloc(value_bytes);
	memset(node->value, (int)hash, value_bytes);
	if (node_count++ >= bucket_count)
		rehash(bucket_count ? bucket_count * 2 : 16);
	node->next = buckets[hash & (bucket_count - 1)];
	buckets[hash & (bucket_count - 1)] = node;
}

static bool delete(uint64_t id)
{
	uint64_t hash = hash_of(id);

	for (struct node **at = &buckets[hash & (bucket_count - 1)]; *at; at = &(*at)->next) {
		struct node *node = *at;

		if (node->hash != hash)
			continue;
		*at = node->next;
		free(node->value);
		free(node);
		node_count--;
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	uint64_t began, done = 0;

	bench_start(argc, argv, "hash-grow", "a hash table that fills, shrinks and fills again", arguments);
	if (!entries)
		entries = 1;
	began = bench_now_nsec();
	while (done < operations && !bench_time_up()) {
		for (uint64_t id = 0; id < entries; id++)
			insert(id);
		for (uint64_t id = 0; id < entries; id += 3) {
			if (!delete(id) || delete(id)) {
				fprintf(stderr, "hash-grow: an entry was lost: a block was overwritten\n");
				return 1;
			}
		}
		for (uint64_t id = 0; id < entries; id++)
			(void)delete(id); /* a third is gone already */
		free(buckets);
		buckets = NULL;
		bucket_count = 0;
		done += entries;
	}
	return bench_report(done, bench_now_nsec() - began, NULL);
}
