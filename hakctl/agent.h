/* SPDX-License-Identifier: MIT */
/*
 * Who types a password when polkit wants one: polkit's agent for terminals, as systemctl starts it. Only on
 * the system bus, for those who are not root and sit at a terminal; an agent of the session, such as a
 * desktop's, goes before it.
 */
#ifndef HAK_CTL_AGENT_H
#define HAK_CTL_AGENT_H

#include "ctl.h"

/* Before a call that changes something. Return: is there one now? */
bool hak_agent_open(const struct hak_ctl *ctl);
/* After it. */
void hak_agent_close(void);

#endif
