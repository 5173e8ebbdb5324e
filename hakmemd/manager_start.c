/* SPDX-License-Identifier: MIT */
/* How the manager begins and ends: directories, segment, state, heartbeat. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "clock.h"
#include "file_replace.h"
#include "kernel_support.h"
#include "log.h"
#include "machine_costs.h"
#include "manager.h"
#include "manager_private.h"
#include "pressure.h"

enum { RUNTIME_MODE = 0755, CLIENTS_MODE = 01733 };

static int take_runtime_dir(struct hak_manager *manager)
{
	const char *path = manager->options->runtime_dir;
	int fd, r;

	fd = hak_directory_open(path, RUNTIME_MODE, false);
	if (fd < 0) {
		hak_log(LOG_ERR, "cannot make the runtime directory %s: %s", path, strerror(-fd));
		return fd;
	}
	close(fd);
	r = hak_control_writer_init(&manager->writer, path);
	if (r == -EBUSY)
		hak_log(LOG_ERR, "another hakmemd serves %s", path);
	else if (r == -EPROTO)
		hak_log(LOG_ERR,
			"%s/%s is no control segment of this version; remove it when no process uses it",
			path, HAK_CONTROL_FILE);
	else if (r < 0)
		hak_log(LOG_ERR, "cannot take %s/%s: %s", path, HAK_CONTROL_FILE, strerror(-r));
	return r;
}

static int take_clients_dir(struct hak_manager *manager, struct hak_client_home *ret_home)
{
	struct hak_client_home home = {.clients_fd = -1};
	const char *path = manager->clients_dir;
	struct stat clients, segment;
	int r;

	if (snprintf(manager->clients_dir, sizeof(manager->clients_dir), "%s/%s",
		     manager->options->runtime_dir, HAK_CLIENTS_DIR) >= (int)sizeof(manager->clients_dir))
		return -ENAMETOOLONG;
	home.clients_fd = hak_directory_open(path, CLIENTS_MODE, true);
	if (home.clients_fd < 0) {
		hak_log(LOG_ERR, "cannot make %s: %s", path, strerror(-home.clients_fd));
		return home.clients_fd;
	}
	r = fstat(home.clients_fd, &clients) < 0 || fstat(manager->writer.fd, &segment) < 0 ? -errno : 0;
	if (r == 0 && clients.st_dev != segment.st_dev)
		r = -EXDEV;
	if (r == 0)
		r = hak_process_maps_device(manager->writer.header, &home.maps_major, &home.maps_minor);
	if (r < 0) {
		hak_log(LOG_ERR, "cannot use %s: %s", path, strerror(-r));
		close(home.clients_fd);
		return r;
	}
	home.device = clients.st_dev;
	*ret_home = home;
	return 0;
}

static int take_learner(struct hak_manager *manager)
{
	const struct hak_learner_owner owner = hak_manager_learner_owner(manager);
	int r = hak_learner_init(&manager->learner, manager->state_fd, &manager->writer, &owner);

	if (r < 0)
		hak_log(LOG_ERR, "cannot keep what is learned in %s: %s", manager->options->state_dir,
			strerror(-r));
	return r;
}

/* What hak_state_load() and hak_profiles_load() return. */
static int check_loaded(const struct hak_manager *manager, const char *name, int r, const char *consequence)
{
	const char *path = manager->options->state_dir;
	char bad[64];

	if (r == -EBADMSG) {
		(void)snprintf(bad, sizeof(bad), "%s.bad", name); /* fits */
		hak_log(LOG_WARNING, "%s/%s is damaged; kept as %s, %s", path, name, bad, consequence);
		/* If that fails the next save replaces it: the log line is all that is lost then. */
		(void)renameat(manager->state_fd, name, manager->state_fd, bad);
		return 0;
	}
	if (r < 0 && r != -ENOENT)
		hak_log(LOG_ERR, "cannot read %s/%s: %s", path, name, strerror(-r));
	return r == -ENOENT ? 0 : r;
}

static int take_state_dir(struct hak_manager *manager)
{
	const char *path = manager->options->state_dir;
	int r;

	manager->state_fd = hak_directory_open(path, HAK_STATE_MODE, false);
	if (manager->state_fd < 0) {
		hak_log(LOG_ERR, "cannot use the state directory %s: %s", path, strerror(-manager->state_fd));
		return manager->state_fd;
	}
	r = check_loaded(manager, HAK_STATE_FILE, hak_state_load(manager->state_fd, &manager->state),
			 "beginning anew");
	if (r < 0)
		return r;
	/* Without them all processes have everybody's mode. */
	(void)check_loaded(manager, HAK_PROFILES_FILE,
			   hak_profiles_load(manager->state_fd, &manager->profiles),
			   "no modes are set for some processes");
	r = hak_tallies_init(&manager->tallies, manager->state_fd);
	if (r > 0)
		hak_log(LOG_WARNING, "%s/tallies.json is damaged; kept as tallies.json.bad, counting anew",
			path);
	else if (r < 0)
		hak_log(LOG_ERR, "cannot use the tallies in %s: %s", path, strerror(-r));
	return r < 0 ? r : take_learner(manager);
}

static int take_config(struct hak_manager *manager)
{
	struct hak_conf_fault fault;
	int r;

	r = hak_manager_load_config(manager, &manager->config, &fault);
	if (r < 0)
		hak_log(LOG_ERR, "%s", fault.text);
	return r;
}

/* Callers and their waits have descriptors: the limit that we may set is the one to have. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* if not, those beyond it are refused */
}

