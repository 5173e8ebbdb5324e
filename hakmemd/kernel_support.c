/* SPDX-License-Identifier: MIT */
/* See kernel_support.h. */
#include "kernel_support.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool probe_pidfd(int unused)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* No process behind the descriptor: a kernel that knows the call says EBADF. */
static bool probe_process_madvise(int unused)
{
	return syscall(SYS_process_madvise, -1, NULL, 0, MADV_COLD, 0) < 0 && errno != ENOSYS;
}

/* A range of no length is fine with every advice that the kernel knows, and EINVAL with others. */
static bool probe_advice(int advice)
{
	void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool known;

	if (page == MAP_FAILED)
		return false;
	known = madvise(page, 0, advice) == 0;
	(void)munmap(page, (size_t)sysconf(_SC_PAGESIZE)); /* a mapping of ours: cannot fail */
	return known;
}

static bool probe_psi(int unused)
{
	return access("/proc/pressure/memory", R_OK) == 0;
}

const char hak_kernel_thp_path[] = "/sys/kernel/mm/transparent_hugepage/enabled";

enum hak_system_thp hak_kernel_system_thp(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[64];
	bool read;

	if (!file)
		return HAK_SYSTEM_THP_UNKNOWN;
	read = fgets(line, sizeof(line), file) != NULL;
	fclose(file);
	if (!read)
		return HAK_SYSTEM_THP_UNKNOWN;
	return strstr(line, "[never]") ? HAK_SYSTEM_THP_NEVER : HAK_SYSTEM_THP_SOME;
}

static bool probe_thp(int unused)
{
	return access(hak_kernel_thp_path, R_OK) == 0;
}

const struct hak_kernel_feature hak_kernel_features[] = {
	{"pidfd", probe_pidfd, 0},
	{"process-madvise", probe_process_madvise, 0},
	{"madvise-free", probe_advice, MADV_FREE},
	{"madvise-populate-write", probe_advice, MADV_POPULATE_WRITE},
	{"madvise-collapse", probe_advice, MADV_COLLAPSE},
	{"psi", probe_psi, 0},
	{"transparent-huge-pages", probe_thp, 0},
	{NULL, NULL, 0},
};
