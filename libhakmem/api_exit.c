/* SPDX-License-Identifier: MIT */
/*
 * _exit, by which forked children end (redis-server's that saves, shells' of subshells): no destructor runs,
 * and a trial would not know what such a child has cost since its last publish, often most of it. A process
 * that runs no trial ends without a system call more. What libc calls itself, at the end of exit(), is its
 * own _exit and not this one; that of quick_exit() too, which is left alone.
 */
#include <unistd.h>

#include "base.h"
#include "os.h"
#include "stats.h"

/* Signal handlers call it, at any place; a vfork child does with its parent's memory. */
HAK_EXPORT _Noreturn void _exit(int status)
{
	hak_stats_publish_end();
	hak_os_exit(status);
}

HAK_EXPORT _Noreturn void _Exit(int status) __attribute__((alias("_exit")));
