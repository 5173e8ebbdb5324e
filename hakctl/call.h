/* SPDX-License-Identifier: MIT */
/* Calls to hakmemd, and what to say when they fail. */
#ifndef HAK_CTL_CALL_H
#define HAK_CTL_CALL_H

#include "ctl.h"

/**
 * hak_call_new() - a call of the Manager, connecting first where needed
 * @activate: may the bus start hakmemd for this? Reading verbs say false.
 * Return: 0, or the exit code after a line on stderr.
 */
int hak_call_new(struct hak_ctl *ctl, const char *member, bool activate, sd_bus_message **ret_call);

/**
 * hak_call_send() - send, wait for the answer
 * @call: unreferenced here
 * @timeout_usec: 0: the default of 25 s
 * Return: 0, or the exit code after a line on stderr.
 */
int hak_call_send(struct hak_ctl *ctl, sd_bus_message *call, uint64_t timeout_usec,
		  sd_bus_message **ret_reply);

/**
 * hak_call() - hak_call_new(), append, hak_call_send()
 * @types: of what follows, as sd_bus_message_append() has them. Each verb has one typed call of its own.
 * Verbs that change something may have polkit ask for a password meanwhile.
 */
int hak_call(struct hak_ctl *ctl, const char *member, bool changes, sd_bus_message **ret_reply,
	     const char *types, ...);

/* A member of an a{sv}. */
struct hak_call_field {
	const char *name, *type;
	void *value; /* left alone where it is absent */
};
/* Read an a{sv}; unknown members are passed over. Return: 0, or HAK_EXIT_FAILED after a line. */
int hak_call_read_fields(sd_bus_message *reply, const struct hak_call_field *fields, size_t count);

/* The serial (or another number) that a changing call answers with. Unreferences @reply. @code: of the call.
 */
int hak_call_read_number(int code, sd_bus_message *reply, uint64_t *ret_number);

/* A message that does not read as it should: another hakmemd than we know. Return: HAK_EXIT_FAILED. */
int hak_call_garbled(int r);

/* The text behind the descriptor in a reply of "h". The caller frees. Return: 0, or the exit code. */
int hak_call_read_fd(sd_bus_message *reply, char **ret_text);

/* DumpStats, DumpRatings, Verify, Explain: @target NULL where the call has no such argument. */
int hak_call_document(struct hak_ctl *ctl, const char *member, const char *target, char **ret_text);

/* A string property. The caller frees. Return: 0, or the exit code. */
int hak_call_property(struct hak_ctl *ctl, const char *property, char **ret_value);

#endif
