/* SPDX-License-Identifier: MIT */
/*
 * make_segment DIR: the control segment and the clients directory, as something at boot makes them before any
 * daemon has run: state DEFAULT, serial 0.
 * make_segment DIR MODE STRATEGY: the same, with that mode and that strategy (number or name) published for
 * everybody: a strategy held fixed, for measuring. "list" as DIR prints the names of all strategies, "keys"
 * their keys as well.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control.h"
#include "policy.h"
#include "strategy.h"

static int publish(struct hak_control_writer *writer, const char *mode_name, const char *strategy_name)
{
	int strategy = hak_strategy_parse(strategy_name);
	struct hak_policy policy;
	enum hak_mode mode;
	char *end;

	if (strategy < 0) {
		strategy = (int)strtol(strategy_name, &end, 10);
		if (*end || strategy < 0 || strategy >= HAK_STRATEGY_COUNT)
			return -EINVAL;
	}
	if (hak_mode_parse(mode_name, &mode) < 0)
		return -EINVAL;
	policy = hak_policy_of_mode(mode);
	policy.strategy = (uint8_t)strategy;
	(void)hak_control_publish_policy(writer, hak_policy_pack(&policy, 1));
	return 0;
}

int main(int argc, char **argv)
{
	struct hak_control_writer writer;
	char clients[4096];
	int r;

	if (argc != 2 && argc != 4) {
		fprintf(stderr, "usage: make_segment DIR [MODE STRATEGY]\n");
		return 2;
	}
	if (strcmp(argv[1], "keys") == 0) {
		for (int i = 0; i < HAK_STRATEGY_COUNT; i++)
			printf("%s %" PRIu64 "\n", hak_strategy_table[i].name,
			       hak_strategy_key(&hak_strategy_table[i].strategy));
		return 0;
	}
	if (strcmp(argv[1], "list") == 0) {
		for (int i = 0; i < HAK_STRATEGY_COUNT; i++)
			printf("%s\n", hak_strategy_table[i].name);
		return 0;
	}
	snprintf(clients, sizeof(clients), "%s/%s", argv[1], HAK_CLIENTS_DIR);
	if ((mkdir(clients, 0700) != 0 && errno != EEXIST) || chmod(clients, 01733) != 0) {
		fprintf(stderr, "make_segment: %s: %s\n", clients, strerror(errno));
		return 1;
	}
	r = hak_control_writer_init(&writer, argv[1]);
	if (r < 0) {
		fprintf(stderr, "make_segment: %s: %s\n", argv[1], strerror(-r));
		return 1;
	}
	if (argc == 4 && publish(&writer, argv[2], argv[3]) < 0) {
		fprintf(stderr, "make_segment: no such mode or strategy: %s %s\n", argv[2], argv[3]);
		r = 2;
	}
	hak_control_writer_deinit(&writer);
	return r < 0 ? 1 : r;
}
