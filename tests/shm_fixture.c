/* SPDX-License-Identifier: MIT */
#include "shm_fixture.h"

#include "sha256.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char shm_dir[SHM_PATH_MAX];

static void fail(const char *what)
{
	perror(what);
	abort();
}

void shm_dir_make(void)
{
	const char *base = getenv("TMPDIR");

	(void)snprintf(shm_dir, sizeof(shm_dir), "%s/hakmem-test-XXXXXX", base ? base : P_tmpdir);
	if (!mkdtemp(shm_dir))
		fail(shm_dir);
	if (chmod(shm_dir, 0755) < 0 || mkdir(shm_path("clients"), 0700) < 0)
		fail(shm_dir);
	if (chmod(shm_path("clients"), 01733) < 0)
		fail(shm_dir);
}

static void folder_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		fail(path);
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void)unlinkat(dirfd(dir), entry->d_name, 0); /* folders stay */
	(void)closedir(dir);
}

void shm_dir_remove(void)
{
	folder_empty(shm_path("clients"));
	folder_empty(shm_dir);
	if (rmdir(shm_path("clients")) < 0 || rmdir(shm_dir) < 0)
		fail(shm_dir);
}

const char *shm_path(const char *name)
{
	static char path[SHM_PATH_MAX + 64];

	(void)snprintf(path, sizeof(path), "%s/%s", shm_dir, name);
	return path;
}

struct hak_key shm_key(uint64_t number)
{
	return hak_key_hash(&number, sizeof(number));
}

struct hak_process_payload shm_process(const struct hak_key *key, uint64_t version)
{
	struct hak_process_payload payload = {
		.key = *key,
		.context = {{version, ~version}},
		.policy_word = version,
		.purge_request = version,
		.schedule = {.game_id = version, .window_ticks = (uint32_t)version},
		.source = (uint8_t)version,
	};

	for (unsigned i = 0; i < HAK_TELEMETRY_SLOTS; i++)
		payload.slots_freed[i] = (uint32_t)version + i;
	return payload;
}

bool shm_process_is(const struct hak_process_payload *payload, const struct hak_key *key, uint64_t version)
{
	struct hak_process_payload expected = shm_process(key, version);

	return memcmp(payload, &expected, offsetof(struct hak_process_payload, crc)) == 0;
}
