/* SPDX-License-Identifier: MIT */
/* The properties of org.hakmem1.Manager. See bus.h. */
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "bus.h"
#include "kernel_support.h"
#include "log.h"

static int append_features(sd_bus_message *reply)
{
	return sd_bus_message_append(reply, "as", 14, "modes", "holds", "rules", "panic", "wait-applied",
				     "processes", "verify", "explain-modes", "jobs", "subscribe", "purge",
				     "profiles", "learning", "priors");
}

static int append_kernel_support(sd_bus_message *reply)
{
	int r;

	r = sd_bus_message_open_container(reply, 'a', "{sb}");
	for (const struct hak_kernel_feature *feature = hak_kernel_features; r >= 0 && feature->name;
	     feature++)
		r = sd_bus_message_append(reply, "{sb}", feature->name,
					  (int)feature->probe(feature->argument));
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_constant(const struct hak_manager *manager, const char *property, sd_bus_message *reply)
{
	char id[SD_ID128_STRING_MAX];

	if (strcmp(property, "Version") == 0)
		return sd_bus_message_append(reply, "s", HAK_VERSION);
	if (strcmp(property, "InstanceId") == 0)
		return sd_bus_message_append(reply, "s", sd_id128_to_string(manager->instance_id, id));
	if (strcmp(property, "AbiMajors") == 0)
		return sd_bus_message_append(reply, "au", 1, (uint32_t)1);
	if (strcmp(property, "Features") == 0)
		return append_features(reply);
	if (strcmp(property, "KernelSupport") == 0)
		return append_kernel_support(reply);
	return -ENOENT;
}

/* Contexts of the processes that live. */
static uint32_t count_contexts(const struct hak_learner *learner)
{
	uint32_t count = 0;

	for (struct hak_learned *l = hak_learner_next(learner, NULL); l; l = hak_learner_next(learner, l))
		count += l->live > 0;
	return count;
}

int hak_bus_get_property(sd_bus *bus, const char *path, const char *interface, const char *property,
			 sd_bus_message *reply, void *data, sd_bus_error *error)
{
	const struct hak_manager *manager = ((struct hak_bus *)data)->manager;
	const struct hak_view *view = &manager->view;

	if (strcmp(property, "Mode") == 0)
		return sd_bus_message_append(reply, "s", hak_mode_name(view->choice.mode));
	if (strcmp(property, "ModeSource") == 0)
		return sd_bus_message_append(reply, "s", hak_source_name(view->choice.source));
	if (strcmp(property, "ConfiguredMode") == 0)
		return sd_bus_message_append(reply, "s", hak_mode_name(view->configured));
	if (strcmp(property, "Serial") == 0)
		return sd_bus_message_append(reply, "t", view->serial);
	if (strcmp(property, "Thp") == 0)
		return sd_bus_message_append(reply, "s", hak_thp_name((enum hak_thp)view->policy.thp));
	if (strcmp(property, "Evolution") == 0)
		return sd_bus_message_append(reply, "s",
					     hak_evolution_name((enum hak_evolution)view->policy.evolution));
	if (strcmp(property, "SegmentState") == 0)
		return sd_bus_message_append(reply, "s", hak_view_state_name(view));
	if (strcmp(property, "Panicked") == 0)
		return sd_bus_message_append(reply, "b", (int)view->panicked);
	if (strcmp(property, "ProcessCount") == 0)
		return sd_bus_message_append(reply, "u", (uint32_t)manager->registry->process_count);
	if (strcmp(property, "ContextCount") == 0)
		return sd_bus_message_append(reply, "u", count_contexts(&manager->learner));
	return append_constant(manager, property, reply);
}

void hak_bus_view_changed(void *data, const struct hak_view *before, const struct hak_view *after)
{
	struct hak_bus *bus = data;
	char *names[9];
	size_t count = 0;
	int r;

	if (before->choice.mode != after->choice.mode)
		names[count++] = (char *)"Mode";
	if (before->choice.source != after->choice.source)
		names[count++] = (char *)"ModeSource";
	if (before->configured != after->configured)
		names[count++] = (char *)"ConfiguredMode";
	if (before->serial != after->serial)
		names[count++] = (char *)"Serial";
	if (before->policy.thp != after->policy.thp)
		names[count++] = (char *)"Thp";
	if (before->policy.evolution != after->policy.evolution)
		names[count++] = (char *)"Evolution";
	if (before->segment_state != after->segment_state)
		names[count++] = (char *)"SegmentState";
	if (before->panicked != after->panicked)
		names[count++] = (char *)"Panicked";
	names[count] = NULL;
	if (!count || !bus->vtable_slot || bus->lost)
		return;
	r = sd_bus_emit_properties_changed_strv(bus->bus, HAK_BUS_PATH, HAK_BUS_INTERFACE, names);
	if (r < 0)
		hak_log(LOG_WARNING, "cannot tell the bus what changed: %s", strerror(-r));
}
