/* SPDX-License-Identifier: MIT */
/* What calls share: options, names, errors, their cost. See bus.h. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"
#include "clock.h"
#include "nearest.h"

enum { WORDS_MAX = 16, LIST_CHARS = 127 };

int hak_bus_unknown(sd_bus_error *error, const char *name, const char *what, const char *word,
		    const char *const *words, size_t count)
{
	const char *near = hak_nearest_word(word, words, count);
	char list[LIST_CHARS + 1] = " none";
	size_t chars = 0;

	if (near)
		return sd_bus_error_setf(error, name, "unknown %s '%.64s'; did you mean '%s'?", what, word,
					 near);
	for (size_t i = 0; i < count && chars < LIST_CHARS; i++)
		chars += (size_t)snprintf(list + chars, sizeof(list) - chars, "%s %s",
					  i == 0 ? "" : i + 1 < count ? "," : " and", words[i]);
	return sd_bus_error_setf(error, name, "unknown %s '%.64s'; there are%s", what, word, list);
}

static int unknown_option(const char *name, const struct hak_bus_option *options, size_t count,
			  sd_bus_error *error)
{
	const char *names[WORDS_MAX];

	for (size_t i = 0; i < count && i < WORDS_MAX; i++)
		names[i] = options[i].name;
	return hak_bus_unknown(error, HAK_BUS_ERROR("InvalidOption"), "option", name, names,
			       count < WORDS_MAX ? count : WORDS_MAX);
}

static int read_option(sd_bus_message *message, const struct hak_bus_option *option, sd_bus_error *error)
{
	const char wanted[2] = {option->type, '\0'};
	const char *contents;
	char type;
	int r;

	r = sd_bus_message_peek_type(message, &type, &contents);
	if (r < 0)
		return r;
	if (type != 'v' || strcmp(contents, wanted) != 0)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("InvalidOption"),
					 "option '%s' has type '%s'; it must be '%s'", option->name,
					 contents ? contents : "?", wanted);
	r = sd_bus_message_read(message, "v", wanted, option->value);
	if (r >= 0 && option->given)
		*option->given = true;
	return r;
}

int hak_bus_read_options(sd_bus_message *message, const struct hak_bus_option *options, size_t count,
			 sd_bus_error *error)
{
	int r;

	r = sd_bus_message_enter_container(message, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
		const struct hak_bus_option *option = NULL;
		const char *name;

		r = sd_bus_message_read(message, "s", &name);
		for (size_t i = 0; r >= 0 && i < count; i++) {
			if (strcmp(options[i].name, name) == 0)
				option = &options[i];
		}
		if (r >= 0)
			r = option ? read_option(message, option, error)
				   : unknown_option(name, options, count, error);
		if (r >= 0)
			r = sd_bus_message_exit_container(message);
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(message);
	return r < 0 ? r : 0;
}

int hak_bus_read(sd_bus_message *message, const struct hak_bus_option *options, size_t count,
		 struct hak_asker *asker, sd_bus_error *error, const char *types, ...)
{
	va_list arguments;
	int r;

	va_start(arguments, types);
	r = sd_bus_message_readv(message, types, arguments);
	va_end(arguments);
	if (r >= 0)
		r = hak_bus_read_options(message, options, count, error);
	return r >= 0 && asker ? hak_bus_authorise(message, &asker->uid, error) : r;
}

int hak_bus_parse_mode(const char *text, enum hak_mode *ret_mode, sd_bus_error *error)
{
	const char *names[HAK_MODE_COUNT];

	if (hak_mode_parse(text, ret_mode) == 0)
		return 0;
	for (int i = 0; i < HAK_MODE_COUNT; i++)
		names[i] = hak_mode_name((enum hak_mode)i);
	return hak_bus_unknown(error, HAK_BUS_ERROR("NoSuchMode"), "mode", text, names, HAK_MODE_COUNT);
}

/* No manager makes one of other letters, of which a glob has some more. */
static bool may_be_a_unit(const char *text)
{
	while (isalnum((unsigned char)*text) || (*text && strchr(":-_.\\@*?[]!^", *text)))
		text++;
	return !*text;
}

