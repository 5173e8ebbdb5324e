/* SPDX-License-Identifier: MIT */
/*
 * Publishing what is lazily free (lazy.h) in the process's telemetry, where the daemon reads it. Nobody
 * collects what is not there, so what finds no place in the table goes back to the kernel for good.
 *
 * Threads: any; one works at a time, and who comes meanwhile leaves it to that one.
 */
#ifndef HAK_RANGES_H
#define HAK_RANGES_H

/* After a visit that gave or took lazily free ranges: publish them anew, or withdraw what was taken. */
void hak_ranges_follow(void);

/* Now and then: publish again what had to be withdrawn along with what was taken. */
void hak_ranges_refresh(void);

void hak_ranges_fork_child(void);

#endif
