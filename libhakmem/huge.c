/* SPDX-License-Identifier: MIT */
#include "huge.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct hak_huge hak_huge;

void hak_huge_read_system(void)
{
	int saved_errno = errno;
	int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
	char line[64] = "";
	ssize_t length = fd >= 0 ? read(fd, line, sizeof(line) - 1) : -1;

	if (fd >= 0)
		(void)close(fd); /* of a file that was read: nothing is lost */
	if (length > 0)
		atomic_store_explicit(&hak_huge.never, strstr(line, "[never]") != NULL, memory_order_relaxed);
	errno = saved_errno;
}

bool hak_huge_follow_system(const struct hak_control_header *control)
{
	/* relaxed, both: a setting of the system, ordered by nothing */
	bool never = atomic_load_explicit(&control->system_thp, memory_order_relaxed) == HAK_SYSTEM_THP_NEVER;

	return atomic_exchange_explicit(&hak_huge.never, never, memory_order_relaxed) != never;
}

void hak_huge_try(void *superslab)
{
	/* A kernel before 6.1 does not know the advice, even for nothing: then we do not know either. */
	if (hak_os_collapse(superslab, 0) == 0 &&
	    hak_os_collapse(superslab, HAK_SUPERSLAB_BYTES) == -EINVAL)
		atomic_store_explicit(&hak_huge.disabled, true, memory_order_relaxed);
}
