/* SPDX-License-Identifier: MIT */
/*
 * strings: small strings and vectors that grow. A thousand builders are live; each operation appends a few
 * bytes to one of them and doubles its room by realloc when it is full; one that has reached its length is
 * shrunk to fit, kept for a while in place of an older one, and a new builder begins. Imitates string
 * building in scripting languages, template engines and log formatters. An operation is an append.
 */
#include "workload.h"

#include <stdlib.h>
#include <string.h>

enum { BUILDERS = 1024, FINISHED = 8192 };

static uint64_t operations = 20000000;
static uint64_t longest = 16 << 10;

static const struct bench_argument arguments[] = {
	{ "operations", &operations, "appends" },
	{ "longest", &longest, "bytes of the longest string" },
	{ 0 },
};

static struct builder {
	char *text;
	size_t length, room, wanted;
} builder[BUILDERS];
static char *finished[FINISHED];

static void append(struct builder *self, size_t bytes, struct bench_rng *rng)
{
	if (!self->text) {
		self->room = 16;
		self->length = 0;
		self->wanted = bench_rng_size(rng, 16, longest);
		self->text = bench_alloc(self->room);
	}
	if (self->length + bytes > self->room) {
		while (self->length + bytes > self->room)
			self->room *= 2;
		self->text = realloc(self->text, self->room);
		bench_check(self->text, self->room);
	}
	memset(self->text + self->length, 'a', bytes);
	self->length += bytes;
}

static void finish(struct builder *self, struct bench_rng *rng)
{
	char **slot = &finished[bench_rng_below(rng, FINISHED)];

	free(*slot);
	*slot = realloc(self->text, self->length);
	bench_check(*slot, self->length);
	self->text = NULL;
}

int main(int argc, char **argv)
{
	struct bench_rng rng = bench_rng_seeded(12);
	uint64_t began, done = 0;

	bench_start(argc, argv, "strings", "many small strings that grow by realloc", arguments);
	if (longest < 32)
		longest = 32;
	began = bench_now_nsec();
	while (done < operations && !bench_time_up()) {
		for (unsigned int i = 0; i < 4096; i++) {
			struct builder *self = &builder[bench_rng_below(&rng, BUILDERS)];

			append(self, bench_rng_between(&rng, 1, 200), &rng);
			if (self->length >= self->wanted)
				finish(self, &rng);
		}
		done += 4096;
	}
	began = bench_now_nsec() - began;
	for (size_t i = 0; i < BUILDERS; i++)
		free(builder[i].text);
	for (size_t i = 0; i < FINISHED; i++)
		free(finished[i]);
	return bench_report(done, began, NULL);
}
