/* SPDX-License-Identifier: MIT */
#include "machine_costs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 9, CALLS = 200, PIECE_BYTES = 2 << 20 };

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
	uint32_t l = *(const uint32_t *)left, r = *(const uint32_t *)right;

	return (l > r) - (l < r);
}

static uint32_t median(uint32_t *values)
{
	qsort(values, ROUNDS, sizeof(*values), compare);
	return values[ROUNDS / 2];
}

static uint32_t each(uint64_t begin_ns, size_t count)
{
	uint64_t ns = (now_ns() - begin_ns) / count;

	return ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static void touch(volatile char *piece, size_t step)
{
	for (size_t i = 0; i < PIECE_BYTES; i += step)
		piece[i] = 1;
}

/* Is there a huge page? A byte of its last page is resident without having been touched. */
static bool is_huge(char *piece, size_t page_bytes)
{
	unsigned char resident = 0;

	return mincore(piece + PIECE_BYTES - page_bytes, page_bytes, &resident) == 0 && resident & 1;
}

static uint32_t measure_call(void)
{
	uint64_t begin = now_ns();

	for (int i = 0; i < CALLS; i++)
		(void)syscall(SYS_getppid);
	return each(begin, CALLS);
}

struct hak_machine_costs hak_machine_costs_measure(void)
{
	uint32_t small[ROUNDS], huge[ROUNDS], populate[ROUNDS], give_back[ROUNDS], call[ROUNDS];
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), pages = PIECE_BYTES / page_bytes;
	struct hak_machine_costs costs = {0};
	bool has_huge = true, has_populate = true;
	char *area, *piece;

	area = mmap(NULL, 2 * PIECE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		return costs;
	piece = area + (PIECE_BYTES - (uintptr_t)area % PIECE_BYTES) % PIECE_BYTES;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t begin;

		call[i] = measure_call();
		(void)madvise(piece, PIECE_BYTES, MADV_NOHUGEPAGE); /* a kernel without huge pages */
		begin = now_ns();
		touch(piece, page_bytes);
		small[i] = each(begin, pages);
		begin = now_ns();
		(void)madvise(piece, PIECE_BYTES, MADV_DONTNEED); /* private anonymous memory: cannot fail */
		give_back[i] = each(begin, pages);
		begin = now_ns();
		has_populate &= madvise(piece, PIECE_BYTES, MADV_POPULATE_WRITE) == 0; /* Linux 5.14 */
		populate[i] = each(begin, pages);
		(void)madvise(piece, PIECE_BYTES, MADV_DONTNEED);
		has_huge &= madvise(piece, PIECE_BYTES, MADV_HUGEPAGE) == 0;
		begin = now_ns();
		touch(piece, PIECE_BYTES);
		huge[i] = each(begin, 1);
		has_huge &= is_huge(piece, page_bytes);
		(void)madvise(piece, PIECE_BYTES, MADV_DONTNEED);
	}
	(void)munmap(area, 2 * PIECE_BYTES);
	costs.syscall_ns = median(call);
	costs.fault_small_ns = median(small);
	costs.madvise_page_ns = median(give_back);
	costs.populate_page_ns = has_populate ? median(populate) : 0;
	costs.fault_huge_ns = has_huge ? median(huge) : 0;
	return costs;
}
