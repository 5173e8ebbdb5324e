/* SPDX-License-Identifier: MIT */
/*
 * The process's side of telemetry: making the file, filling a slot, log lines. Runs inside libhakmem: no
 * allocation, no stdio, errno kept.
 *
 * A slot is filled under a new claim before `filled_claims` says so, hence a child stopped half-way leaves a
 * slot that readers take for empty, never one with a predecessor's counters under its own claim.
 */
#include "telemetry.h"

#include "sha256.h"
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_TAIL "/" HAK_CLIENTS_DIR "/"

enum {
	FILE_MODE = 0644,
	RANDOM_BYTES = 16,
	USEC_PER_SEC = 1000000,
	NSEC_PER_USEC = 1000,
};

static uint64_t now_usec(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0)
		return 0; /* no such clock: a time is no reason to fail */
	return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / NSEC_PER_USEC;
}

/* What makes a name: the kernel's random bytes of this execution, and what sets a forked copy apart. */
struct name_seed {
	char purpose[16];
	uint8_t random[RANDOM_BYTES];
	uint64_t pid;
	struct timespec realtime;
	struct timespec monotonic;
};

/* The random bytes also seed the stack protector; a one-way hash keeps them secret. Saves getrandom(2). */
static int name_make(uint32_t pid, char ret_name[HAK_TELEMETRY_NAME_CHARS + 1])
{
	static const char digits[] = "0123456789abcdef";
	const void *random = (const void *)getauxval(AT_RANDOM);
	struct name_seed seed;
	uint8_t digest[HAK_SHA256_BYTES];

	memset(&seed, 0, sizeof(seed));
	memcpy(seed.purpose, "hakmem name 1", sizeof("hakmem name 1"));
	seed.pid = pid;
	(void)clock_gettime(CLOCK_REALTIME, &seed.realtime); /* a collision ends in -EEXIST, no harm */
	(void)clock_gettime(CLOCK_MONOTONIC, &seed.monotonic);
	if (random)
		memcpy(seed.random, random, sizeof(seed.random));
	else if (getrandom(seed.random, sizeof(seed.random), GRND_NONBLOCK) != sizeof(seed.random))
		return -EAGAIN;
	hak_sha256(&seed, sizeof(seed), digest);
	for (unsigned i = 0; i < HAK_TELEMETRY_NAME_CHARS; i++)
		ret_name[i] = digits[digest[i / 2] >> (i % 2 ? 0 : 4) & 0xf];
	ret_name[HAK_TELEMETRY_NAME_CHARS] = '\0';
	return 0;
}

static int path_make(const char *runtime_dir, const char *name, char *ret_path, size_t size)
{
	size_t length = strlen(runtime_dir);
	size_t tail = sizeof(CLIENTS_TAIL) - 1;

	if (length + tail + HAK_TELEMETRY_NAME_CHARS + 1 > size)
		return -ENAMETOOLONG;
	memcpy(ret_path, runtime_dir, length);
	memcpy(ret_path + length, CLIENTS_TAIL, tail);
	memcpy(ret_path + length + tail, name, HAK_TELEMETRY_NAME_CHARS + 1);
	return 0;
}

void hak_telemetry_fill_slot(struct hak_telemetry_slot *slot, uint32_t claim, uint32_t pid,
			     uint32_t parent_pid)
{
	const size_t first = offsetof(struct hak_telemetry_slot, start_usec);

	hak_store_u32(&slot->state, HAK_SLOT_EMPTY);
	for (size_t at = first; at < sizeof(*slot); at += sizeof(uint64_t))
		hak_store_u64((uint8_t *)slot + at, 0);
	hak_store_u32(&slot->pid, pid);
	hak_store_u32(&slot->parent_pid, parent_pid);
	hak_store_u64(&slot->start_usec, now_usec());
	hak_store_u32(&slot->state, HAK_SLOT_LIVE);
	hak_store_u32(&slot->filled_claims, claim);
}

