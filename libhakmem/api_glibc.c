/* SPDX-License-Identifier: MIT */
/*
 * glibc's ways to ask and to tune. The structures are glibc's; where its notions do not exist here a field is
 * zero, and what mallopt() would tune is the daemon's business.
 */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

#include "alloc.h"
#include "hakmem.h"
#include "stats.h"
#include "text.h"

#define M_ARENA_TEST_OPTION (-7)
#define M_ARENA_MAX_OPTION  (-8)

HAK_EXPORT struct mallinfo2 mallinfo2(void)
{
	struct hak_stats stats;
	struct mallinfo2 info = {0};

	hak_alloc_stats(&stats);
	info.arena = stats.gauge[HAK_GAUGE_mapped_bytes];
	info.uordblks = stats.gauge[HAK_GAUGE_live_bytes];
	info.fordblks = info.arena - info.uordblks;
	info.ordblks = stats.gauge[HAK_GAUGE_heaps];
	info.keepcost = stats.gauge[HAK_GAUGE_resident_free_bytes];
	return info;
}

static int clamp(size_t value)
{
	return value > INT_MAX ? INT_MAX : (int)value;
}

HAK_EXPORT struct mallinfo mallinfo(void)
{
	struct mallinfo2 wide = mallinfo2();
	struct mallinfo info = {0};

	info.arena = clamp(wide.arena);
	info.uordblks = clamp(wide.uordblks);
	info.fordblks = clamp(wide.fordblks);
	info.ordblks = clamp(wide.ordblks);
	info.keepcost = clamp(wide.keepcost);
	return info;
}

/* Return: 1 for what glibc knows (accepted, without effect), 0 for what it does not. */
HAK_EXPORT int mallopt(int option, int value)
{
	(void)value;
	switch (option) {
	case M_MXFAST:
	case M_TRIM_THRESHOLD:
	case M_TOP_PAD:
	case M_MMAP_THRESHOLD:
	case M_MMAP_MAX:
	case M_CHECK_ACTION:
	case M_PERTURB:
	case M_ARENA_TEST_OPTION:
	case M_ARENA_MAX_OPTION:
		return 1;
	}
	return 0;
}

static void add_line(struct hak_text *text, const char *name, uint64_t value)
{
	hak_text_add(text, name);
	hak_text_add(text, " ");
	hak_text_add_unsigned(text, value, 10);
	hak_text_add(text, "\n");
}

HAK_EXPORT void malloc_stats(void)
{
	struct hak_stats stats;
	char buffer[2048];
	struct hak_text text;

	hak_alloc_stats(&stats);
	hak_text_init(&text, buffer, sizeof(buffer));
	hak_text_add(&text, "hakmem:\n");
#define ADD_GAUGE(name, meaning) add_line(&text, "  " #name, stats.gauge[HAK_GAUGE_##name]);
	HAK_GAUGES(ADD_GAUGE)
#undef ADD_GAUGE
	add_line(&text, "  alloc_count", stats.counter[HAK_COUNTER_alloc_count]);
	add_line(&text, "  free_count", stats.counter[HAK_COUNTER_free_count]);
	hak_text_say(&text); /* as with glibc, nobody learns of a closed stderr */
}
HAK_TWIN(malloc_stats) void hak_malloc_stats(void);

/* Return: 0; -1 and EINVAL where @options is not 0, or errno of the stream. */
HAK_EXPORT int malloc_info(int options, FILE *stream)
{
	struct hak_stats stats;

	if (options != 0) {
		errno = EINVAL;
		return -1;
	}
	hak_alloc_stats(&stats);
	fputs("<malloc version=\"hakmem-1\">\n", stream);
#define PUT_GAUGE(name, meaning)                                        \
	fprintf(stream, "<gauge name=\"" #name "\" value=\"%llu\"/>\n", \
		(unsigned long long)stats.gauge[HAK_GAUGE_##name]);
	HAK_GAUGES(PUT_GAUGE)
#undef PUT_GAUGE
#define PUT_COUNTER(name, meaning)                                        \
	fprintf(stream, "<counter name=\"" #name "\" value=\"%llu\"/>\n", \
		(unsigned long long)stats.counter[HAK_COUNTER_##name]);
	HAK_COUNTERS(PUT_COUNTER)
#undef PUT_COUNTER
	fputs("</malloc>\n", stream);
	return ferror(stream) ? -1 : 0;
}
