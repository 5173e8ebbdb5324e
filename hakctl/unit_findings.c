/* SPDX-License-Identifier: MIT */
/* What in a unit is in the way of a preload: one function a directive, or a group of them. See unit.h. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "program.h"
#include "unit_private.h"

#define RUNTIME_DIR "/run/hakmem"

static struct hak_unit_finding *find(struct hak_unit *unit, const char *directive, const char *text)
{
	struct hak_unit_finding *finding =
		&unit->finding[unit->count < HAK_UNIT_FINDINGS ? unit->count : HAK_UNIT_FINDINGS - 1];

	unit->count += unit->count < HAK_UNIT_FINDINGS;
	*finding = (struct hak_unit_finding){.mend = ""};
	snprintf(finding->directive, sizeof(finding->directive), "%s", directive);
	snprintf(finding->text, sizeof(finding->text), "%s", text);
	return finding;
}

static int get_string(struct hak_unit *unit, const char *name, char *ret_text, size_t room)
{
	sd_bus_message *reply = NULL;
	const char *text = "";
	int r = hak_unit_property(unit, name, "s", &reply);

	if (r >= 0)
		r = sd_bus_message_read(reply, "s", &text);
	snprintf(ret_text, room, "%s", text);
	sd_bus_message_unref(reply);
	return r;
}

/* ---- the program ------------------------------------------------------------------------------------- */

static int look_for_program(struct hak_unit *unit)
{
	sd_bus_message *reply = NULL;
	const char *program = "";
	int r = hak_unit_property(unit, "ExecStart", "a(sasbttttuii)", &reply);

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(sasbttttuii)");
	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'r', "sasbttttuii");
	if (r > 0)
		r = sd_bus_message_read(reply, "s", &program);
	snprintf(unit->program, sizeof(unit->program), "%s", program);
	sd_bus_message_unref(reply);
	return r;
}

static void check_program(struct hak_unit *unit)
{
	/* One that cannot be looked at is perhaps within its RootDirectory=, or optional. */
	const char *refusal = hak_program_refusal(unit->program);

	if (refusal)
		find(unit, "ExecStart=", refusal);
}

/* ---- the environment --------------------------------------------------------------------------------- */

static int check_environment(struct hak_unit *unit)
{
	sd_bus_message *reply = NULL;
	const char *setting;
	int r = hak_unit_property(unit, "Environment", "as", &reply);

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(reply, "s", &setting)) > 0)
		if (strncmp(setting, "LD_PRELOAD=", 11) == 0)
			snprintf(unit->preload, sizeof(unit->preload), "%s", setting + 11);
	sd_bus_message_unref(reply);
	return r;
}

static bool file_sets_preload(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[4096];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = strncmp(line + strspn(line, " \t"), "LD_PRELOAD=", 11) == 0;
	if (file)
		fclose(file);
	return found;
}

static int check_environment_files(struct hak_unit *unit)
{
	sd_bus_message *reply = NULL;
	char text[HAK_UNIT_TEXT];
	const char *path;
	int optional, r = hak_unit_property(unit, "EnvironmentFiles", "a(sb)", &reply);

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(sb)");
	while (r >= 0 && (r = sd_bus_message_read(reply, "(sb)", &path, &optional)) > 0) {
		if (!file_sets_preload(path))
			continue;
		snprintf(text, sizeof(text),
			 "%s sets LD_PRELOAD, and a file wins over Environment=: take it out there", path);
		find(unit, "EnvironmentFile=", text);
	}
	sd_bus_message_unref(reply);
	return r;
}

/* ---- what it may see and write ----------------------------------------------------------------------- */

static void check_root(struct hak_unit *unit, const char *library)
{
	static const char *const names[] = {"RootDirectory", "RootImage"};
	char text[4096], directive[32];

	for (size_t i = 0; i < 2; i++) {
		if (get_string(unit, names[i], text, sizeof(text)) < 0 || !*text || strcmp(text, "/") == 0)
			continue;
		snprintf(directive, sizeof(directive), "%s=", names[i]);
		snprintf(find(unit, directive, "neither the library nor " RUNTIME_DIR " is within it")->mend,
			 HAK_UNIT_TEXT, "BindReadOnlyPaths=%s\nBindPaths=" RUNTIME_DIR, library);
	}
}

/* Does a list of paths, each perhaps with a '-' or '+' before it, hide or cover @path? */
static int covers(struct hak_unit *unit, const char *name, const char *path, bool *ret_covers)
{
	sd_bus_message *reply = NULL;
	const char *entry;
	int r = hak_unit_property(unit, name, "as", &reply);

	*ret_covers = false;
	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(reply, "s", &entry)) > 0) {
		size_t length;

		entry += strspn(entry, "-+");
		length = strlen(entry);
		while (length > 1 && entry[length - 1] == '/')
			length--;
		*ret_covers |= strncmp(path, entry, length) == 0 &&
			       (length == 1 || path[length] == '/' || path[length] == '\0');
	}
	sd_bus_message_unref(reply);
	return r;
}

