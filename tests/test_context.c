/* SPDX-License-Identifier: MIT */
/* Vectors: printf 'hakmem-context-1\0SCOPE\0UNIT\0PROGRAM\0' | sha256sum | cut -c1-32 */
#include "context.h"

#include "suite.h"

#include <string.h>

START_TEST(key_of_known_contexts)
{
	static const struct {
		const char *scope, *unit, *exe, *hex;
	} vectors[] = {
		{"system", "redis-server.service", "/usr/bin/redis-server",
		 "491358041fa95e975ed9f8a5e39c51e0"},
		{"system", "", "/usr/bin/python3.11", "1368498b83457c1611a379ed4d84bc03"},
		{"user:1000", "app-foo@a.service", "/opt/x/foo (deleted)",
		 "a980f069d786250f9d2477750490efa1"},
		{"system", "docker-0123456789abcdef0123.scope", "nginx", "d828023f8fbc893bb98ef63900dee89d"},
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		struct hak_context_place place = {.unit = ""};
		char hex[HAK_CONTEXT_HEX_CHARS + 1];
		struct hak_key key;

		strcpy(place.scope, vectors[i].scope);
		strcpy(place.unit, vectors[i].unit);
		hak_context_key(&place, vectors[i].exe, &key);
		hak_context_format(&key, hex);
		ck_assert_str_eq(hex, vectors[i].hex);
	}
}
END_TEST

START_TEST(unit_is_normalised)
{
	static const char *const pairs[][2] = {
		{"redis-server.service", "redis-server.service"},
		{"getty@tty1.service", "getty@.service"},
		{"user@1000.service", "user@.service"},
		{"session-3.scope", "session-.scope"},
		{"session-c12.scope", "session-.scope"},
		{"run-u77.service", "run-.service"},
		{"run-r3f2504e04f8911d3.service", "run-.service"},
		{"run-p1234-i5678.scope", "run-.scope"},
		{"docker-3fa9c0d1e2b4a5968778695a4b3c2d1e.scope", "docker-.scope"},
		{"app-gnome-firefox-4711.scope", "app-gnome-firefox-.scope"},
		{"redis-6379.service", "redis-6379.service"},
		{"php8.2-fpm.service", "php8.2-fpm.service"},
		{"decade-facade.service", "decade-facade.service"},
		{"nosuffix", "nosuffix"},
		{"", ""},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		char unit[HAK_CONTEXT_UNIT_CHARS + 1];

		hak_context_normalise_unit(pairs[i][0], unit);
		ck_assert_str_eq(unit, pairs[i][1]);
	}
}
END_TEST

START_TEST(place_is_read_from_a_cgroup_path)
{
	static const struct {
		const char *path, *scope, *unit;
	} places[] = {
		{"/system.slice/nginx.service", "system", "nginx.service"},
		{"/", "system", ""},
		{"", "system", ""},
		{"/user.slice/user-1000.slice/session-3.scope", "system", "session-3.scope"},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", "user:1000",
		 "foo.service"},
		{"/user.slice/user-1000.slice/user@1000.service/init.scope", "user:1000", "init.scope"},
		{"/system.slice/docker.service/docker-abc.scope", "system", "docker-abc.scope"},
		{"/kubepods.slice/nothing", "system", ""},
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		struct hak_context_place place;

		hak_context_place_of_cgroup(places[i].path, &place);
		ck_assert_str_eq(place.scope, places[i].scope);
		ck_assert_str_eq(place.unit, places[i].unit);
	}
}
END_TEST

START_TEST(key_of_instances_is_equal_and_of_programs_is_not)
{
	struct hak_context_place first = {"system", "foo@a.service"}, second = {"system", "foo@b.service"};
	struct hak_key left, right;

	hak_context_key(&first, "/usr/bin/x", &left);
	hak_context_key(&second, "/opt/x", &right);
	ck_assert_mem_eq(&left, &right, sizeof(left));
	hak_context_key(&second, "/opt/y", &right);
	ck_assert_mem_ne(&left, &right, sizeof(left));
}
END_TEST

START_TEST(unit_of_any_length_is_cut_not_overrun)
{
	char path[4096], unit[HAK_CONTEXT_UNIT_CHARS + 1];
	struct hak_context_place place;

	memset(path, 'a', sizeof(path));
	memcpy(path + sizeof(path) - 9, ".service", 9);
	hak_context_place_of_cgroup(path, &place);
	ck_assert_str_eq(place.unit, "");
	hak_context_normalise_unit(path, unit);
	ck_assert_uint_eq(strlen(unit), HAK_CONTEXT_UNIT_CHARS);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("context");

	tcase_add_test(tcase, key_of_known_contexts);
	tcase_add_test(tcase, unit_is_normalised);
	tcase_add_test(tcase, place_is_read_from_a_cgroup_path);
	tcase_add_test(tcase, key_of_instances_is_equal_and_of_programs_is_not);
	tcase_add_test(tcase, unit_of_any_length_is_cut_not_overrun);
	return run_suite("context", tcase);
}
