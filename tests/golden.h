/* SPDX-License-Identifier: MIT */
/*
 * The content of the golden files, made with today's headers. On disk they are sparse dumps: a line `size N`,
 * then `OFFSET HEX` for each 16 bytes that are not all zero.
 */
#ifndef HAK_TESTS_GOLDEN_H
#define HAK_TESTS_GOLDEN_H

#include "telemetry.h"

#include <stdio.h>

#define GOLDEN_NAME "00112233445566778899aabbccddeeff"

/* Writes into an empty segment of @writer. Return: 0, or what a put said. */
int golden_control_fill(struct hak_control_writer *writer);
void golden_telemetry_fill(struct hak_telemetry_file *file);

void golden_dump(FILE *out, const void *bytes, size_t size);
/* Return: the size; the content in @bytes, at most @size. 0 where the file is no dump. */
size_t golden_load(const char *path, void *bytes, size_t size);

#endif