int hak_bus_parse_target(const char *text, struct hak_target *ret_target, sd_bus_error *error)
{
	if (hak_target_parse(text, ret_target) < 0)
		return sd_bus_error_setf(
			error, HAK_BUS_ERROR("NoSuchTarget"),
			"'%.64s' is no target; write *, pid:NUMBER, unit:NAME or context:32 HEX DIGITS",
			text);
	if (ret_target->kind == HAK_TARGET_UNIT && !may_be_a_unit(ret_target->text))
		return sd_bus_error_setf(
			error, HAK_BUS_ERROR("NoSuchTarget"),
			"'%.64s' can be no unit's name: those are of letters, digits and :-_.\\@", text);
	return 0;
}

int hak_bus_no_process(sd_bus_error *error, const char *target)
{
	const size_t prefix = strlen("pid:");

	if (strncmp(target, "pid:", prefix) == 0)
		return sd_bus_error_setf(error, HAK_BUS_ERROR("NoSuchTarget"),
					 "no process under hakmem has the id %s; 'hakctl doctor %s' says why",
					 target + prefix, target + prefix);
	return sd_bus_error_setf(error, HAK_BUS_ERROR("NoSuchTarget"),
				 "no process under hakmem matches %s; 'hakctl stats' lists those that are",
				 target);
}

struct hak_learned *hak_bus_find_context(struct hak_bus *bus, const char *text, sd_bus_error *error)
{
	const size_t prefix = strlen("context:");
	struct hak_learned *learned = NULL;
	int r;

	if (strncmp(text, "pid:", 4) == 0) {
		struct hak_target target;
		struct hak_slot *slot;

		if (hak_bus_parse_target(text, &target, error) < 0)
			return NULL;
		slot = hak_registry_find_pid(bus->manager->registry, target.pid);
		learned = slot ? slot->client->learned : NULL;
		if (!slot)
			(void)hak_bus_no_process(error, text); /* returns what was set */
		else if (!learned)
			(void)sd_bus_error_setf(error, HAK_BUS_ERROR("NoSuchTarget"),
						"nothing is learned of process %s", text + 4);
		return learned;
	}
	if (strncmp(text, "context:", prefix) == 0)
		text += prefix;
	r = hak_learner_resolve(&bus->manager->learner, text, &learned);
	if (r == -ENOTUNIQ)
		(void)sd_bus_error_setf(
			error, HAK_BUS_ERROR("NoSuchTarget"),
			"several contexts are called '%s'; write the digits of one, as 'hakctl ratings' "
			"lists them",
			text);
	else if (r < 0)
		(void)sd_bus_error_setf(error, HAK_BUS_ERROR("NoSuchTarget"),
					"no context is called '%s'; 'hakctl ratings' lists them", text);
	return learned;
}

int hak_bus_fail(sd_bus_error *error, int r, const char *what)
{
	switch (r) {
	case -EPERM:
		return sd_bus_error_setf(error, HAK_BUS_ERROR("Panicked"),
					 "%s: the kill switch is on; 'hakctl panic --off' takes it back",
					 what);
	case -ENOBUFS:
		return sd_bus_error_setf(error, HAK_BUS_ERROR("LimitExceeded"),
					 "%s: there are too many already", what);
	case -ESRCH:
		return hak_bus_no_process(error, what);
	default:
		return sd_bus_error_set_errnof(error, -r, "%s: %s", what, strerror(-r));
	}
}

int hak_bus_afford(struct hak_bus *bus, sd_bus_message *message, struct hak_viewer *ret_viewer,
		   uint64_t *ret_began_usec, sd_bus_error *error)
{
	int r = hak_bus_viewer(message, ret_viewer, error);

	if (r < 0)
		return r;
	*ret_began_usec = hak_clock_usec();
	if (ret_viewer->privileged || /* whoever may stop the daemon need not be kept from asking it */
	    hak_budget_allows(&bus->budget, ret_viewer->uid, *ret_began_usec))
		return 0;
	return sd_bus_error_setf(error, HAK_BUS_ERROR("RateLimited"),
				 "uid %u has asked for more than its share of hakmemd's time; wait a second",
				 (unsigned)ret_viewer->uid);
}

void hak_bus_charge(struct hak_bus *bus, const struct hak_viewer *viewer, uint64_t began_usec)
{
	hak_budget_charge(&bus->budget, viewer->uid, began_usec, hak_clock_usec());
}

int hak_bus_reply_fd(sd_bus_message *call, int fd)
{
	int r = sd_bus_reply_method_return(call, "h", fd); /* keeps a copy */

	close(fd);
	return r;
}
