/* SPDX-License-Identifier: MIT */
/* Blocks in every state that the gdb script tells apart, then an abort. Their addresses are globals. */
#include <stdlib.h>
#include <string.h>

void *live, *waiting, *home, *middle, *run, *mapping, *gone;
void *foreign = &live;

enum { BLOCKS = 1000, SMALL = 100, RUN = 300000, MAPPING = 5000000 };

int main(void)
{
	static void *block[BLOCKS];

	for (int i = 0; i < BLOCKS; i++) {
		block[i] = malloc(3000);
		memset(block[i], i, 3000);
	}
	/* Far more than the bin holds: the first ones freed go home to their slabs. */
	for (int i = 1; i < BLOCKS; i++)
		free(block[i]);
	live = block[0];
	middle = (char *)live + 1234;
	home = block[1];
	run = malloc(RUN);
	mapping = malloc(MAPPING);
	gone = malloc(SMALL);
	waiting = malloc(SMALL);
	free(waiting);
	free(gone);
	free(gone); /* the fault */
	return 0;
}
