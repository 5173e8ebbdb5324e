/* SPDX-License-Identifier: MIT */
/* See helper.h. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel_numbers.h"

enum {
	CALL_BYTES = 4 << 20, /* in one call, so that the process can take its address space's lock between */
	CALL_RANGES = 16,
};

bool hak_helper_request_valid(const struct hak_helper_request *request)
{
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	struct hak_key key;

	if (request->version != HAK_HELPER_VERSION || request->kind >= HAK_HELPER_KIND_COUNT ||
	    (request->kind != HAK_HELPER_IDENTIFY && request->pid <= 0) ||
	    request->slot >= HAK_TELEMETRY_SLOTS_MAX || request->candidate_count > HAK_HELPER_CANDIDATES ||
	    request->range_count > HAK_TELEMETRY_RANGES ||
	    memchr(request->name, '\0', sizeof(request->name)) == NULL ||
	    hak_telemetry_key(request->name, &key) < 0)
		return false;
	for (uint32_t i = 0; i < request->range_count; i++) {
		const struct hak_helper_range *range = &request->range[i];

		if (range->start % page_bytes || range->bytes % page_bytes || !range->bytes ||
		    range->start >= HAK_TELEMETRY_ADDRESS_MAX ||
		    range->bytes > HAK_TELEMETRY_ADDRESS_MAX - range->start)
			return false;
	}
	return true;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct hak_helper_range *l = left, *r = right;

	return l->start < r->start ? -1 : l->start > r->start;
}

bool hak_helper_parse_anonymous(const char *line, uint64_t *ret_start, uint64_t *ret_end)
{
	unsigned major, minor;
	unsigned long inode;
	char flags[5];
	const char *path;
	int path_at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %x:%x %lu%n", ret_start, ret_end, flags, &major,
		   &minor, &inode, &path_at) < 6)
		return false;
	path = line + path_at + strspn(line + path_at, " ");
	return flags[3] == 'p' && major == 0 && minor == 0 && inode == 0 &&
	       (*path == '\n' || *path == '\0' || strncmp(path, "[anon", 5) == 0);
}

uint32_t hak_helper_ranges_check(FILE *maps, struct hak_helper_range *ranges, uint32_t count)
{
	uint64_t covered_to[HAK_TELEMETRY_RANGES], start, end;
	uint32_t refused = 0;
	size_t room = 0;
	char *line = NULL;

	qsort(ranges, count, sizeof(*ranges), compare_ranges);
	for (uint32_t i = 0; i < count; i++)
		covered_to[i] = ranges[i].start;
	while (getline(&line, &room, maps) > 0) {
		if (!hak_helper_parse_anonymous(line, &start, &end))
			continue;
		for (uint32_t i = 0; i < count; i++)
			if (start <= covered_to[i] && covered_to[i] < end)
				covered_to[i] = end;
	}
	free(line);
	for (uint32_t i = 0; i < count; i++) {
		if (covered_to[i] >= ranges[i].start + ranges[i].bytes)
			continue;
		ranges[i].bytes = 0;
		refused++;
	}
	return refused;
}

/* As many of the ranges as one call may take, cut from their start. Return: how many. */
static int next_call(struct hak_helper_range *ranges, uint32_t count, struct iovec *call)
{
	uint64_t left = CALL_BYTES;
	int used = 0;

	for (uint32_t i = 0; i < count && left && used < CALL_RANGES; i++) {
		uint64_t bytes = ranges[i].bytes < left ? ranges[i].bytes : left;

		if (!bytes)
			continue;
		call[used++] = (struct iovec){.iov_base = (void *)(uintptr_t)ranges[i].start,
					      .iov_len = bytes};
		ranges[i].start += bytes;
		ranges[i].bytes -= bytes;
		left -= bytes;
	}
	return used;
}

