/* SPDX-License-Identifier: MIT */
/* See helper.h. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel_numbers.h"

enum { CALLS_MOST = 16, PAGES_MOST = HAK_COLLAPSE_BYTES / 4096 };

#define PAGE_PRESENT (UINT64_C(1) << 63)

struct work {
	const struct hak_helper_request *request;
	struct hak_helper_reply *reply;
	int pidfd, pagemap_fd;
	unsigned impossible; /* calls that the kernel found invalid */
};

/* ---- what there is ----------------------------------------------------------------------------------- */

static void take_line(const char *line, struct hak_helper_mapping *mapping)
{
	const char *flags = "VmFlags:";

	(void)sscanf(line, "Rss: %" SCNu64, &mapping->resident_kib);
	(void)sscanf(line, "AnonHugePages: %" SCNu64, &mapping->huge_kib);
	if (strncmp(line, flags, strlen(flags)) == 0)
		mapping->advised = strstr(line, " hg") != NULL;
}

/* A mapping's lines end with its flags. */
bool hak_helper_mapping_read(FILE *smaps, struct hak_helper_mapping *ret_mapping)
{
	struct hak_helper_mapping mapping = {0};
	char line[512];

	while (fgets(line, sizeof(line), smaps)) {
		uint64_t start, end;
		bool whole = strchr(line, '\n') != NULL;
		int c = 0;

		while (!whole && (c = fgetc(smaps)) != '\n' && c != EOF) /* of a long path */
			;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &start, &end) == 2) {
			mapping = (struct hak_helper_mapping){.start = start, .end = end};
			mapping.anonymous = hak_helper_parse_anonymous(line, &start, &end);
		} else {
			take_line(line, &mapping);
		}
		if (strncmp(line, "VmFlags:", 8) == 0) {
			*ret_mapping = mapping;
			return true;
		}
	}
	return false;
}

bool hak_helper_collapse_pays(const uint64_t *pages, size_t count)
{
	size_t present = 0;

	for (size_t i = 0; i < count; i++)
		present += (pages[i] & PAGE_PRESENT) != 0;
	return present > count / 2;
}

static bool is_filled(const struct work *work, uint64_t start)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE), count = HAK_COLLAPSE_BYTES / page_bytes;
	uint64_t pages[PAGES_MOST];
	ssize_t bytes = (ssize_t)(count * sizeof(*pages));

	return pread(work->pagemap_fd, pages, (size_t)bytes, (off_t)(start / page_bytes * sizeof(*pages))) ==
		       bytes &&
	       hak_helper_collapse_pays(pages, count);
}

static bool is_lazily_free(const struct work *work, uint64_t start)
{
	for (uint32_t i = 0; i < work->request->range_count; i++) {
		const struct hak_helper_range *range = &work->request->range[i];

		if (range->start < start + HAK_COLLAPSE_BYTES && start < range->start + range->bytes)
			return true;
	}
	return false;
}

static uint64_t huge_bytes_of(pid_t pid)
{
	uint64_t kib = 0;
	FILE *rollup = hak_process_file(pid, "smaps_rollup");
	char line[128];

	while (rollup && fgets(line, sizeof(line), rollup))
		(void)sscanf(line, "AnonHugePages: %" SCNu64, &kib);
	if (rollup)
		fclose(rollup);
	return kib << 10;
}

/* ---- what is done ------------------------------------------------------------------------------------ */

/* Return: false: the kernel will not do it for anybody. */
static bool collapse(struct work *work, uint64_t start)
{
	const struct iovec place = {.iov_base = (void *)(uintptr_t)start, .iov_len = HAK_COLLAPSE_BYTES};

	work->reply->calls++;
	if (syscall(SYS_process_madvise, work->pidfd, &place, 1, MADV_COLLAPSE, 0) >= 0)
		return true;
	if (errno == EPERM || errno == ESRCH || errno == ENOSYS) {
		work->reply->error = -errno;
		return false;
	}
	work->impossible += errno == EINVAL;
	return true; /* no free huge page, pages that are busy: khugepaged will come by */
}

/* Return: false: it is enough for once, or for ever. */
static bool collapse_mapping(struct work *work, const struct hak_helper_mapping *mapping)
{
	uint64_t start = mapping->start > work->request->from ? mapping->start : work->request->from;

	start = (start + HAK_COLLAPSE_BYTES - 1) & ~(uint64_t)(HAK_COLLAPSE_BYTES - 1);
	for (; start + HAK_COLLAPSE_BYTES <= mapping->end; start += HAK_COLLAPSE_BYTES) {
		if (is_lazily_free(work, start) || !is_filled(work, start))
			continue;
		if (work->reply->calls == CALLS_MOST) {
			work->reply->next = start;
			return false;
		}
		if (!collapse(work, start))
			return false;
	}
	return true;
}

static void collapse_all(struct work *work)
{
	FILE *smaps = hak_process_file(work->request->pid, "smaps");
	struct hak_helper_mapping mapping;

	while (smaps && hak_helper_mapping_read(smaps, &mapping))
		if (mapping.anonymous && mapping.advised && mapping.huge_kib < mapping.resident_kib &&
		    !collapse_mapping(work, &mapping))
			break;
	if (smaps)
		fclose(smaps);
	else
		work->reply->error = -ESRCH;
}

struct hak_helper_reply hak_helper_collapse(const struct hak_client_home *place,
					    const struct hak_helper_request *request)
{
	struct hak_helper_reply reply = {.version = HAK_HELPER_VERSION};
	struct work work = {.request = request, .reply = &reply, .pidfd = -1, .pagemap_fd = -1};
	uint64_t before, after;
	char path[64];

	reply.error = hak_helper_open(place, request, &work.pidfd);
	if (reply.error < 0)
		return reply;
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)request->pid);
	work.pagemap_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (work.pagemap_fd < 0) {
		reply.error = -errno;
	} else {
		before = huge_bytes_of(request->pid);
		collapse_all(&work);
		after = huge_bytes_of(request->pid);
		reply.advised_bytes = after > before ? after - before : 0;
		if (work.impossible && work.impossible == reply.calls)
			reply.error = -EINVAL; /* not this process, or an old kernel */
		close(work.pagemap_fd);
	}
	close(work.pidfd);
	return reply;
}
