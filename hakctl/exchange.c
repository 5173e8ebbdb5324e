/* SPDX-License-Identifier: MIT */
/* hakctl export and import FILE: tallies between hosts. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"

static bool is_stdio(const char *path)
{
	return strcmp(path, "-") == 0;
}

static int write_text(const char *path, const char *text)
{
	FILE *file = is_stdio(path) ? stdout : fopen(path, "w");

	if (!file)
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot write %s: %s", path, strerror(errno));
	fputs(text, file);
	if (file == stdout)
		return HAK_EXIT_OK; /* main() sees whether it could be written */
	if (ferror(file) | (fclose(file) != 0))
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot write %s", path);
	return HAK_EXIT_OK;
}

int hak_verb_export(struct hak_ctl *ctl)
{
	sd_bus_message *call, *reply = NULL;
	char *text = NULL;
	int code, r;

	code = hak_call_new(ctl, "ExportTallies", false, &call);
	if (code)
		return code;
	r = sd_bus_message_append(call, "a{sv}", 0);
	if (r < 0) {
		sd_bus_message_unref(call);
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot make a call: %s", strerror(-r));
	}
	code = hak_call_send(ctl, call, 0, &reply);
	if (code == 0)
		code = hak_call_read_fd(reply, &text);
	sd_bus_message_unref(reply);
	if (code == 0)
		code = write_text(ctl->argv[0], text);
	free(text);
	return code;
}

static int print_counts(struct hak_ctl *ctl, sd_bus_message *reply)
{
	uint64_t tallies = 0, news = 0;
	int r;

	r = sd_bus_message_enter_container(reply, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
		const char *name;

		r = sd_bus_message_read(reply, "s", &name);
		if (r >= 0)
			r = sd_bus_message_read(reply, "v", "t",
						strcmp(name, "news") == 0 ? &news : &tallies);
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	if (r < 0)
		return hak_call_garbled(r);
	if (ctl->json)
		printf("{\"schema\":1,\"tallies\":%llu,\"news\":%llu}\n", (unsigned long long)tallies,
		       (unsigned long long)news);
	return HAK_EXIT_OK;
}

int hak_verb_import(struct hak_ctl *ctl)
{
	sd_bus_message *call, *reply = NULL;
	const char *path = ctl->argv[0];
	int fd = open(path, O_RDONLY | O_CLOEXEC), code, r;

	if (fd < 0)
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot read %s: %s", path, strerror(errno));
	code = hak_call_new(ctl, "ImportTallies", true, &call);
	if (code) {
		close(fd);
		return code;
	}
	r = sd_bus_message_append(call, "ha{sv}", fd, 0);
	close(fd); /* the message has its own */
	if (r < 0) {
		sd_bus_message_unref(call);
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot make a call: %s", strerror(-r));
	}
	code = hak_call_send(ctl, call, 0, &reply);
	if (code == 0)
		code = print_counts(ctl, reply);
	sd_bus_message_unref(reply);
	return code;
}
