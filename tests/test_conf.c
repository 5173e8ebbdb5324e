/* SPDX-License-Identifier: MIT */
/* The configuration file and the decision that it takes part in. */
#include "conf.h"

#include "holds.h"
#include "modes.h"
#include "scratch.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct hak_conf config;
static struct hak_conf_fault fault;

static int load(const char *text)
{
	char path[] = "/tmp/hakmem-config-XXXXXX";
	int fd = mkstemp(path), r;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	memset(&fault, 0, sizeof(fault));
	r = hak_conf_load(path, false, &config, &fault);
	ck_assert(r == 0 || strncmp(fault.text, path, strlen(path)) == 0);
	unlink(path);
	return r;
}

static void refused(const char *text, unsigned line, const char *part)
{
	char place[16] = ": ";

	if (line)
		snprintf(place, sizeof(place), ":%u: ", line);
	ck_assert_int_eq(load(text), -EINVAL);
	ck_assert_ptr_eq(strstr(fault.text, place), strchr(fault.text, ':'));
	ck_assert_msg(strstr(fault.text, part), "'%s' does not say '%s'", fault.text, part);
}

START_TEST(file_that_is_empty_gives_the_defaults)
{
	ck_assert_int_eq(load("# nothing\n\n"), 0);
	ck_assert(!config.has_mode);
	ck_assert_uint_eq(config.files_per_uid, HAK_CONF_FILES_PER_UID);
	ck_assert_uint_eq(config.rule_count, 0);
}
END_TEST

START_TEST(file_with_all_keys_is_read)
{
	ck_assert_int_eq(
		load("[daemon]\nmode = fast\nfiles-per-uid = 17\n[rule one]\nunit = a*.service\nprogram = b\n"
		     "mode = minimal\n[rule two]\nprogram = *\nmode = research\n"),
		0);
	ck_assert(config.has_mode);
	ck_assert_uint_eq(config.mode, HAK_MODE_FAST);
	ck_assert_uint_eq(config.files_per_uid, 17);
	ck_assert_uint_eq(config.rule_count, 2);
	ck_assert_str_eq(config.rules[0].name, "one");
	ck_assert_str_eq(config.rules[0].unit, "a*.service");
	ck_assert_uint_eq(config.rules[1].mode, HAK_MODE_RESEARCH);
	hak_conf_deinit(&config);
}
END_TEST

START_TEST(thresholds_are_read_with_their_units)
{
	ck_assert_int_eq(load("[purge]\nidle = 500ms\npressure = 25%\ncgroup = 0\nleast = 64K\n"
			      "memory-budget = 2G\n[huge]\nbusy = 40%\n[learning]\nenabled = no\n"),
			 0);
	ck_assert_uint_eq(config.purge.idle_usec, 500000);
	ck_assert_uint_eq(config.purge.pressure_percent, 25);
	ck_assert_uint_eq(config.purge.cgroup_percent, 0);
	ck_assert_uint_eq(config.purge.least_bytes, 65536);
	ck_assert_uint_eq(config.purge.budget_bytes, UINT64_C(2) << 30);
	ck_assert_uint_eq(config.busy_percent, 40);
	ck_assert(!config.learning);
	ck_assert_int_eq(load("[purge]\nidle = 5 min\n"), 0);
	ck_assert_uint_eq(config.purge.idle_usec, 300000000);
	ck_assert_uint_eq(config.busy_percent, 10);
	ck_assert(config.learning);
}
END_TEST

START_TEST(rule_that_has_the_key_and_comes_first_wins)
{
	ck_assert_int_eq(
		load("[rule one]\nunit = a.service\nlearning = no\n[rule two]\nunit = *\nmode = fast\n"
		     "[rule three]\nunit = a.*\nmode = minimal\nlearning = yes\n"),
		0);
	ck_assert_str_eq(hak_conf_match(&config, HAK_CONF_MODE, "a.service", "x")->name, "two");
	ck_assert_str_eq(hak_conf_match(&config, HAK_CONF_LEARNING, "a.service", "x")->name, "one");
	ck_assert_str_eq(hak_conf_match(&config, HAK_CONF_LEARNING, "a.scope", "x")->name, "three");
	ck_assert_ptr_null(hak_conf_match(&config, HAK_CONF_LEARNING, "b.service", "x"));
	hak_conf_deinit(&config);
}
END_TEST

