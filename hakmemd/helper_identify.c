/* SPDX-License-Identifier: MIT */
/* See helper_identify.h. */
#include "helper_identify.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct hak_helper_reply hak_helper_identify(const struct hak_helper_place *place,
					    const struct hak_helper_request *request)
{
	struct hak_helper_reply reply = {.version = HAK_HELPER_VERSION, .error = -ESRCH};
	struct hak_file_id file = {.device_major = place->maps_major, .device_minor = place->maps_minor};
	struct hak_process_life life;
	struct stat status;

	if (fstatat(place->clients_fd, request->name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(status.st_mode))
		return reply;
	file.inode = status.st_ino;
	for (uint32_t i = 0; i < request->candidate_count; i++) {
		pid_t pid = request->candidate[i];

		if (hak_process_check(pid, &file, status.st_uid, &life) != HAK_PROCESS_VERIFIED)
			continue;
		hak_executable_read(pid, &reply.executable);
		if (!hak_process_lives(pid, life.born))
			continue; /* what was read may be of the next one of that pid */
		reply.error = 0;
		reply.pid = pid;
		reply.born = life.born;
		return reply;
	}
	return reply;
}
