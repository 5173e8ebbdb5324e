/* SPDX-License-Identifier: MIT */
/* See manager.h. Making and ending it are in manager_start.c. */
#include "manager.h"

#include <errno.h>
#include <stdio.h>
#include <syslog.h>

#include "clock.h"
#include "log.h"
#include "manager_private.h"

struct hak_mode_inputs hak_manager_inputs(const struct hak_manager *manager)
{
	const struct hak_hold *hold = hak_holds_newest(&manager->holds);

	return (struct hak_mode_inputs){
		.panicked = manager->state.panicked,
		.has_hold = hold != NULL,
		.hold = hold ? hold->mode : HAK_MODE_BALANCED,
		.has_runtime = manager->state.has_runtime,
		.runtime = manager->state.runtime,
		.config = &manager->config,
	};
}

static void look(struct hak_manager *manager, struct hak_view *view)
{
	const struct hak_control_header *header = manager->writer.header;
	struct hak_mode_inputs inputs = hak_manager_inputs(manager);

	*view = (struct hak_view){
		.choice = hak_modes_global(&inputs),
		.configured = manager->config.has_mode ? manager->config.mode
						       : (enum hak_mode)HAK_MODE_BUILTIN,
		.serial = atomic_load_explicit(&header->serial,
					       memory_order_relaxed), /* we are its only writer */
		.segment_state = (enum hak_segment_state)atomic_load_explicit(&header->state,
									      memory_order_relaxed),
		.panicked = manager->state.panicked,
	};
	view->policy = hak_modes_policy(&view->choice);
}

const char *hak_view_state_name(const struct hak_view *view)
{
	static const char *const names[HAK_SEGMENT_STATE_COUNT] = {"default", "live", "stopped"};

	return names[view->segment_state]; /* ours */
}

void hak_manager_tell(struct hak_manager *manager)
{
	struct hak_view before = manager->view;

	look(manager, &manager->view);
	if (manager->changed)
		manager->changed(manager->changed_data, &before, &manager->view);
}

uint64_t hak_manager_publish(struct hak_manager *manager)
{
	const struct hak_control_header *header = manager->writer.header;
	uint64_t word = atomic_load_explicit(&header->policy_word, memory_order_relaxed); /* only we write */
	struct hak_mode_inputs inputs = hak_manager_inputs(manager);
	struct hak_mode_choice choice = hak_modes_global(&inputs);
	struct hak_policy policy = hak_modes_policy(&choice);
	struct hak_policy published;
	uint32_t epoch = 0;
	size_t entries = hak_registry_repolicy(manager->registry);

	if (hak_policy_unpack(word, &published, &epoch) < 0 ||
	    (uint32_t)hak_policy_pack(&policy, 0) != (uint32_t)word)
		(void)hak_control_publish_policy(&manager->writer, hak_policy_pack(&policy, epoch + 1));
	else if (entries)
		(void)hak_control_bump(&manager->writer);
	manager->published_usec = hak_registry_now(manager->registry);
	hak_manager_tell(manager);
	return manager->view.serial;
}

static const char *runtime_name(const struct hak_state *state)
{
	return state->has_runtime ? hak_mode_name(state->runtime) : NULL;
}

void hak_manager_journal(struct hak_manager *manager, const char *what, const char *before, const char *after,
			 const struct hak_asker *asker)
{
	struct hak_log_change change = {.what = what,
					.before = before,
					.after = after,
					.why = asker->reason,
					.uid = asker->uid,
					.serial = manager->view.serial};

	hak_log_changed(&change);
	hak_event_change(&manager->events, &change);
}

int hak_manager_set_mode(struct hak_manager *manager, const enum hak_mode *mode,
			 const struct hak_asker *asker, uint64_t *ret_serial)
{
	struct hak_state before = manager->state;

	if (before.panicked)
		return -EPERM;
	manager->state.has_runtime = mode != NULL;
	manager->state.runtime = mode ? *mode : HAK_MODE_BALANCED;
	manager->state.changed_usec = hak_clock_realtime_usec();
	*ret_serial = hak_manager_publish(manager);
	hak_manager_journal(manager, "mode", runtime_name(&before), runtime_name(&manager->state), asker);
	hak_manager_save(manager, HAK_SAVE_STATE);
	return 0;
}

uint64_t hak_manager_panic(struct hak_manager *manager, bool panicked, const struct hak_asker *asker)
{
	bool before = manager->state.panicked;
	uint64_t serial;

	manager->state.panicked = panicked;
	manager->state.changed_usec = hak_clock_realtime_usec();
	snprintf(manager->state.panic_reason, sizeof(manager->state.panic_reason), "%s",
		 panicked ? asker->reason : "");
	serial = hak_manager_publish(manager);
	hak_manager_journal(manager, "panic", before ? "on" : "off", panicked ? "on" : "off", asker);
	hak_manager_save(manager, HAK_SAVE_STATE);
	return serial;
}

int hak_manager_hold(struct hak_manager *manager, enum hak_mode mode, const struct hak_asker *asker,
		     struct hak_hold **ret_hold)
{
	struct hak_hold *hold;

	if (manager->state.panicked)
		return -EPERM;
	hold = hak_holds_add(&manager->holds, mode, asker->uid, asker->reason);
	if (!hold)
		return -ENOBUFS;
	(void)hak_manager_publish(manager);
	hak_manager_journal(manager, "hold", NULL, hak_mode_name(mode), asker);
	*ret_hold = hold;
	return 0;
}

void hak_manager_release(struct hak_manager *manager, struct hak_hold *hold, const struct hak_asker *asker)
{
	enum hak_mode mode = hold->mode;

	hak_holds_remove(&manager->holds, hold);
	(void)hak_manager_publish(manager);
	hak_manager_journal(manager, "hold", hak_mode_name(mode), NULL, asker);
}

int hak_manager_request_purge(struct hak_manager *manager, const struct hak_target *target, const char *text,
			      const struct hak_asker *asker)
{
	if (manager->state.panicked)
		return -EPERM;
	/* Numbers that rise over restarts of the daemon, too. */
	if (!hak_registry_request_purge(manager->registry, target, hak_clock_realtime_usec()))
		return -ESRCH;
	hak_manager_journal(manager, "purge", NULL, text, asker);
	return 0;
}

void hak_manager_bump(struct hak_manager *manager)
{
	(void)hak_control_bump(&manager->writer);
	manager->published_usec = hak_registry_now(manager->registry);
	hak_manager_tell(manager);
}

int hak_manager_load_config(struct hak_manager *manager, struct hak_conf *ret_config,
			    struct hak_conf_fault *ret_fault)
{
	return hak_conf_load(manager->options->config, !manager->options->config_given, ret_config,
			     ret_fault);
}

int hak_manager_reload(struct hak_manager *manager, const struct hak_asker *asker,
		       struct hak_conf_fault *ret_fault)
{
	struct hak_conf config;
	int r;

	r = hak_manager_load_config(manager, &config, ret_fault);
	if (r < 0) {
		hak_log(LOG_ERR, "%s; what was in force stays", ret_fault->text);
		return r;
	}
	hak_conf_deinit(&manager->config);
	manager->config = config;
	manager->registry->files_per_uid = (uint32_t)config.files_per_uid;
	(void)hak_manager_publish(manager);
	hak_manager_journal(manager, "config", NULL, manager->options->config, asker);
	return 0;
}
