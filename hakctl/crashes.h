/* SPDX-License-Identifier: MIT */
/* The times of a unit's crashes, in HAK_CRASHES_DIR/UNIT, which is root's and ends with the machine. */
#ifndef HAK_CTL_CRASHES_H
#define HAK_CTL_CRASHES_H

#define HAK_CRASHES_DIR "/run/hakmem-crashes"

/* Add a crash of just now. Return: how many there were within the hour, or -errno. */
int hak_crashes_count(const char *unit);

/* A unit that is enabled anew begins without crashes. */
void hak_crashes_forget(const char *unit);

#endif
