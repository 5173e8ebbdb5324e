/* SPDX-License-Identifier: MIT */
/*
 * Does the program touch what it gets? Buffers of 64 KiB with a message of two in each are hardly touched,
 * and huge pages would make all of them resident. There is no asking for it that every sandbox allows; but
 * who had fewer faults than it got pages cannot have touched them all. Others may have faulted as well, so
 * where this errs it is told that all is touched.
 *
 * Caller holds the keeper's lock.
 */
#ifndef HAK_TOUCH_H
#define HAK_TOUCH_H

#include <stddef.h>
#include <stdint.h>

#include "base.h"
#include "os.h"

enum { HAK_TOUCH_PART = 2 }; /* where less is used huge pages are hardly faster for what they take */

struct hak_touch {
	size_t fresh;    /* faults that touching all of it would have taken */
	uint64_t faults; /* the process's, when counting began */
};

/*
 * Before the first, and in a child, whose faults the kernel counts from none.
 * @pages: that count as touched already
 * Syscalls: getrusage.
 */
static inline void hak_touch_begin(struct hak_touch *touch, size_t pages)
{
	touch->fresh = 0;
	touch->faults = hak_os_faults() - pages; /* wraps, and back again */
}

/* Since counting began. Syscalls: getrusage. */
static inline uint64_t hak_touch_faults(const struct hak_touch *touch)
{
	return hak_os_faults() - touch->faults;
}

/* Syscalls: getrusage. */
static inline bool hak_touch_is_little(const struct hak_touch *touch)
{
	return touch->fresh && hak_touch_faults(touch) < touch->fresh / HAK_TOUCH_PART;
}

#endif