START_TEST(drop_ins_follow_by_name_and_faults_name_theirs)
{
	char root[SCRATCH_CHARS], path[256], drop_ins[256];

	scratch_make(root);
	snprintf(path, sizeof(path), "%s/h.conf", root);
	snprintf(drop_ins, sizeof(drop_ins), "%s/h.conf.d", root);
	ck_assert_int_eq(hak_conf_load(path, false, &config, &fault), -ENOENT);
	ck_assert_int_eq(hak_conf_load(path, true, &config, &fault), 0);
	ck_assert_int_eq(mkdir(drop_ins, 0755), 0);
	scratch_write(drop_ins, "20-b.conf", "[daemon]\nmode = research\n[rule r]\nmode = minimal\n");
	scratch_write(drop_ins, "10-a.conf", "[daemon]\nmode = fast\n[rule r]\nunit = u\nmode = fast\n");
	scratch_write(drop_ins, "30.conf.off", "nonsense\n");
	scratch_write(drop_ins, ".hidden.conf", "nonsense\n");
	ck_assert_int_eq(hak_conf_load(path, true, &config, &fault), 0);
	ck_assert_uint_eq(config.mode, HAK_MODE_RESEARCH);
	ck_assert_uint_eq(config.rule_count, 1);
	ck_assert_uint_eq(config.rules[0].mode, HAK_MODE_MINIMAL);
	hak_conf_deinit(&config);
	scratch_write(drop_ins, "30-c.conf", "\n[daemon]\nmoed = fast\n");
	ck_assert_int_eq(hak_conf_load(path, true, &config, &fault), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fault.text, "h.conf.d/30-c.conf:3: "));
	scratch_remove(root);
}
END_TEST

/* Nobody can name its drop-ins: a configuration that was read in part would be another one. */
START_TEST(path_that_is_too_long_for_drop_ins_is_refused)
{
	char path[HAK_CONF_PATH_CHARS + 1], root[SCRATCH_CHARS];
	int length, fd;

	scratch_make(root);
	length = snprintf(path, sizeof(path), "%s", root);
	for (; length < HAK_CONF_PATH_CHARS; length++)
		path[length] = '/';
	path[length] = '\0';
	memcpy(path + length - 6, "h.conf", 6);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	memset(&fault, 'x', sizeof(fault));
	ck_assert_int_eq(hak_conf_load(path, false, &config, &fault), -ENAMETOOLONG);
	ck_assert_int_eq(strncmp(fault.text, path, strlen(path)), 0);
	ck_assert_int_eq(strncmp(fault.text + strlen(path), ": ", 2), 0);
	ck_assert_str_eq(fault.text + strlen(path) + 2, strerror(ENAMETOOLONG));
	scratch_remove(root);
}
END_TEST

START_TEST(profile_wins_over_set_mode_and_rules_and_not_over_holds)
{
	const enum hak_mode profile = HAK_MODE_RESEARCH;
	struct hak_mode_inputs inputs = {.config = &config, .profile = &profile};
	struct hak_mode_choice choice;

	ck_assert_int_eq(load("[rule r]\nunit = *\nmode = fast\n"), 0);
	choice = hak_modes_process(&inputs, "u", "p");
	ck_assert(choice.mode == HAK_MODE_RESEARCH && choice.source == HAK_SOURCE_RUNTIME && choice.own);
	inputs.has_runtime = true;
	inputs.runtime = HAK_MODE_MINIMAL;
	choice = hak_modes_process(&inputs, "u", "p");
	ck_assert(choice.mode == HAK_MODE_RESEARCH && choice.own);
	inputs.has_hold = true;
	inputs.hold = HAK_MODE_FAST;
	choice = hak_modes_process(&inputs, "u", "p");
	ck_assert(choice.source == HAK_SOURCE_HOLD && !choice.own);
	inputs.panicked = true;
	ck_assert(hak_modes_process(&inputs, "u", "p").source == HAK_SOURCE_PANIC);
	hak_conf_deinit(&config);
}
END_TEST

