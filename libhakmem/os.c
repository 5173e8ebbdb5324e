/* SPDX-License-Identifier: MIT */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kernel_numbers.h"

_Atomic uint64_t hak_os_counter[HAK_COUNTER_COUNT];

size_t hak_os_page_bytes(void)
{
	static _Atomic size_t cached;
	size_t bytes = atomic_load_explicit(&cached, memory_order_relaxed); /* the same whoever stores it */

	if (hak_unlikely(bytes == 0)) {
		bytes = getauxval(AT_PAGESZ);
		atomic_store_explicit(&cached, bytes, memory_order_relaxed);
	}
	return bytes;
}

uint32_t hak_os_coarse_msec(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* cannot fail; 0 only holds longer */
	return (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

int hak_os_cpu(void)
{
	return sched_getcpu(); /* -1, where that fails: all CPUs are one then */
}

uint64_t hak_os_cpu_nsec(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* cannot fail */
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t hak_os_faults(void)
{
	struct rusage usage = {0};

	(void)getrusage(RUSAGE_SELF, &usage); /* cannot fail */
	return (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt;
}

uint64_t hak_os_peak_kib(void)
{
	struct rusage usage = {0};

	(void)getrusage(RUSAGE_SELF, &usage); /* cannot fail */
	return (uint64_t)usage.ru_maxrss;
}

uint32_t hak_os_pid(void)
{
	return (uint32_t)getpid();
}

_Noreturn void hak_os_exit(int status)
{
	for (;;)
		(void)syscall(SYS_exit_group, status); /* does not return */
}

uint64_t hak_os_resident_kib(void)
{
	int saved_errno = errno;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char line[64] = "", *end = line;
	ssize_t length = fd >= 0 ? read(fd, line, sizeof(line) - 1) : -1;
	uint64_t pages = 0;

	if (fd >= 0)
		(void)close(fd); /* of a file that was read: nothing is lost */
	if (length > 0) {
		(void)strtoull(line, &end, 10); /* what is mapped; resident comes second */
		pages = strtoull(end, NULL, 10);
	}
	errno = saved_errno;
	return pages * hak_os_page_bytes() >> 10;
}

int hak_os_map(void *address, size_t bytes, void **ret_memory)
{
	int saved_errno = errno, result = 0;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (address ? MAP_FIXED_NOREPLACE : 0);
	void *memory = mmap(address, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);

	hak_os_count(HAK_COUNTER_mmap_calls, 1);
	if (memory == MAP_FAILED) {
		result = -errno;
	} else if (address && memory != address) {
		/* Kernels before 4.17 take the flag for a hint. */
		(void)munmap(memory, bytes);
		result = -EEXIST;
	} else {
		*ret_memory = memory;
	}
	errno = saved_errno;
	return result;
}

static void count_returned(size_t bytes)
{
	hak_os_count(HAK_COUNTER_returned_bytes, bytes);
	hak_os_count(HAK_COUNTER_returned_calls, 1);
}

void hak_os_unmap(void *memory, size_t bytes)
{
	int saved_errno = errno;

	hak_os_count(HAK_COUNTER_munmap_calls, 1);
	count_returned(bytes);
	if (munmap(memory, bytes) < 0)
		(void)madvise(memory, bytes,
			      MADV_DONTNEED); /* ENOMEM: too many mappings; give the pages at least */
	errno = saved_errno;
}

static int move_at_once(void *source, size_t bytes, void *target)
{
	int saved_errno = errno, result = 0;
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;

	hak_os_count(HAK_COUNTER_mremap_calls, 1);
	if (mremap(source, bytes, bytes, flags, target) == MAP_FAILED)
		result = -errno;
	errno = saved_errno;
	return result;
}

/* What the kernel keeps as several mappings must be moved in pieces; where they meet is found by halving. */
static size_t move_piece(char *source, size_t bytes, char *target)
{
	size_t page_bytes = hak_os_page_bytes();
	int result;

	while ((result = move_at_once(source, bytes, target)) == -EFAULT && bytes > page_bytes)
		bytes = (bytes / 2 + page_bytes - 1) & ~(page_bytes - 1);
	return result == 0 ? bytes : 0;
}

bool hak_os_move_pages(char *source, size_t bytes, char *target)
{
	size_t moved = 0, piece;

	while (moved < bytes) {
		piece = move_piece(source + moved, bytes - moved, target + moved);
		if (piece == 0)
			break;
		moved += piece;
	}
	if (moved == bytes)
		return true;
	/* Back again, or the bytes would be lost. Copied: for that the kernel need not be asked. */
	memcpy(source, target, moved);
	return false;
}

static int advise(void *memory, size_t bytes, int advice)
{
	int saved_errno = errno, result = 0;

	hak_os_count(HAK_COUNTER_madvise_calls, 1);
	if (madvise(memory, bytes, advice) < 0)
		result = -errno;
	errno = saved_errno;
	return result;
}

int hak_os_dontneed(void *memory, size_t bytes)
{
	int result = advise(memory, bytes, MADV_DONTNEED);

	if (result == 0)
		count_returned(bytes);
	return result;
}

int hak_os_free_lazily(void *memory, size_t bytes)
{
	int result = advise(memory, bytes, MADV_FREE);

	if (result == 0)
		count_returned(bytes);
	return result;
}

int hak_os_populate(void *memory, size_t bytes)
{
	int result = advise(memory, bytes, MADV_POPULATE_WRITE);

	if (result == 0)
		hak_os_count(HAK_COUNTER_populated_bytes, bytes);
	return result;
}

int hak_os_collapse(void *memory, size_t bytes)
{
	return advise(memory, bytes, MADV_COLLAPSE);
}

void hak_os_advise_huge(void *memory, size_t bytes, bool want)
{
	int result = advise(memory, bytes, want ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);

	/* EINVAL: a kernel without huge pages; nothing is lost. */
	if (result == 0 && want)
		hak_os_count(HAK_COUNTER_thp_advised_bytes, bytes);
}
