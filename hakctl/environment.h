/* SPDX-License-Identifier: MIT */
/* What makes a command run under libhakmem: which library, which daemon's directory. */
#ifndef HAK_CTL_ENVIRONMENT_H
#define HAK_CTL_ENVIRONMENT_H

#include "ctl.h"

/* The library beside this program (a build tree), else the installed one. Return: 0; HAK_EXIT_FAILED after a
 * line on stderr. */
int hak_environment_library(char *ret_path, size_t room);

/* --runtime-dir, else that of the daemon on the bus. Never NULL. */
const char *hak_environment_runtime_dir(const struct hak_ctl *ctl);

/* LD_PRELOAD, in front of what it holds already, and HAKMEM_RUNTIME_DIR. Return: 0, or the exit code after a
 * line on stderr. */
int hak_environment_set(const struct hak_ctl *ctl);

/* Become the command. Return: only if that fails, 126 or 127. */
int hak_environment_exec(char **argv);

#endif
