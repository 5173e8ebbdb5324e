/* SPDX-License-Identifier: MIT */
/*
 * make_segment DIR: the control segment and the clients directory, as something at boot makes them before any
 * daemon has run: state DEFAULT, serial 0.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "control.h"

int main(int argc, char **argv)
{
	struct hak_control_writer writer;
	char clients[4096];
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: make_segment DIR\n");
		return 2;
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
	hak_control_writer_deinit(&writer);
	return 0;
}
