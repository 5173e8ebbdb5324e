/* SPDX-License-Identifier: MIT */
/* See call.h. */
#include "call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

enum { READ_STEP = 65536 };
#define PASSWORD_USEC UINT64_C(150000000) /* hakmemd gives polkit 120 s */

/* One line that says how to start it, by where it was looked for. */
static int fail_absent(const struct hak_ctl *ctl)
{
	if (strcmp(ctl->bus_name, "system") == 0)
		return hak_ctl_fail(HAK_EXIT_NO_DAEMON,
				    "hakmemd is not running; start it with 'systemctl start hakmemd'");
	if (strcmp(ctl->bus_name, "user") == 0 || strcmp(ctl->bus_name, "session") == 0)
		return hak_ctl_fail(HAK_EXIT_NO_DAEMON,
				    "hakmemd is not running on bus '%s'; start it with 'hakmemd --user%s &'",
				    ctl->bus_name,
				    strcmp(ctl->bus_name, "session") == 0 ? " --bus=session" : "");
	return hak_ctl_fail(HAK_EXIT_NO_DAEMON,
			    "hakmemd is not running on bus '%s'; start it with 'hakmemd --bus=%s "
			    "--runtime-dir=DIR --state-dir=DIR &'",
			    ctl->bus_name, ctl->bus_name);
}

static int fail_connect(const struct hak_ctl *ctl, int r)
{
	if (r == -EINVAL)
		return hak_ctl_fail(
			HAK_EXIT_USAGE,
			"--bus=%s is neither system, session or user nor an address such as unix:path=/x",
			ctl->bus_name);
	if (r == -ENXIO)
		return hak_ctl_fail(HAK_EXIT_NO_DAEMON, "there is no %s bus here: %s is not set",
				    ctl->bus_name,
				    strcmp(ctl->bus_name, "session") == 0 ? "DBUS_SESSION_BUS_ADDRESS"
									  : "XDG_RUNTIME_DIR");
	if (strcmp(ctl->bus_name, "system") == 0)
		return hak_ctl_fail(HAK_EXIT_NO_DAEMON,
				    "cannot reach the system bus (%s); start it and hakmemd with 'systemctl "
				    "start dbus hakmemd'",
				    strerror(-r));
	return hak_ctl_fail(HAK_EXIT_NO_DAEMON, "cannot reach bus '%s' (%s); start it, then hakmemd on it",
			    ctl->bus_name, strerror(-r));
}

int hak_call_garbled(int r)
{
	return hak_ctl_fail(HAK_EXIT_FAILED,
			    "hakmemd's answer cannot be read (%s); is it of another version?", strerror(-r));
}

static int fail_error(const struct hak_ctl *ctl, const sd_bus_error *error, int r)
{
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	    sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		return fail_absent(ctl);
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) || r == -ETIMEDOUT)
		return hak_ctl_fail(HAK_EXIT_FAILED,
				    "hakmemd did not answer in time, and may do what was asked later%s",
				    strcmp(ctl->bus_name, "system") == 0
					    ? "; 'systemctl status hakmemd' tells how it is"
					    : "");
	if (sd_bus_error_has_name(error, HAK_BUS_ERROR("NoSuchMode")) ||
	    sd_bus_error_has_name(error, HAK_BUS_ERROR("InvalidOption")))
		return hak_ctl_fail(HAK_EXIT_USAGE, "%s", error->message);
	return hak_ctl_fail(HAK_EXIT_FAILED, "%s", error->message ? error->message : strerror(-r));
}

static int connect_once(struct hak_ctl *ctl)
{
	int r = ctl->bus ? 0 : hak_bus_connect(ctl->bus_name, &ctl->bus);

	return r < 0 ? fail_connect(ctl, r) : 0;
}

static int new_call(struct hak_ctl *ctl, const char *interface, const char *member, bool activate,
		    sd_bus_message **ret_call)
{
	sd_bus_message *call = NULL;
	int r;

	r = connect_once(ctl);
	if (r)
		return r;
	r = sd_bus_message_new_method_call(ctl->bus, &call, HAK_BUS_NAME, HAK_BUS_PATH, interface, member);
	if (r >= 0)
		r = sd_bus_message_set_auto_start(call, activate);
	if (r < 0) {
		sd_bus_message_unref(call);
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot make a call: %s", strerror(-r));
	}
	*ret_call = call;
	return 0;
}

int hak_call_new(struct hak_ctl *ctl, const char *member, bool activate, sd_bus_message **ret_call)
{
	return new_call(ctl, HAK_BUS_INTERFACE, member, activate, ret_call);
}

int hak_call_send(struct hak_ctl *ctl, sd_bus_message *call, uint64_t timeout_usec,
		  sd_bus_message **ret_reply)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r, code = 0;

	r = sd_bus_call(ctl->bus, call, timeout_usec, &error, ret_reply);
	if (r < 0)
		/* The bus itself may be what went away while we were connecting: sd-bus connects lazily. */
		code = r == -ECONNREFUSED || r == -ENOENT || r == -ENOTCONN || r == -ECONNRESET
			       ? fail_connect(ctl, r)
			       : fail_error(ctl, &error, r);
	sd_bus_message_unref(call);
	sd_bus_error_free(&error);
	return code;
}

