/* SPDX-License-Identifier: MIT */
/* What this kernel can do for us, found by trying. */
#ifndef HAK_KERNEL_SUPPORT_H
#define HAK_KERNEL_SUPPORT_H

#include <stdbool.h>

#include "control.h"
#include "kernel_numbers.h"

/* Of the file that says how huge pages are used; hak_kernel_thp_path in use, another in tests. */
extern const char hak_kernel_thp_path[];
enum hak_system_thp hak_kernel_system_thp(const char *path);

struct hak_kernel_feature {
	const char *name;
	bool (*probe)(int argument);
	int argument;
};

/* Ends with a NULL name. Probes cost a few system calls each and change nothing. */
extern const struct hak_kernel_feature hak_kernel_features[];

#endif
