/* SPDX-License-Identifier: MIT */
/* Vectors: tests/golden/contexts.json, which tests/read_protocol.py checks with code of its own. */
#include "context.h"

#include "suite.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

static cJSON *read_vectors(void)
{
	static char text[65536];
	FILE *file = fopen("tests/golden/contexts.json", "re");
	cJSON *vectors;

	ck_assert_ptr_nonnull(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	vectors = cJSON_Parse(text);
	ck_assert_ptr_nonnull(vectors);
	return vectors;
}

static const char *word(const cJSON *vector, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(vector, name));

	ck_assert_msg(text, "a vector has no '%s'", name);
	return text;
}

START_TEST(vectors_come_out)
{
	cJSON *vectors = read_vectors(), *vector;

	ck_assert_int_ge(cJSON_GetArraySize(vectors), 20);
	cJSON_ArrayForEach(vector, vectors)
	{
		char unit[HAK_CONTEXT_UNIT_CHARS + 1], hex[HAK_CONTEXT_HEX_CHARS + 1];
		struct hak_context_place place;
		struct hak_key key;

		hak_context_place_of_cgroup(word(vector, "cgroup"), &place);
		ck_assert_str_eq(place.scope, word(vector, "scope"));
		ck_assert_str_eq(place.unit, word(vector, "unit"));
		hak_context_normalise_unit(place.unit, unit);
		ck_assert_str_eq(unit, word(vector, "normalised"));
		hak_context_key(&place, word(vector, "exe"), &key);
		hak_context_format(&key, hex);
		ck_assert_str_eq(hex, word(vector, "context"));
	}
	cJSON_Delete(vectors);
}
END_TEST

START_TEST(user_cannot_reach_a_context_of_others)
{
	static const char *const forged[] = {
		"/user.slice/user-1000.slice/user@1000.service/nginx.service",
		"/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service",
		"/user.slice/user-1000.slice/user@1000.service/user@0.service/nginx.service",
		"/user.slice/user-1000.slice/user@1000.service/user-0.slice/nginx.service",
		"/user.slice/user-1000.slice/user@1000.service/system.slice/nginx.service",
		"/user.slice/user-1000.slice/session-1.scope/nginx.service",
		"/system.slice/docker-0123456789abcdef.scope/system.slice/nginx.service",
		"/system.slice/other.service/nginx.service",
		"/docker/0123456789abcdef/system.slice/nginx.service",
	};
	static const char *const honest[] = {
		"/system.slice/nginx.service", "/user.slice/user-0.slice/nginx.service",
		"/user.slice/user-0.slice/user@0.service/app.slice/nginx.service"};

	for (size_t i = 0; i < sizeof(forged) / sizeof(*forged); i++) {
		struct hak_context_place place;
		struct hak_key left, right;

		hak_context_place_of_cgroup(forged[i], &place);
		hak_context_key(&place, "/usr/sbin/nginx", &left);
		for (size_t j = 0; j < sizeof(honest) / sizeof(*honest); j++) {
			hak_context_place_of_cgroup(honest[j], &place);
			hak_context_key(&place, "/usr/sbin/nginx", &right);
			ck_assert_mem_ne(&left, &right, sizeof(left));
		}
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
		{"vte-spawn-01234567-89ab-cdef-0123-456789abcdef.scope", "vte-spawn-.scope"},
		{"snap.code.code-3b5c1e0e-8d7a-4ee4-9b3d-0d0b7fb6a2ab.scope", "snap.code.code-.scope"},
		{"cri-containerd-3fa9c0d1e2b4a5968778695a4b3c2d1e.scope", "cri-containerd-.scope"},
		{"3fa9c0d1e2b4a5968778695a4b3c2d1e.service", ".service"},
		{"systemd-nspawn@web.service", "systemd-nspawn@.service"},
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
		{"/init.scope", "system", "init.scope"},
		{"/../nginx.service", "system", "nginx.service"},
		{"/system.slice/_cpu.service", "system", "cpu.service"},
		{"/system.slice/foo.socket", "system", "foo.socket"},
		{"/user.slice/user-1000.slice/session-3.scope", "user:1000", "session-3.scope"},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service", "user:1000",
		 "foo.service"},
		{"/user.slice/user-1000.slice/user@1000.service/init.scope", "user:1000", "init.scope"},
		{"/user.slice/user-1000.slice/user@1000.service", "user:1000", ""},
		{"/user.slice/user-x.slice/a.service", "system", "a.service"},
		{"/system.slice/docker.service/docker-abc.scope", "system", "docker.service"},
		{"/machine.slice/machine-web.scope/payload/system.slice/nginx.service", "system",
		 "machine-web.scope"},
		{"/kubepods.slice/kubepods-pod1.slice/cri-containerd-ab.scope", "system",
		 "cri-containerd-ab.scope"},
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

	memset(path, 'x', sizeof(path));
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

	tcase_add_test(tcase, vectors_come_out);
	tcase_add_test(tcase, user_cannot_reach_a_context_of_others);
	tcase_add_test(tcase, unit_is_normalised);
	tcase_add_test(tcase, place_is_read_from_a_cgroup_path);
	tcase_add_test(tcase, key_of_instances_is_equal_and_of_programs_is_not);
	tcase_add_test(tcase, unit_of_any_length_is_cut_not_overrun);
	return run_suite("context", tcase);
}
