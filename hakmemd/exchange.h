/* SPDX-License-Identifier: MIT */
/*
 * Tallies as one document, between hosts: {"schema": 1, "contexts": [{"context", "scope", "unit", "program",
 * "tallies"}]}. Each tally carries the incarnation of the host where it was played, and taking is by the
 * maximum: any order, any repetition, the same result.
 */
#ifndef HAK_EXCHANGE_H
#define HAK_EXCHANGE_H

#include "json_file.h"
#include "learned.h"

enum { HAK_EXCHANGE_SCHEMA = 1 };

/* A context, into the array. */
void hak_exchange_put(struct hak_json *json, const struct hak_learned *learned);

/* Is it right from beginning to end? Return: 0; -EBADMSG; -EPROTONOSUPPORT: of a later schema. */
int hak_exchange_check(const cJSON *root);

/* What is wrong with a text that is not: where, and what would be right. */
void hak_exchange_explain(const char *text, char *ret_why, size_t room);

/* 32 hexadecimal digits. Return: 0, -EBADMSG. */
int hak_exchange_parse_hex(const char *text, struct hak_key *ret_context);

/* Of one of a checked document's contexts: which one, */
struct hak_key hak_exchange_context(const cJSON *item);
/**
 * hak_exchange_take() - and its names and tallies into @learned
 * @without: an incarnation whose tallies are passed over; 0: none is
 * @tallies, @news: rise by those that were in it, and by those of them that rose
 * Return: 0, -ENOMEM, -ENOBUFS.
 */
int hak_exchange_take(const cJSON *item, struct hak_learned *learned, uint64_t without, uint64_t *tallies,
		      uint64_t *news);

#endif