static void file_fill(struct hak_telemetry_file *file, const struct hak_control_header *header,
		      uint32_t library_version, uint32_t pid)
{
	file->abi_minor = HAK_TELEMETRY_ABI_MINOR;
	file->header_bytes = HAK_TELEMETRY_HEADER_BYTES;
	file->slots = HAK_TELEMETRY_SLOTS;
	file->slot_bytes = HAK_TELEMETRY_SLOT_BYTES;
	file->library_version = library_version;
	file->pid = pid;
	file->segment_id = header ? header->segment_id : 0;
	hak_store_u32(&file->slot[0].claims, 1);
	hak_store_u32(&file->parts_open, 1);
	hak_telemetry_fill_slot(&file->slot[0], 1, pid, 0);
	hak_store_u64(&file->magic, HAK_TELEMETRY_MAGIC); /* release: all above is there when the magic is */
}

/* Everything between the open and the close. */
static int file_map(int fd, struct hak_telemetry_file **ret_file)
{
	struct rlimit limit;
	void *map;

	/* beyond this limit a size not only fails but raises SIGXFSZ, in a program that never asked for us */
	if (getrlimit(RLIMIT_FSIZE, &limit) < 0)
		return -errno;
	if (limit.rlim_cur < sizeof(struct hak_telemetry_file))
		return -EFBIG;
	if (fchmod(fd, FILE_MODE) < 0) /* whatever the umask took away: the daemon is another user */
		return -errno;
	if (fallocate(fd, 0, 0, sizeof(struct hak_telemetry_file)) < 0)
		return -errno;
	/* A hole for more parts; without it they cannot be opened. */
	if (limit.rlim_cur >= HAK_TELEMETRY_BYTES_MAX)
		(void)ftruncate(fd, HAK_TELEMETRY_BYTES_MAX);
	map = mmap(NULL, HAK_TELEMETRY_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	*ret_file = map;
	return 0;
}

static int file_create(const char *runtime_dir, uint32_t pid, struct hak_telemetry_file **ret_file,
		       struct hak_key *ret_key)
{
	char name[HAK_TELEMETRY_NAME_CHARS + 1];
	struct hak_key key;
	char path[PATH_MAX];
	int fd, r;

	r = name_make(pid, name);
	if (r < 0)
		return r;
	r = path_make(runtime_dir, name, path, sizeof(path));
	if (r < 0)
		return r;
	r = hak_telemetry_key(name, &key);
	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return -errno;
	r = file_map(fd, ret_file);
	if (r < 0)
		(void)unlink(path); /* if that fails too, the daemon collects an empty file */
	else
		*ret_key = key;
	(void)close(fd); /* nothing was written through it */
	return r;
}

int hak_telemetry_create(const char *runtime_dir, const struct hak_control_header *header,
			 uint32_t library_version, struct hak_telemetry_file **ret_file,
			 struct hak_key *ret_key)
{
	int saved_errno = errno;
	struct hak_telemetry_file *file;
	uint32_t pid;
	int r;

	if (header && atomic_load_explicit(&header->state, memory_order_relaxed) == HAK_SEGMENT_STOPPED)
		return -ESHUTDOWN;
	pid = (uint32_t)getpid();
	r = file_create(runtime_dir, pid, &file, ret_key);
	if (r == 0) {
		file_fill(file, header, library_version, pid);
		*ret_file = file;
	}
	errno = saved_errno;
	return r;
}

void hak_telemetry_log(struct hak_telemetry_slot *slot, const char *text)
{
	uint64_t written = hak_load_u64(&slot->log_written);
	struct hak_log_line *shared = &slot->log[written % HAK_TELEMETRY_LOG_LINES];
	struct hak_log_line line = {.time_usec = now_usec()};
	size_t length = strlen(text);

	if (length >= sizeof(line.text))
		length = sizeof(line.text) - 1;
	memcpy(line.text, text, length);
	hak_store_words(shared, &line, sizeof(line));
	/* release: a reader that sees the count sees the line */
	hak_store_u64(&slot->log_written, written + 1);
}
