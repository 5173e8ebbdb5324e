/* SPDX-License-Identifier: MIT */
/*
 * hakctl run COMMAND...: the library beside this program (a build tree), else the installed one, in front of
 * what LD_PRELOAD holds already. Works without hakmemd: the processes run on the built-in policy then.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

enum { EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 }; /* as shells say it */

int hak_ctl_exec(char **argv)
{
	execvp(argv[0], argv);
	return hak_ctl_fail(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "cannot run '%s': %s",
			    argv[0], strerror(errno));
}

int hak_ctl_library(char *ret_path, size_t room)
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

/* Unless it was named, the directory of the daemon on that bus: `hakmemd --user` has one of its own. */
static int set_runtime_dir(const struct hak_ctl *ctl)
{
	const char *user_dir = getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX];

	if (ctl->runtime_dir)
		return setenv("HAKMEM_RUNTIME_DIR", ctl->runtime_dir, 1);
	if (strcmp(ctl->bus_name, "user") != 0 || !user_dir)
		return 0;
	if ((size_t)snprintf(path, sizeof(path), "%s/hakmem", user_dir) >= sizeof(path))
		return -1;
	return setenv("HAKMEM_RUNTIME_DIR", path, 1);
}

int hak_ctl_set_environment(const struct hak_ctl *ctl)
{
	const char *before = getenv("LD_PRELOAD");
	char library[PATH_MAX], *preload = NULL;
	int code;

	code = hak_ctl_library(library, sizeof(library));
	if (code)
		return code;
	if (strpbrk(library, ": \t\n"))
		return hak_ctl_fail(HAK_EXIT_FAILED,
				    "'%s' cannot be preloaded: the path holds a blank or a colon", library);
	if (asprintf(&preload, "%s%s%s", library, before && *before ? ":" : "", before ? before : "") < 0)
		return hak_ctl_fail(HAK_EXIT_FAILED, "out of memory");
	if (setenv("LD_PRELOAD", preload, 1) < 0 || set_runtime_dir(ctl) < 0) {
		free(preload);
		return hak_ctl_fail(HAK_EXIT_FAILED, "out of memory");
	}
	free(preload);
	return 0;
}

int hak_verb_run(struct hak_ctl *ctl)
{
	int code = hak_ctl_set_environment(ctl);

	return code ? code : hak_ctl_exec(ctl->argv);
}
