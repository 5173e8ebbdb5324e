/* SPDX-License-Identifier: MIT */
/* What this kernel can do for us, found by trying. */
#ifndef HAK_KERNEL_SUPPORT_H
#define HAK_KERNEL_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif

struct hak_kernel_feature {
	const char *name;
	bool (*probe)(void);
};

/* Ends with a NULL name. Probes cost a few system calls each and change nothing. */
extern const struct hak_kernel_feature hak_kernel_features[];

#endif