static int check_temporary(struct hak_unit *unit)
{
	sd_bus_message *reply = NULL;
	const char *path, *options;
	int r = hak_unit_property(unit, "TemporaryFileSystem", "a(ss)", &reply);

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(ss)");
	while (r >= 0 && (r = sd_bus_message_read(reply, "(ss)", &path, &options)) > 0)
		if (strcmp(path, "/run") == 0 || strcmp(path, "/") == 0)
			snprintf(find(unit, "TemporaryFileSystem=", "hides " RUNTIME_DIR)->mend,
				 HAK_UNIT_TEXT, "BindPaths=" RUNTIME_DIR);
	sd_bus_message_unref(reply);
	return r;
}

static int check_paths(struct hak_unit *unit, const char *library)
{
	char protect[32];
	bool yes;
	int r;

	r = covers(unit, "InaccessiblePaths", RUNTIME_DIR, &yes);
	if (yes)
		find(unit,
		     "InaccessiblePaths=", "hides " RUNTIME_DIR ", and no other directive opens it again");
	if (r >= 0)
		r = covers(unit, "InaccessiblePaths", library, &yes);
	if (yes)
		find(unit, "InaccessiblePaths=", "hides the library, and no other directive opens it again");
	if (r >= 0)
		r = get_string(unit, "ProtectSystem", protect, sizeof(protect));
	if (r >= 0 && strcmp(protect, "strict") == 0)
		snprintf(find(unit, "ProtectSystem=strict", "telemetry could not be written")->mend,
			 HAK_UNIT_TEXT, "ReadWritePaths=-" RUNTIME_DIR "/clients");
	if (r >= 0)
		r = covers(unit, "ReadOnlyPaths", RUNTIME_DIR "/clients", &yes);
	if (r >= 0 && yes)
		snprintf(find(unit, "ReadOnlyPaths=", "telemetry could not be written")->mend, HAK_UNIT_TEXT,
			 "ReadWritePaths=-" RUNTIME_DIR "/clients");
	return r;
}

/* ---- system calls ------------------------------------------------------------------------------------ */

/* Of the constructor and of giving memory back; what any program needs (mmap, close, ...) is left out. */
static const char *const needed_calls[] = {"openat",    "fstat",     "newfstatat", "fchmod", "fallocate",
					   "ftruncate", "prlimit64", "madvise",    "mremap"};
enum { NEEDED_CALLS = sizeof(needed_calls) / sizeof(*needed_calls) };

/* Which of them the unit's list names; entries may have an error number behind a colon. Return: is it a list
 * of what is allowed? 0 or 1, or what the bus said. */
static int read_filter(struct hak_unit *unit, bool *ret_named)
{
	sd_bus_message *reply = NULL;
	const char *call;
	int allow = 0, r = hak_unit_property(unit, "SystemCallFilter", "(bas)", &reply);

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'r', "bas");
	if (r >= 0)
		r = sd_bus_message_read(reply, "b", &allow);
	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(reply, "s", &call)) > 0)
		for (size_t i = 0; i < NEEDED_CALLS; i++) {
			size_t length = strlen(needed_calls[i]);

			ret_named[i] |= strncmp(call, needed_calls[i], length) == 0 &&
					(call[length] == '\0' || call[length] == ':');
		}
	sd_bus_message_unref(reply);
	return r < 0 ? r : allow;
}

/* @present: the drop-in as it is, which may have mended this before. */
static int check_system_calls(struct hak_unit *unit, const char *present)
{
	const char *mended = strstr(present, "\nSystemCallFilter=");
	char list[128] = "", text[HAK_UNIT_TEXT];
	bool named[NEEDED_CALLS] = {false};
	struct hak_unit_finding *finding;
	int allow = read_filter(unit, named);

	for (size_t i = 0; allow >= 0 && i < NEEDED_CALLS; i++) {
		/* In a list of what is allowed it must be named, in one of what is denied it must not. */
		if (named[i] == (bool)allow && !(mended && strstr(mended, needed_calls[i])))
			continue;
		strncat(list, " ", sizeof(list) - strlen(list) - 1);
		strncat(list, needed_calls[i], sizeof(list) - strlen(list) - 1);
	}
	if (!*list)
		return allow;
	snprintf(text, sizeof(text), "does not allow%s, which libhakmem calls", list);
	finding = find(unit, "SystemCallFilter=", text);
	snprintf(finding->mend, sizeof(finding->mend), "SystemCallFilter=%s", list + 1);
	return allow;
}

int hak_unit_look(struct hak_unit *unit, const char *library, const char *present)
{
	int r = look_for_program(unit);

	unit->count = 0;
	if (r >= 0 && *unit->program)
		check_program(unit);
	if (r >= 0)
		r = check_environment(unit);
	if (r >= 0)
		r = check_environment_files(unit);
	if (r >= 0)
		check_root(unit, library);
	if (r >= 0)
		r = check_temporary(unit);
	if (r >= 0)
		r = check_paths(unit, library);
	if (r >= 0)
		r = check_system_calls(unit, present);
	return r < 0 ? r : 0;
}

bool hak_unit_is_hopeless(const struct hak_unit *unit)
{
	for (size_t i = 0; i < unit->count; i++)
		if (!*unit->finding[i].mend)
			return true;
	return false;
}