int hak_call(struct hak_ctl *ctl, const char *member, bool changes, sd_bus_message **ret_reply,
	     const char *types, ...)
{
	sd_bus_message *call;
	va_list arguments;
	bool asks = false;
	int code, r;

	code = hak_call_new(ctl, member, changes, &call);
	if (code)
		return code;
	va_start(arguments, types);
	r = sd_bus_message_appendv(call, types, arguments);
	va_end(arguments);
	if (r >= 0 && changes)
		asks = hak_agent_open(ctl);
	if (r >= 0 && asks)
		r = sd_bus_message_set_allow_interactive_authorization(call, true);
	if (r < 0) {
		sd_bus_message_unref(call);
		code = r == -EINVAL ? hak_ctl_fail(HAK_EXIT_USAGE, "what was written is not UTF-8 throughout")
				    : hak_ctl_fail(HAK_EXIT_FAILED, "cannot make a call: %s", strerror(-r));
	} else {
		code = hak_call_send(ctl, call, asks ? PASSWORD_USEC : ctl->call_usec, ret_reply);
	}
	hak_agent_close();
	return code;
}

int hak_call_read_fields(sd_bus_message *reply, const struct hak_call_field *fields, size_t count)
{
	int r = sd_bus_message_enter_container(reply, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
		const struct hak_call_field *field = NULL;
		const char *name;

		r = sd_bus_message_read(reply, "s", &name);
		for (size_t i = 0; r >= 0 && i < count; i++)
			if (strcmp(fields[i].name, name) == 0)
				field = &fields[i];
		if (r >= 0)
			r = field ? sd_bus_message_read(reply, "v", field->type, field->value)
				  : sd_bus_message_skip(reply, "v");
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	return r < 0 ? hak_call_garbled(r) : 0;
}

int hak_call_read_number(int code, sd_bus_message *reply, uint64_t *ret_number)
{
	int r = code ? 0 : sd_bus_message_read(reply, "t", ret_number);

	sd_bus_message_unref(reply);
	return r < 0 ? hak_call_garbled(r) : code;
}

int hak_call_read_fd(sd_bus_message *reply, char **ret_text)
{
	size_t length = 0, room = 0;
	char *text = NULL;
	ssize_t got;
	int fd, r;

	r = sd_bus_message_read(reply, "h", &fd); /* the message's own */
	if (r < 0)
		return hak_call_garbled(r);
	do {
		if (room - length < READ_STEP) {
			char *grown = realloc(text, room += room + 2 * READ_STEP);

			if (!grown)
				hak_ctl_out_of_memory();
			text = grown;
		}
		got = pread(fd, text + length, room - length - 1, (off_t)length);
		length += got > 0 ? (size_t)got : 0;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0) {
		r = errno;
		free(text);
		return hak_call_garbled(-r);
	}
	text[length] = '\0';
	*ret_text = text;
	return 0;
}

int hak_call_document(struct hak_ctl *ctl, const char *member, const char *target, char **ret_text)
{
	sd_bus_message *reply = NULL;
	int code;

	if (strcmp(member, "DumpRatings") == 0)
		code = hak_call(ctl, member, false, &reply, "a{sv}", 1, "target", "s", target ? target : "*");
	else if (strcmp(member, "DumpStats") == 0)
		code = hak_call(ctl, member, false, &reply, "a{sv}", 3, "target", "s", target ? target : "*",
				"limit", "t", ctl->list_most ? ctl->list_most : UINT64_MAX, "brief", "b",
				(int)ctl->brief);
	else
		code = hak_call(ctl, member, false, &reply, "sa{sv}", target ? target : "*", 0);
	if (code == 0)
		code = hak_call_read_fd(reply, ret_text);
	sd_bus_message_unref(reply);
	return code;
}

int hak_call_property(struct hak_ctl *ctl, const char *property, char **ret_value)
{
	sd_bus_message *call, *reply = NULL;
	const char *value;
	int code, r;

	code = new_call(ctl, "org.freedesktop.DBus.Properties", "Get", false, &call);
	if (code)
		return code;
	r = sd_bus_message_append(call, "ss", HAK_BUS_INTERFACE, property);
	if (r < 0) {
		sd_bus_message_unref(call);
		return hak_ctl_fail(HAK_EXIT_FAILED, "cannot make a call: %s", strerror(-r));
	}
	code = hak_call_send(ctl, call, 0, &reply);
	if (code == 0) {
		r = sd_bus_message_read(reply, "v", "s", &value);
		*ret_value = r < 0 ? NULL : strdup(value);
		if (!*ret_value)
			code = hak_call_garbled(r < 0 ? r : -ENOMEM);
	}
	sd_bus_message_unref(reply);
	return code;
}