START_TEST(file_with_a_fault_names_line_and_reason)
{
	refused("[daemon]\nmoed = fast\n", 2, "did you mean 'mode'");
	refused("[daemon]\n\nmode = fsat\n", 3, "did you mean 'fast'");
	refused("[daemon]\nfiles-per-uid = many\n", 2, "from 1 to");
	refused("[daemon]\nfiles-per-uid = -1\n", 2, "from 1 to");
	refused("mode = fast\n", 1, "before any section");
	refused("[demon]\nmode = fast\n", 2, "unknown section");
	refused("[daemon]\nthis is no line\n", 2, "neither");
	refused("[rule a]\nmode = fast\n", 2, "neither 'unit' nor 'program'");
	refused("[rule a]\nunit = x\n", 2, "neither 'mode' nor 'learning'");
	refused("[purge]\nidel = 2s\n", 2, "did you mean 'idle'");
	refused("[purge]\nidle = soon\n", 2, "such as 500ms");
	refused("[purge]\nidle = 2d\n", 2, "such as 500ms");
	refused("[purge]\npressure = 101%\n", 2, "percentage");
	refused("[purge]\nleast = 1\n", 2, "from 4K");
	refused("[purge]\nmemory-budget = 99999999999G\n", 2, "such as 512M");
	refused("[purge]\nmemory-budget = -1\n", 2, "such as 512M");
	refused("[learning]\nenabled = maybe\n", 2, "yes or no");
	refused("[learnign]\nenabled = yes\n", 2, "did you mean [learning]");
	refused("[rule a]\nunit = x\nlearning = sometimes\n", 3, "yes or no");
	refused("[rule ]\nunit = x\n", 2, "needs a name");
	refused("[daemon]\nmode = fast\nmode = nonsense\n[daemon]\nx = y\n", 3, "unknown mode");
}
END_TEST

START_TEST(file_with_a_long_line_is_refused)
{
	char text[2000];

	snprintf(text, sizeof(text), "[daemon]\nmode = %0*d\n", 1500, 1);
	refused(text, 2, "longer than");
}
END_TEST

START_TEST(file_that_is_absent_says_so)
{
	ck_assert_int_eq(hak_conf_load("/nonexistent/hakmemd.conf", false, &config, &fault), -ENOENT);
	ck_assert_str_eq(fault.text, "/nonexistent/hakmemd.conf: No such file or directory");
}
END_TEST

START_TEST(rule_needs_all_its_globs_and_the_first_wins)
{
	ck_assert_int_eq(load("[rule both]\nunit = r*.service\nprogram = redis-*\nmode = fast\n"
			      "[rule unit]\nunit = r*.service\nmode = minimal\n"
			      "[rule later]\nunit = *\nmode = research\n"),
			 0);
	ck_assert_str_eq(hak_conf_match(&config, HAK_CONF_MODE, "redis.service", "/bin/redis-server")->name,
			 "both");
	ck_assert_str_eq(hak_conf_match(&config, HAK_CONF_MODE, "redis.service", "/usr/bin/sh")->name,
			 "unit");
	ck_assert_str_eq(hak_conf_match(&config, HAK_CONF_MODE, "", "")->name, "later");
	hak_conf_deinit(&config);
	ck_assert_int_eq(load("[rule dash]\nunit = a\\x2d*.service\nmode = fast\n"), 0);
	ck_assert_str_eq(hak_conf_match(&config, HAK_CONF_MODE, "a\\x2db.service", "")->name, "dash");
	ck_assert_ptr_null(hak_conf_match(&config, HAK_CONF_MODE, "ax2db.service", ""));
	hak_conf_deinit(&config);
}
END_TEST

