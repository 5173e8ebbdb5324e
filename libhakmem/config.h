/* SPDX-License-Identifier: MIT */
/* What the environment says: the overrides of docs/design.md, read once, in the constructor. */
#ifndef HAK_CONFIG_H
#define HAK_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "policy.h"

struct hak_config {
	uint32_t pinned;          /* enum hak_pin: which fields of `policy` were given */
	struct hak_policy policy; /* only the pinned fields mean anything */
	bool solo_slabs;          /* HAKMEM_TINY_USE_SUPERSLAB=0 */
	bool log_stderr;          /* HAKMEM_LOG=stderr */
	bool disabled;            /* by the administrator: join nothing, obey nobody */
	const char *runtime_dir;
};

/**
 * hak_config_read() - the environment's overrides
 * Where /etc/hakmem/disabled exists it says minimal, whatever the environment says. Under AT_SECURE nothing
 * else is read. An unknown value gives one line on stderr and is ignored.
 * Threads: before main. Syscalls: access; write, for a warning.
 */
void hak_config_read(struct hak_config *ret_config);

/* @base with what is pinned laid over it. */
struct hak_policy hak_config_apply(const struct hak_config *config, const struct hak_policy *base);

#endif