/* The process has taken something into use since: only what it publishes now may still be dropped. */
static void keep_published(const struct hak_telemetry_slot *slot, struct hak_helper_range *ranges,
			   uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		bool published = false;

		for (size_t j = 0; j < HAK_TELEMETRY_RANGES && !published; j++) {
			uint64_t word = atomic_load_explicit(&slot->range[j],
							     memory_order_relaxed); /* a copy */
			uint64_t start = (word >> HAK_RANGE_PAGES_BITS) * slot->page_bytes;
			uint64_t bytes = (word & ((UINT64_C(1) << HAK_RANGE_PAGES_BITS) - 1)) *
					 slot->page_bytes;

			published = start <= ranges[i].start && ranges[i].start - start <= bytes &&
				    bytes - (ranges[i].start - start) >= ranges[i].bytes;
		}
		if (!published)
			ranges[i].bytes = 0;
	}
}

/* Before each call. Return: false: it is changing them just now, or its file cannot be read. */
static bool follow_published(int telemetry_fd, uint32_t index, uint64_t *sequence,
			     struct hak_helper_range *ranges, uint32_t count)
{
	off_t offset = (off_t)hak_telemetry_slot_offset(index);
	struct hak_telemetry_slot slot;
	uint64_t now;

	if (pread(telemetry_fd, &slot, sizeof(slot), offset) != (ssize_t)sizeof(slot))
		return false;
	now = atomic_load_explicit(&slot.ranges_sequence, memory_order_relaxed); /* of a copy */
	if (now % 2)
		return false;
	if (now != *sequence)
		keep_published(&slot, ranges, count);
	*sequence = now;
	return true;
}

static void page_out(int pidfd, int telemetry_fd, const struct hak_helper_request *request,
		     struct hak_helper_range *ranges, struct hak_helper_reply *reply)
{
	uint64_t sequence = request->ranges_sequence;
	struct iovec call[CALL_RANGES];
	int used;

	while (follow_published(telemetry_fd, request->slot, &sequence, ranges, request->range_count) &&
	       (used = next_call(ranges, request->range_count, call)) > 0) {
		ssize_t advised = syscall(SYS_process_madvise, pidfd, call, (size_t)used, MADV_PAGEOUT, 0);

		reply->calls++;
		if (advised >= 0) {
			reply->advised_bytes += (uint64_t)advised;
		} else if (errno == EPERM || errno == ESRCH || errno == ENOSYS) {
			reply->error = -errno;
			return;
		} /* else: some of it was unmapped meanwhile; what is left is tried nevertheless */
	}
}

int hak_helper_file(const struct hak_client_home *place, const struct hak_helper_request *request,
		    struct hak_file_id *ret_file, uid_t *ret_owner)
{
	struct stat status;

	if (fstatat(place->clients_fd, request->name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(status.st_mode))
		return -ESRCH;
	*ret_file = (struct hak_file_id){place->maps_major, place->maps_minor, status.st_ino};
	*ret_owner = status.st_uid;
	return 0;
}

int hak_helper_open(const struct hak_client_home *place, const struct hak_helper_request *request,
		    int *ret_pidfd)
{
	struct hak_process_life life;
	struct hak_file_id file;
	int pidfd = -1;
	uid_t owner;

	if (hak_helper_file(place, request, &file, &owner) < 0 ||
	    hak_process_check_fd(request->pid, &file, owner, &life, &pidfd) != HAK_PROCESS_VERIFIED)
		return -ESRCH;
	if (pidfd < 0)
		return -EMFILE;
	*ret_pidfd = pidfd;
	return 0;
}

struct hak_helper_reply hak_helper_purge(const struct hak_client_home *place,
					 const struct hak_helper_request *request)
{
	struct hak_helper_reply reply = {.version = HAK_HELPER_VERSION};
	struct hak_helper_range ranges[HAK_TELEMETRY_RANGES];
	int pidfd, telemetry_fd;
	FILE *maps;

	memcpy(ranges, request->range, sizeof(ranges));
	reply.error = hak_helper_open(place, request, &pidfd);
	if (reply.error < 0)
		return reply;
	telemetry_fd = openat(place->clients_fd, request->name,
			      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	maps = hak_process_file(request->pid, "maps");
	if (telemetry_fd >= 0 && maps) {
		reply.refused_ranges = hak_helper_ranges_check(maps, ranges, request->range_count);
		page_out(pidfd, telemetry_fd, request, ranges, &reply);
	} else {
		reply.error = -ESRCH;
	}
	if (maps)
		fclose(maps);
	if (telemetry_fd >= 0)
		close(telemetry_fd);
	close(pidfd);
	return reply;
}
