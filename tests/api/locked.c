/* SPDX-License-Identifier: MIT */
/* Under mlockall, where the kernel refuses MADV_FREE and MADV_DONTNEED: calloc still gives zeroes, memory
 * returns. */
#include "api.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>

int main(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
	long full;
	long after;

	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		return 77;
	for (int round = 0; round < 5; round++) {
		enum { BLOCKS = 20, SIZE = 2 << 20 };
		char *block[BLOCKS];

		for (int i = 0; i < BLOCKS; i++) {
			block[i] = calloc(1, SIZE);
			expect(block[i] != NULL && zeroed(block[i], SIZE), "calloc of locked memory");
			memset(block[i], 1, SIZE);
		}
		full = status_kib("VmRSS");
		for (int i = 0; i < BLOCKS; i++)
			free(block[i]);
		for (int i = 0; i < 20000; i++)
			free(calloc(1, 1000));
		malloc_trim(0);
		after = status_kib("VmRSS");
		expect(after < full - 20000, "locked memory does not go back: %ld KiB, after the frees %ld",
		       full, after);
	}
	return 0;
}
