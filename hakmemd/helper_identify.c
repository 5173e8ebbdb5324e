/* SPDX-License-Identifier: MIT */
/* See helper.h. */
#include "helper.h"

#include <errno.h>

struct hak_helper_reply hak_helper_identify(const struct hak_client_home *place,
					    const struct hak_helper_request *request)
{
	struct hak_helper_reply reply = {.version = HAK_HELPER_VERSION, .error = -ESRCH};
	struct hak_process_life life;
	struct hak_file_id file;
	uid_t owner;

	if (hak_helper_file(place, request, &file, &owner) < 0)
		return reply;
	for (uint32_t i = 0; i < request->candidate_count; i++) {
		pid_t pid = request->candidate[i];

		if (hak_process_check(pid, &file, owner, &life) != HAK_PROCESS_VERIFIED)
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
