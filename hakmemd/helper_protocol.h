/* SPDX-License-Identifier: MIT */
/*
 * What hakmemd and hakmem-helper say to each other, over RUNTIME_DIR/helper.sock (SOCK_SEQPACKET): one
 * request a packet, one reply to each, in order. Both are of one build: another version is refused.
 *
 * The helper believes nothing of it: it finds out for itself whether the process has the telemetry file
 * mapped and whether the ranges are its private anonymous memory.
 */
#ifndef HAK_HELPER_PROTOCOL_H
#define HAK_HELPER_PROTOCOL_H

#include <stdint.h>

#include "executable.h"
#include "telemetry.h"

#define HAK_HELPER_SOCKET "helper.sock"

enum { HAK_HELPER_VERSION = 5, HAK_HELPER_CANDIDATES = 64 };

enum hak_helper_kind {
	HAK_HELPER_PURGE,    /* drop @range of @pid */
	HAK_HELPER_IDENTIFY, /* which of @candidate maps the file, and what is it? */
	HAK_HELPER_COLLAPSE, /* make huge pages of what @pid has advised to be huge, but not of @range */
	HAK_HELPER_KIND_COUNT
};

struct hak_helper_range {
	uint64_t start; /* address */
	uint64_t bytes;
};

struct hak_helper_request {
	uint32_t version;
	uint32_t kind;
	int32_t pid; /* in the namespace that both run in */
	uint32_t range_count;
	char name[HAK_TELEMETRY_NAME_CHARS + 4]; /* of the telemetry file; NUL-terminated */
	uint32_t slot;                           /* of the file, that names the ranges */
	uint64_t ranges_sequence;                /* there, when they were read */
	struct hak_helper_range range[HAK_TELEMETRY_RANGES];
	uint64_t from; /* of HAK_HELPER_COLLAPSE: the address to begin at */
	uint32_t candidate_count;
	int32_t candidate[HAK_HELPER_CANDIDATES];
};

struct hak_helper_reply {
	uint32_t version;
	int32_t error; /* 0, or why nothing was done: -EPERM no capability, -ESRCH not that process, ... */
	uint32_t refused_ranges; /* not private anonymous memory of the process */
	uint32_t calls;          /* of process_madvise */
	uint64_t advised_bytes; /* paged out, or now in huge pages that were not */
	uint64_t next;          /* of HAK_HELPER_COLLAPSE: where to go on; 0: all was seen */
	/* of HAK_HELPER_IDENTIFY */
	int32_t pid;
	uint64_t born; /* as struct hak_process_life has it */
	struct hak_executable executable;
};

#endif
