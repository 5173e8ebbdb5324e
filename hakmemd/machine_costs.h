/* SPDX-License-Identifier: MIT */
/*
 * What this machine's dealings with the kernel cost, measured once in the life of a control segment: tens of
 * milliseconds. The medians of several rounds, as a neighbour's burst would last a machine's life.
 */
#ifndef HAK_MACHINE_COSTS_H
#define HAK_MACHINE_COSTS_H

#include "control.h"

/* What could not be measured (no huge page was to be had) is zero. */
struct hak_machine_costs hak_machine_costs_measure(void);

#endif