/* ---- heartbeat --------------------------------------------------------------------------------------- */

static int on_heartbeat(sd_event_source *source, uint64_t usec, void *data)
{
	struct hak_manager *manager = data;

	hak_control_beat(&manager->writer);
	hak_control_set_system_thp(&manager->writer, hak_kernel_system_thp(hak_kernel_thp_path));
	hak_learner_tick(
		&manager->learner, manager->registry->first,
		hak_pressure_is_high("/proc/pressure/memory", manager->config.purge.pressure_percent));
	hak_manager_want_saved(manager);
	/* From now on, not from when it was due: since 0 when somebody comes; or it was stopped meanwhile. */
	return sd_event_source_set_time(source, hak_registry_now(manager->registry) + HAK_HEARTBEAT_USEC);
}

/* ---- beginning and end ------------------------------------------------------------------------------- */

static int make_registry(struct hak_manager *manager)
{
	const struct hak_registry_owner owner = hak_manager_registry_owner(manager);
	struct hak_client_home home;
	int r;

	r = take_clients_dir(manager, &home);
	if (r < 0)
		return r;
	manager->registry = malloc(sizeof(*manager->registry));
	r = manager->registry ? hak_registry_init(manager->registry, manager->event, &home, &manager->writer,
						  &manager->tallies, &manager->learner, &owner)
			      : -ENOMEM;
	if (r < 0) {
		free(manager->registry);
		manager->registry = NULL;
		close(home.clients_fd);
		return r;
	}
	manager->registry->files_per_uid = (uint32_t)manager->config.files_per_uid;
	manager->learner.clients_fd = home.clients_fd;
	return 0;
}

int hak_manager_init(struct hak_manager *manager, sd_event *event, const struct hak_options *options)
{
	int r;

	memset(manager, 0, sizeof(*manager));
	manager->options = options;
	manager->event = event;
	manager->state_fd = -1;
	manager->writer.fd = -1;
	manager->learner.directory_fd = -1;
	manager->started_usec = hak_clock_realtime_usec();
	hak_events_init(&manager->events, event);
	manager->reclaim = hak_manager_reclaim(manager);
	raise_descriptors();
	r = sd_id128_randomize(&manager->instance_id);
	if (r >= 0)
		r = take_config(manager);
	if (r >= 0)
		r = take_runtime_dir(manager);
	if (r >= 0)
		r = take_state_dir(manager);
	if (r >= 0)
		r = make_registry(manager);
	if (r >= 0)
		r = sd_event_add_time(event, &manager->heartbeat_source, CLOCK_MONOTONIC, 0, 1000,
				      on_heartbeat, manager);
	if (r >= 0)
		r = sd_event_source_set_enabled(manager->heartbeat_source, SD_EVENT_OFF);
	if (r >= 0)
		r = hak_manager_saving_init(manager);
	if (r >= 0)
		r = hak_reclaim_init(&manager->reclaim, manager->registry, options->runtime_dir);
	if (r < 0)
		hak_manager_deinit(manager);
	return r < 0 ? r : 0;
}

int hak_manager_start(struct hak_manager *manager)
{
	int r;

	if (!manager->writer.header->costs.syscall_ns)
		manager->writer.header->costs = hak_machine_costs_measure(); /* nobody looks before LIVE */
	/* Policy before state: a process that sees LIVE finds the policy of this daemon. */
	(void)hak_manager_publish(manager);
	hak_control_set_state(&manager->writer, HAK_SEGMENT_LIVE);
	hak_control_beat(&manager->writer);
	hak_manager_tell(manager);
	r = hak_scan_init(&manager->scan, manager->registry, manager->clients_dir);
	if (r < 0) {
		hak_log(LOG_ERR, "cannot watch %s: %s", manager->clients_dir, strerror(-r));
		return r;
	}
	hak_tallies_forget(&manager->tallies);
	hak_registry_drop_strays(manager->registry);
	manager->tallies.wants_snapshot = true;
	hak_manager_want_saved(manager);
	hak_manager_tell(manager);
	return 0;
}

void hak_manager_stop(struct hak_manager *manager)
{
	if (manager->view.segment_state == HAK_SEGMENT_STOPPED)
		return;
	/* Holds vanish with the daemon: what stays published is what a start without them publishes. */
	hak_holds_deinit(&manager->holds);
	(void)hak_manager_publish(manager);
	hak_control_set_state(&manager->writer, HAK_SEGMENT_STOPPED);
	manager->tallies.wants_snapshot = true;
	hak_learner_save_all(&manager->learner);
	hak_manager_save_rest(manager);
	hak_manager_tell(manager);
}

void hak_manager_deinit(struct hak_manager *manager)
{
	sd_event_source_disable_unref(manager->heartbeat_source);
	hak_reclaim_deinit(&manager->reclaim);
	hak_scan_deinit(&manager->scan);
	hak_holds_deinit(&manager->holds);
	if (manager->registry) {
		close(manager->registry->home.clients_fd);
		hak_registry_deinit(manager->registry);
		free(manager->registry);
	}
	hak_manager_saving_deinit(manager);
	hak_learner_deinit(&manager->learner);
	hak_tallies_deinit(&manager->tallies);
	hak_events_deinit(&manager->events);
	if (manager->state_fd >= 0)
		close(manager->state_fd);
	if (manager->writer.fd >= 0)
		hak_control_writer_deinit(&manager->writer);
	hak_conf_deinit(&manager->config);
	memset(manager, 0, sizeof(*manager));
}
