/* SPDX-License-Identifier: MIT */
/* See environment.h. */
#include "environment.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 }; /* as shells say it */

int hak_environment_exec(char **argv)
{
	execvp(argv[0], argv);
	return hak_ctl_fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "cannot run '%s': %s",
			    argv[0], strerror(errno));
}

int hak_environment_library(char *ret_path, size_t room)
{
	static const char *const installed[] = {HAK_LIBDIR "/libhakmem.so.0", HAK_LIBDIR "/libhakmem.so"};
	ssize_t length = readlink("/proc/self/exe", ret_path, room - sizeof("libhakmem.so"));
	char *slash;

	if (length > 0) {
		ret_path[length] = '\0';
		slash = strrchr(ret_path, '/');
		strcpy(slash + 1, "libhakmem.so");
		if (access(ret_path, R_OK) == 0)
			return 0;
	}
	for (size_t i = 0; i < sizeof(installed) / sizeof(*installed); i++) {
		if (access(installed[i], R_OK) == 0) {
			snprintf(ret_path, room, "%s", installed[i]);
			return 0;
		}
	}
	return hak_ctl_fail(HAK_EXIT_FAILED, "there is no libhakmem.so beside hakctl or in %s", HAK_LIBDIR);
}

/* Where none was named: that of the daemon on that bus, for `hakmemd --user` has one of its own. NULL: the
 * usual one. */
static const char *unusual_runtime_dir(const struct hak_ctl *ctl)
{
	static char path[PATH_MAX];
	const char *user_dir = getenv("XDG_RUNTIME_DIR");

	if (ctl->runtime_dir)
		return ctl->runtime_dir;
	if (strcmp(ctl->bus_name, "user") != 0 || !user_dir)
		return NULL;
	snprintf(path, sizeof(path), "%s/hakmem", user_dir);
	return path;
}

const char *hak_environment_runtime_dir(const struct hak_ctl *ctl)
{
	const char *unusual = unusual_runtime_dir(ctl);

	return unusual ? unusual : "/run/hakmem";
}

int hak_environment_set(const struct hak_ctl *ctl)
{
	const char *before = getenv("LD_PRELOAD"), *runtime_dir = unusual_runtime_dir(ctl);
	char library[PATH_MAX], *preload = NULL;
	int code;

	code = hak_environment_library(library, sizeof(library));
	if (code)
		return code;
	if (strpbrk(library, ": \t\n"))
		return hak_ctl_fail(HAK_EXIT_FAILED,
				    "'%s' cannot be preloaded: the path holds a blank or a colon", library);
	if (asprintf(&preload, "%s%s%s", library, before && *before ? ":" : "", before ? before : "") < 0)
		hak_ctl_out_of_memory();
	if (setenv("LD_PRELOAD", preload, 1) < 0 ||
	    (runtime_dir && setenv("HAKMEM_RUNTIME_DIR", runtime_dir, 1) < 0))
		hak_ctl_out_of_memory();
	free(preload);
	return 0;
}
