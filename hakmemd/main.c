/* SPDX-License-Identifier: MIT */
/*
 * hakmemd: learns across all processes under libhakmem which policy suits which program, and publishes it.
 * Here: signals, the order of beginning and end, the exit code. Exit: 0 after SIGTERM or SIGINT, 1 otherwise,
 * 2 for a wrong command line.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "bus.h"
#include "conf.h"
#include "log.h"
#include "manager.h"
#include "options.h"

enum { EXIT_USAGE = 2 };

static int check_config(const struct hak_options *options)
{
	struct hak_conf_fault fault;
	struct hak_conf config;

	if (hak_conf_load(options->config, !options->config_given, &config, &fault) < 0) {
		fprintf(stderr, "hakmemd: %s\n", fault.text);
		return EXIT_FAILURE;
	}
	hak_conf_deinit(&config);
	return EXIT_SUCCESS;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	struct hak_asker asker = {.uid = info->ssi_uid, .reason = "SIGHUP"};
	struct hak_manager *manager = data;
	struct hak_conf_fault fault;

	(void)hak_manager_reload(manager, &asker, &fault); /* it has logged what is wrong */
	return 0;
}

/* Before the loop ends, as sd-bus leaves the bus then and nobody would hear of it. */
static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *data)
{
	(void)sd_notify(0, "STOPPING=1"); /* nobody listens: fine */
	hak_manager_stop(data);
	return sd_event_exit(sd_event_source_get_event(source), EXIT_SUCCESS);
}

/* Blocked for all threads to come, so that none dies of them before the loop runs. */
static int take_signals(sd_event *event, struct hak_manager *manager)
{
	sigset_t signals;
	int r;

	(void)signal(SIGPIPE,
		     SIG_IGN); /* a subscriber's end is an error of write(); valid arguments: cannot fail */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return -errno;
	r = sd_event_add_signal(event, NULL, SIGTERM, on_terminate, manager);
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGINT, on_terminate, manager);
	if (r >= 0)
		r = sd_event_add_signal(event, NULL, SIGHUP, on_hangup, manager);
	return r;
}

/* Everything is there: serve until a signal, a lost bus or a failure. Return: the exit code. */
static int serve(sd_event *event, struct hak_manager *manager, struct hak_bus *bus)
{
	int r;

	r = hak_manager_start(manager);
	if (r >= 0)
		r = hak_bus_start(bus);
	if (r >= 0) {
		hak_log(LOG_INFO, "serving %s, mode %s (%s), %zu processes", manager->options->runtime_dir,
			hak_mode_name(manager->view.choice.mode),
			hak_source_name(manager->view.choice.source), manager->registry->process_count);
		(void)sd_notifyf(0, "READY=1\nSTATUS=Mode %s", hak_mode_name(manager->view.choice.mode));
		r = sd_event_loop(event);
	}
	hak_manager_stop(manager); /* where no signal ended it */
	if (r < 0)
		hak_log(LOG_ERR, "the event loop failed: %s", strerror(-r));
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(sd_event *event, struct hak_manager *manager, const struct hak_options *options)
{
	int code = EXIT_FAILURE, r = sd_event_set_watchdog(event, 1);
	struct hak_bus bus;

	if (r >= 0)
		r = take_signals(event, manager);
	if (r < 0) {
		hak_log(LOG_ERR, "cannot watch signals: %s", strerror(-r));
	} else if (hak_bus_init(&bus, manager, options->bus) == 0) {
		code = serve(event, manager, &bus);
		hak_holds_deinit(&manager->holds); /* their tracks belong to the bus */
		hak_bus_deinit(&bus);
	}
	return code;
}

/* For a moment alone, without a bus, where that is all that is asked for. */
static int be_manager(const struct hak_options *options)
{
	struct hak_manager manager;
	sd_event *event = NULL;
	int code = EXIT_FAILURE, r;

	(void)umask(022);
	r = sd_event_default(&event);
	if (r < 0) {
		hak_log(LOG_ERR, "cannot make an event loop: %s", strerror(-r));
		return code;
	}
	if (hak_manager_init(&manager, event, options) == 0) {
		code = options->action == HAK_ACTION_RUN ? run(event, &manager, options) : EXIT_SUCCESS;
		if (options->action == HAK_ACTION_LEAVE)
			hak_manager_stop(&manager);
		hak_manager_deinit(&manager);
	}
	sd_event_unref(event);
	return code;
}

/* Where they are closed the segment or a journal would get their numbers, and our log lines. */
static void open_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	static struct hak_options options; /* with what it points to as long as the program */
	int code = EXIT_SUCCESS;

	open_stdio();
	if (hak_options_parse(argc, argv, &options) < 0)
		return EXIT_USAGE;
	switch (options.action) {
	case HAK_ACTION_HELP:
		hak_options_help();
		break;
	case HAK_ACTION_VERSION:
		printf("hakmemd %s\n", HAK_VERSION);
		break;
	case HAK_ACTION_CHECK_CONFIG:
		code = check_config(&options);
		break;
	case HAK_ACTION_PREPARE:
	case HAK_ACTION_LEAVE:
	case HAK_ACTION_RUN:
		code = be_manager(&options);
		break;
	}
	return code;
}
