/* SPDX-License-Identifier: MIT */
/* hakctl export and import FILE: tallies between hosts. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call.h"
#include "json_text.h"

static bool is_stdio(const char *path)
{
	return strcmp(path, "-") == 0;
}

static int write_text(const char *path, const char *text)
{
	FILE *file;
	int error;

	if (is_stdio(path)) {
		(void)puts(text); /* main() sees whether it could be written */
		return HAK_EXIT_OK;
	}
	file = fopen(path, "w");
	if (!file)
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot write '%s': %s", path, strerror(errno));
	error = fprintf(file, "%s\n", text) < 0 || fflush(file) != 0 ? errno : 0;
	if (fclose(file) != 0 && !error)
		error = errno;
	return error ? hak_ctl_fail(HAK_EXIT_FAILED, "cannot write '%s': %s", path, strerror(error))
		     : HAK_EXIT_OK;
}

int hak_verb_export(struct hak_ctl *ctl)
{
	sd_bus_message *reply = NULL;
	char *text = NULL;
	int code = hak_call(ctl, "ExportTallies", false, &reply, "a{sv}", 0);

	if (code == 0)
		code = hak_call_read_fd(reply, &text);
	sd_bus_message_unref(reply);
	if (code == 0)
		code = write_text(ctl->argv[0], text);
	free(text);
	return code;
}

/* Return: 0; -1 with errno. */
static int copy(int from, int to)
{
	char buffer[1 << 16];
	ssize_t got, put = 0;

	while ((got = read(from, buffer, sizeof(buffer))) > 0)
		for (ssize_t at = 0; at < got; at += put) {
			put = write(to, buffer + at, (size_t)(got - at));
			if (put < 0)
				return -1;
		}
	return got < 0 ? -1 : 0;
}

/* hakmemd waits for no pipe's writer, so it gets a copy in memory. Return: a descriptor; -1 with errno. */
static int open_copy(const char *path)
{
	int from = is_stdio(path) ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int fd = from < 0 ? -1 : memfd_create("hakmem-import", MFD_CLOEXEC), saved_errno;

	if (fd >= 0 && copy(from, fd) < 0) {
		saved_errno = errno;
		close(fd);
		errno = saved_errno;
		fd = -1;
	}
	if (from > STDIN_FILENO)
		close(from);
	return fd;
}

int hak_verb_import(struct hak_ctl *ctl)
{
	uint64_t tallies = 0, news = 0;
	const struct hak_call_field fields[] = {{"tallies", "t", &tallies}, {"news", "t", &news}};
	int fd = open_copy(ctl->argv[0]), code;
	sd_bus_message *reply = NULL;

	if (fd < 0)
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot read '%s': %s", ctl->argv[0], strerror(errno));
	code = hak_call(ctl, ctl->priors ? "ImportPriors" : "ImportTallies", true, &reply, "ha{sv}", fd, 0);
	close(fd); /* the message had its own */
	if (code == 0)
		code = hak_call_read_fields(reply, fields, 2);
	sd_bus_message_unref(reply);
	if (code == 0 && ctl->json)
		hak_json_text_printf(ctl->json, "{\"schema\":1,\"tallies\":%" PRIu64 ",\"news\":%" PRIu64 "}",
				     tallies, news);
	return code;
}
