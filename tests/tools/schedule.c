/* SPDX-License-Identifier: MIT */
/*
 * schedule DIR A B TICKS: in place of a daemon. Makes the control segment and the clients directory, waits
 * for the first process, and schedules one game for it in mode learning: strategies A and B in windows of
 * TICKS.
 * Ends once that is published.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "control.h"
#include "policy.h"
#include "strategy.h"
#include "telemetry.h"

enum { TRIES = 2000, TRY_NSEC = 10000000 };

static bool find_process(const char *clients, struct hak_key *ret_key)
{
	DIR *directory = opendir(clients);
	struct dirent *entry;
	bool found = false;

	while (directory && !found && (entry = readdir(directory)))
		found = hak_telemetry_key(entry->d_name, ret_key) == 0;
	if (directory)
		closedir(directory);
	return found;
}

static int fail(const char *what, int r)
{
	fprintf(stderr, "schedule: %s: %s\n", what, strerror(-r));
	return 1;
}

int main(int argc, char **argv)
{
	struct hak_policy policy = hak_policy_of_mode(HAK_MODE_LEARNING);
	struct hak_process_payload payload = {.policy_word = hak_policy_pack(&policy, 1)};
	struct hak_control_writer writer;
	char clients[4096];
	int r, tries = TRIES;

	if (argc != 5)
		return 2;
	snprintf(clients, sizeof(clients), "%s/%s", argv[1], HAK_CLIENTS_DIR);
	if ((mkdir(clients, 0700) != 0 && errno != EEXIST) || chmod(clients, 01733) != 0)
		return fail(clients, -errno);
	r = hak_control_writer_init(&writer, argv[1]);
	if (r < 0)
		return fail(argv[1], r);
	puts("ready");
	fflush(stdout);
	while (tries-- && !find_process(clients, &payload.key))
		nanosleep(&(struct timespec){.tv_nsec = TRY_NSEC}, NULL);
	payload.schedule = (struct hak_schedule){
		.game_id = 77,
		.strategy_a = (uint8_t)hak_strategy_parse(argv[2]),
		.strategy_b = (uint8_t)hak_strategy_parse(argv[3]),
		.window_ticks = (uint32_t)strtoul(argv[4], NULL, 10),
	};
	r = hak_control_put_process(&writer, &payload);
	if (r < 0)
		return fail("put", r);
	(void)hak_control_bump(&writer);
	hak_control_writer_deinit(&writer);
	return 0;
}