/* Each source beats all that come after it, and leaves those before it alone. */
START_TEST(mode_is_taken_in_order)
{
	struct hak_mode_inputs inputs = {.config = &config};
	struct hak_mode_choice choice;

	ck_assert_int_eq(load("[rule r]\nprogram = ruled\nmode = learning\n"), 0);
	choice = hak_modes_process(&inputs, "", "free");
	ck_assert_int_eq(choice.source, HAK_SOURCE_BUILTIN);
	ck_assert_int_eq(choice.mode, HAK_MODE_BALANCED);
	config.has_mode = true;
	config.mode = HAK_MODE_FAST;
	choice = hak_modes_process(&inputs, "", "free");
	ck_assert_int_eq(choice.source, HAK_SOURCE_CONFIG);
	ck_assert_int_eq(choice.mode, HAK_MODE_FAST);
	choice = hak_modes_process(&inputs, "", "/bin/ruled");
	ck_assert_int_eq(choice.source, HAK_SOURCE_RULE);
	ck_assert_int_eq(choice.mode, HAK_MODE_LEARNING);
	inputs.has_runtime = true;
	inputs.runtime = HAK_MODE_RESEARCH;
	choice = hak_modes_process(&inputs, "", "/bin/ruled");
	ck_assert_int_eq(choice.source, HAK_SOURCE_RUNTIME);
	ck_assert_int_eq(choice.mode, HAK_MODE_RESEARCH);
	inputs.has_hold = true;
	inputs.hold = HAK_MODE_FAST;
	choice = hak_modes_process(&inputs, "", "/bin/ruled");
	ck_assert_int_eq(choice.source, HAK_SOURCE_HOLD);
	inputs.panicked = true;
	choice = hak_modes_process(&inputs, "", "/bin/ruled");
	ck_assert_int_eq(choice.source, HAK_SOURCE_PANIC);
	ck_assert_int_eq(choice.mode, HAK_MODE_MINIMAL);
	ck_assert(hak_modes_policy(&choice).panic);
	hak_conf_deinit(&config);
}
END_TEST

START_TEST(hold_that_is_newest_counts_and_ids_are_not_used_twice)
{
	struct hak_holds holds = {.count = 0};
	struct hak_hold *hold = hak_holds_add(&holds, HAK_MODE_FAST, 0, "a");
	uint64_t first = hold->id;

	hak_holds_add(&holds, HAK_MODE_MINIMAL, 0, "b");
	ck_assert_int_eq(hak_holds_newest(&holds)->mode, HAK_MODE_MINIMAL);
	hak_holds_remove(&holds, hak_holds_find(&holds, first));
	ck_assert_int_eq(hak_holds_newest(&holds)->mode, HAK_MODE_MINIMAL);
	ck_assert_ptr_null(hak_holds_find(&holds, first));
	ck_assert_uint_ne(hak_holds_add(&holds, HAK_MODE_FAST, 0, "c")->id, first);
	while (holds.count < HAK_HOLDS_MAX)
		hak_holds_add(&holds, HAK_MODE_FAST, 0, "");
	ck_assert_ptr_null(hak_holds_add(&holds, HAK_MODE_FAST, 0, ""));
	hak_holds_deinit(&holds);
	ck_assert_ptr_null(hak_holds_newest(&holds));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("conf");

	tcase_add_test(tcase, file_that_is_empty_gives_the_defaults);
	tcase_add_test(tcase, file_with_all_keys_is_read);
	tcase_add_test(tcase, file_with_a_fault_names_line_and_reason);
	tcase_add_test(tcase, thresholds_are_read_with_their_units);
	tcase_add_test(tcase, rule_that_has_the_key_and_comes_first_wins);
	tcase_add_test(tcase, drop_ins_follow_by_name_and_faults_name_theirs);
	tcase_add_test(tcase, path_that_is_too_long_for_drop_ins_is_refused);
	tcase_add_test(tcase, profile_wins_over_set_mode_and_rules_and_not_over_holds);
	tcase_add_test(tcase, file_with_a_long_line_is_refused);
	tcase_add_test(tcase, file_that_is_absent_says_so);
	tcase_add_test(tcase, rule_needs_all_its_globs_and_the_first_wins);
	tcase_add_test(tcase, mode_is_taken_in_order);
	tcase_add_test(tcase, hold_that_is_newest_counts_and_ids_are_not_used_twice);
	return run_suite("conf", tcase);
}
