/* SPDX-License-Identifier: MIT */
/*
 * switch_modes BUS PERIOD-MSEC [MODE...]: calls SetMode with these modes (all five) in turn, one every
 * period, until SIGTERM; then prints how many calls succeeded and how many failed, and of modes that were
 * named for how many microseconds each was in force. A daemon that is away counts as a failure and is asked
 * again: the tests kill it on purpose.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <systemd/sd-bus.h>

#include "bus_connect.h"

static const char *const all_modes[] = {"minimal", "fast", "balanced", "learning", "research"};
enum { ALL_MODES = sizeof(all_modes) / sizeof(all_modes[0]), CALL_TIMEOUT_USEC = 500 * 1000, NAMED_MOST = 8 };

static volatile sig_atomic_t stopped;

static void on_term(int signal_number)
{
	(void)signal_number;
	stopped = 1;
}

static int set_mode(sd_bus *bus, const char *mode)
{
	sd_bus_message *call = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_message_new_method_call(bus, &call, "org.hakmem1", "/org/hakmem1",
					       "org.hakmem1.Manager", "SetMode");

	if (r >= 0)
		r = sd_bus_message_append(call, "sa{sv}", mode, 0);
	if (r >= 0)
		r = sd_bus_call(bus, call, CALL_TIMEOUT_USEC, &error, NULL);
	sd_bus_error_free(&error);
	sd_bus_message_unref(call);
	return r;
}

static uint64_t now_usec(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* known, and valid: cannot fail */
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	const char *const *modes = argc > 3 ? (const char *const *)argv + 3 : all_modes;
	unsigned long mode_count = argc > 3 ? (unsigned long)argc - 3 : ALL_MODES;
	struct sigaction action = {.sa_handler = on_term};
	unsigned long done = 0;
	unsigned long failed = 0;
	uint64_t in_force[NAMED_MOST] = {0}, since_usec = 0;
	unsigned long current = 0;
	sd_bus *bus = NULL;
	int r;

	if (argc < 3 || argc > 3 + NAMED_MOST || atoi(argv[2]) < 1) {
		fprintf(stderr, "usage: switch_modes BUS PERIOD-MSEC [MODE...]\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	r = hak_bus_connect(argv[1], &bus);
	if (r < 0) {
		fprintf(stderr, "switch_modes: no bus at %s: %s\n", argv[1], strerror(-r));
		return 1;
	}
	while (!stopped) {
		long period_nsec = atoi(argv[2]) * 1000000L;
		struct timespec pause = {period_nsec / 1000000000, period_nsec % 1000000000};

		if (set_mode(bus, modes[(done + failed) % mode_count]) >= 0) {
			uint64_t now = now_usec();

			in_force[current] += since_usec ? now - since_usec : 0;
			current = (done + failed) % mode_count;
			since_usec = now;
			done++;
		} else {
			failed++;
		}
		nanosleep(&pause, NULL);
	}
	in_force[current] += since_usec ? now_usec() - since_usec : 0;
	printf("%lu %lu", done, failed);
	for (unsigned long i = 0; argc > 3 && i < mode_count; i++)
		printf(" %" PRIu64, in_force[i]);
	printf("\n");
	sd_bus_flush_close_unref(bus);
	return 0;
}
