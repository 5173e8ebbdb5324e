/* SPDX-License-Identifier: MIT */
/* What hakmem-helper accepts and finds, and how memory that is short is noticed. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "helper.h"
#include "pressure.h"
#include "scratch.h"
#include "suite.h"

/* ---- the helper -------------------------------------------------------------------------------------- */

static const char maps[] = "00400000-00401000 r-xp 00000000 08:01 77 /usr/bin/true\n"
			   "10000000-10200000 rw-p 00000000 00:00 0 \n"
			   "10200000-10400000 rw-p 00000000 00:00 0 [anon:hakmem]\n"
			   "10400000-10600000 rw-s 00000000 00:01 9 /dev/zero (deleted)\n"
			   "10600000-10800000 rw-p 00000000 00:00 0 [heap]\n"
			   "20000000-20200000 rw-p 00001000 08:01 78 /usr/lib/x.so\n"
			   "7ffd00000000-7ffd00100000 rw-p 00000000 00:00 0 [stack]\n";

START_TEST(only_private_anonymous_memory_is_accepted)
{
	struct hak_helper_range range[] = {
		{0x10200000, 0x200000}, /* named anonymous */
		{0x10000000, 0x400000}, /* across two mappings that touch */
		{0x10300000, 0x200000}, /* into shared memory */
		{0x10600000, 0x1000},   /* brk's */
		{0x20000000, 0x1000},   /* a file's */
		{0x30000000, 0x1000},   /* nothing */
		{0x00400000, 0x1000},   /* code */
	};

	FILE *file = fmemopen((char *)maps, strlen(maps), "r"); /* only read */

	ck_assert_uint_eq(hak_helper_ranges_check(file, range, 7), 5);
	fclose(file);
	for (unsigned i = 0; i < 7; i++)
		ck_assert_int_eq(range[i].bytes != 0,
				 range[i].start >= 0x10000000 && range[i].start <= 0x10200000);
}
END_TEST

START_TEST(requests_are_checked)
{
	const struct hak_helper_request good = {.version = HAK_HELPER_VERSION,
						.pid = 1,
						.range_count = 1,
						.name = "0123456789abcdef0123456789abcdef",
						.range = {{0x10000000, 0x10000}}};
	struct hak_helper_request bad[7];

	ck_assert(hak_helper_request_valid(&good));
	for (unsigned i = 0; i < 7; i++)
		bad[i] = good;
	bad[0].version++;
	bad[1].pid = 0;
	bad[2].range_count = HAK_TELEMETRY_RANGES + 1;
	memset(bad[3].name, 'a', sizeof(bad[3].name));
	bad[4].range[0].start++;
	bad[5].range[0].bytes = UINT64_MAX & ~UINT64_C(0xffff);
	memcpy(bad[6].name, "../../../../etc/passwd\0\0\0\0\0\0\0\0\0\0\0", 33);
	for (unsigned i = 0; i < 7; i++)
		ck_assert_msg(!hak_helper_request_valid(&bad[i]), "request %u", i);
}
END_TEST

START_TEST(mappings_are_read_as_the_kernel_writes_them)
{
	static const char smaps[] = "10000000-10400000 rw-p 00000000 00:00 0 \n"
				    "Size:               4096 kB\n"
				    "Rss:                3000 kB\n"
				    "AnonHugePages:      2048 kB\n"
				    "VmFlags: rd wr mr mw me ac hg \n"
				    "20000000-20200000 rw-p 00001000 08:01 78 /usr/lib/x.so\n"
				    "Rss:                   4 kB\n"
				    "VmFlags: rd wr mr mw me nh \n";
	FILE *file = fmemopen((void *)(uintptr_t)smaps, sizeof(smaps) - 1, "r");
	struct hak_helper_mapping mapping;

	ck_assert(hak_helper_mapping_read(file, &mapping));
	ck_assert_uint_eq(mapping.start, 0x10000000);
	ck_assert_uint_eq(mapping.end, 0x10400000);
	ck_assert_uint_eq(mapping.resident_kib, 3000);
	ck_assert_uint_eq(mapping.huge_kib, 2048);
	ck_assert(mapping.anonymous && mapping.advised);
	ck_assert(hak_helper_mapping_read(file, &mapping));
	ck_assert(!mapping.anonymous && !mapping.advised);
	ck_assert_uint_eq(mapping.huge_kib, 0);
	ck_assert(!hak_helper_mapping_read(file, &mapping));
	fclose(file);
}
END_TEST

START_TEST(nothing_that_is_mostly_free_becomes_huge)
{
	uint64_t pages[512] = {0};

	for (unsigned i = 0; i < 256; i++)
		pages[2 * i] = UINT64_C(1) << 63;
	ck_assert(!hak_helper_collapse_pays(pages, 512));
	pages[1] = UINT64_C(1) << 62; /* swapped out */
	ck_assert(!hak_helper_collapse_pays(pages, 512));
	pages[1] = UINT64_C(1) << 63;
	ck_assert(hak_helper_collapse_pays(pages, 512));
}
END_TEST

/* ---- pressure ---------------------------------------------------------------------------------------- */

START_TEST(pressure_is_read_as_the_kernel_writes_it)
{
	char root[SCRATCH_CHARS], unit[80], path[128];

	scratch_make(root);
	snprintf(path, sizeof(path), "%s/psi", root);
	ck_assert(!hak_pressure_is_high(path, 10));
	scratch_write(root, "psi", "some avg10=9.99 avg60=50.00 avg300=50.00 total=1\nfull avg10=90.00\n");
	ck_assert(!hak_pressure_is_high(path, 10));
	scratch_write(root, "psi", "some avg10=10.00 avg60=0.00 avg300=0.00 total=1\n");
	ck_assert(hak_pressure_is_high(path, 10));
	ck_assert(!hak_pressure_is_high(path, 0));

	snprintf(unit, sizeof(unit), "%s/a.slice", root);
	ck_assert_int_eq(mkdir(unit, 0700), 0);
	snprintf(path, sizeof(path), "%s/b.service", unit);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	scratch_write(path, "memory.max", "max\n");
	scratch_write(path, "memory.current", "950000\n");
	ck_assert(!hak_pressure_cgroup_is_near(root, "/a.slice/b.service", 90));
	scratch_write(path, "memory.high", "1000000\n");
	ck_assert(hak_pressure_cgroup_is_near(root, "/a.slice/b.service", 90));
	scratch_write(path, "memory.current", "850000\n");
	ck_assert(!hak_pressure_cgroup_is_near(root, "/a.slice/b.service", 90));
	scratch_write(unit, "memory.max", "2000000\n"); /* the slice's limit is everybody's in it */
	scratch_write(unit, "memory.current", "1900000\n");
	ck_assert(hak_pressure_cgroup_is_near(root, "/a.slice/b.service", 90));
	scratch_remove(root);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("helper");

	tcase_add_test(tcase, only_private_anonymous_memory_is_accepted);
	tcase_add_test(tcase, requests_are_checked);
	tcase_add_test(tcase, mappings_are_read_as_the_kernel_writes_them);
	tcase_add_test(tcase, nothing_that_is_mostly_free_becomes_huge);
	tcase_add_test(tcase, pressure_is_read_as_the_kernel_writes_it);
	return run_suite("helper", tcase);
}
