# SPDX-License-Identifier: MIT
# One Makefile, no recursion, explicit source lists. `make help` tells the targets.

VERSION := 0.1.0
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SECONDARY:

CC ?= cc
AR ?= ar
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr
LIBDIR ?= $(PREFIX)/lib/$(shell $(CC) -dumpmachine 2>/dev/null)
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DESTDIR ?=
V ?= 0
SANITIZE ?=

ifeq ($(V),0)
Q := @
say = @printf '  %-7s %s\n' $(1) $(2)
endif

# A sanitizer or another compiler builds beside the normal tree, never into it.
comma := ,
B ?= build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))

CFLAGS ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
        -Wvla -Wundef -Wimplicit-fallthrough -Wno-unused-parameter $(if $(WERROR),-Werror)
STD := -std=gnu11 -D_GNU_SOURCE
DEPFLAGS = -MMD -MP
SAN := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
LIB_FLAGS := -fPIC -fvisibility=hidden -fno-plt -ftls-model=initial-exec -fno-builtin-malloc -fno-math-errno \
             -fno-stack-protector -fno-semantic-interposition -ffunction-sections -fdata-sections \
             $(if $(findstring clang,$(CC)),-Watomic-implicit-seq-cst)

# $(call in,FOLDER,NAMES): the C files of those names.
in = $(patsubst %,$(strip $1)/%.c,$2)
# What the library carries allocates nothing; the rest is the daemon's.
SHM_LIB_SRCS := $(call in,shm-protocol, \
	policy crc32c sha256 control_reader telemetry_key telemetry_writer telemetry_claim start_key)
SHM_SRCS := $(SHM_LIB_SRCS) $(call in,shm-protocol,counters control_writer telemetry_reader)
# The learner's pure core; the library carries it, the daemon links it.
LEARNING_SRCS := $(call in,learning, \
	cost match sizing strategy fixed score duel contest rating life trial)
LIB_SRCS := $(call in,libhakmem, \
	text knobs ghost fatal lock os meta sizeclass lazy pagemap superslab_fit superslab_descriptor \
	superslab_grains superslab_huge superslab_purge superslab_arena superslab superslab_populate slab mosaic \
	heap heap_registry heap_populate heap_mosaic \
	heap_scavenge thread bins bigcache bigcache_take mapping mapping_huge mapping_tail hot large config huge process start \
	ranges stats games_match games_watch games_learn games visit alloc lifecycle api api_glibc api_cxx)
# Of the shared library alone: a static program has no dlopen to pass calls on to, and one _exit, libc's.
LIB_SHARED_SRCS := $(call in,libhakmem,api_atfork api_dlopen api_exit)
COMMON_SRCS := $(call in,common,nearest bus_connect json_out strange_text)
# The daemon without its main(), as its suites link it.
DAEMON_PART_SRCS := $(call in,hakmemd, \
	budget bus bus_call bus_documents bus_jobs bus_learning bus_modes bus_polkit bus_processes \
	bus_profiles bus_properties bus_subscribe bus_waits bus_wishes client client_life client_look \
	client_read collapse conf conf_parse context due durable events exchange executable \
	file_replace helper_link holds identity jobs json_file kernel_support learned \
	learned_file learner learner_decide learner_evict learner_exchange learner_prior learner_settle \
	learner_trial log log_rate machine_costs manager manager_learning manager_policy \
	manager_saving manager_start manager_watch memory_view modes options pressure priors \
	priors_file process_check profiles reclaim registry registry_publish registry_table report \
	report_job report_learning report_modes report_stats report_walk scan slot_life state tallies \
	tallies_file tallies_units target waiter)
DAEMON_SRCS := $(COMMON_SRCS) $(DAEMON_PART_SRCS) hakmemd/main.c
HELPER_PART_SRCS := $(call in,hakmemd,helper_purge helper_collapse helper_identify)
HELPER_SRCS := $(HELPER_PART_SRCS) $(call in,hakmemd,helper_main process_check executable context log) \
	common/strange_text.c
CTL_SRCS := $(COMMON_SRCS) $(call in,hakctl, \
	agent call checks crashed crashes doctor doctor_machine doctor_process doctor_units document \
	enable environment exchange explain fail freeze hold json_text launch main metrics \
	metrics_learning metrics_text metrics_units modes monitor options pager panic preloads program \
	purge ratings rows run set_mode stats status table target terminal top top_screen unit \
	unit_findings verbs verify words)
BENCH_SRCS := $(call in,bench, \
	aligned asym burst calloc-heavy cold-churn drift false-sharing grow hash-grow idle json-parse larson \
	live-million mir pair parser-tree prodcons replace shift strings thread-churn tiny-hot vm vm-depth \
	work-steal)

all: $(B)/libhakmem.so $(B)/libhakmem.a $(B)/hakmemd $(B)/hakmem-helper $(B)/hakctl ## build everything

.PHONY: all demo check fuzz bench lint install clean help

# ---- objects ---------------------------------------------------------------------------------------------
SHM_OBJS := $(SHM_SRCS:%.c=$(B)/obj/%.o)
LEARNING_OBJS := $(LEARNING_SRCS:%.c=$(B)/obj/%.o)
LIB_OBJS := $(LIB_SRCS:%.c=$(B)/obj/%.o) $(SHM_LIB_SRCS:%.c=$(B)/obj/lib/%.o) $(LEARNING_SRCS:%.c=$(B)/obj/lib/%.o)
LIB_SHARED_OBJS := $(LIB_SHARED_SRCS:%.c=$(B)/obj/%.o)
# The library's inside as the suites see it: with every check on, and instrumented where asked for.
LIB_TEST_OBJS := $(patsubst %.c,$(B)/obj/checked/%.o,$(filter-out libhakmem/api%.c libhakmem/lifecycle.c,$(LIB_SRCS))) $(LEARNING_OBJS)
DAEMON_OBJS := $(DAEMON_SRCS:%.c=$(B)/obj/%.o) $(LEARNING_OBJS)
HELPER_OBJS := $(HELPER_SRCS:%.c=$(B)/obj/%.o)
CTL_OBJS := $(CTL_SRCS:%.c=$(B)/obj/%.o)

DAEMON_PKGS := libsystemd inih libcjson
CTL_PKGS := libsystemd libcjson ncursesw
TEST_PKGS := check

CPPFLAGS_ALL = $(STD) -Ishm-protocol -Ilearning -Icommon -DHAK_VERSION='"$(VERSION)"' $(CPPFLAGS)
COMPILE = $(CC) $(CPPFLAGS_ALL) $(WARN) $(DEPFLAGS) $(CFLAGS)

# Recipes: $(call compile,FLAGS) and $(call link-program,LIBRARIES).
define compile
$(call say,CC,$<)
@mkdir -p $(@D)
$(Q)$(COMPILE) $1 -c -o $@ $<
endef
define link-program
$(call say,LD,$@)
@mkdir -p $(@D)
$(Q)$(CC) $(SAN) -o $@ $^ $(LDFLAGS) $1
endef

$(B)/obj/shm-protocol/%.o: shm-protocol/%.c
	$(call compile,$(SAN) -fPIC)

# The protocol as the library carries it: same sources, the library's flags, never instrumented.
$(B)/obj/lib/shm-protocol/%.o: shm-protocol/%.c
	$(call compile,$(LIB_FLAGS))

$(B)/obj/learning/%.o: learning/%.c
	$(call compile,$(SAN) -fPIC)

$(B)/obj/lib/learning/%.o: learning/%.c
	$(call compile,$(LIB_FLAGS))

$(B)/obj/libhakmem/%.o: libhakmem/%.c
	$(call compile,$(LIB_FLAGS) -Ilibhakmem)

$(B)/obj/common/%.o: common/%.c
	$(call compile,$(SAN) $(shell $(PKG_CONFIG) --cflags $(CTL_PKGS)))

$(B)/obj/checked/libhakmem/%.o: libhakmem/%.c
	$(call compile,$(SAN) -DHAK_DEBUG -fPIC -Ilibhakmem)

$(B)/obj/hakmemd/%.o: hakmemd/%.c
	$(call compile,$(SAN) -Ihakmemd $(shell $(PKG_CONFIG) --cflags $(DAEMON_PKGS)))

$(B)/obj/hakctl/%.o: hakctl/%.c
	$(call compile,$(SAN) -Ihakctl -DHAK_LIBDIR='"$(LIBDIR)"' $(shell $(PKG_CONFIG) --cflags $(CTL_PKGS)))

# ---- products --------------------------------------------------------------------------------------------
$(B)/libhakmem.so: $(LIB_OBJS) $(LIB_SHARED_OBJS) libhakmem/libhakmem.map libhakmem/libhakmem.ld
	$(call say,LD,$@)
	$(Q)$(CC) -shared -o $@ $(LIB_OBJS) $(LIB_SHARED_OBJS) -Wl,--version-script=libhakmem/libhakmem.map -Wl,-soname,libhakmem.so.0 \
		-Wl,-z,now -Wl,-z,relro -Wl,-z,defs -Wl,-z,nodelete -Wl,-z,noseparate-code -Wl,--as-needed \
		-Wl,-T,libhakmem/libhakmem.ld $(LDFLAGS)

$(B)/libhakmem.a: $(LIB_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/hakmemd: $(DAEMON_OBJS) $(SHM_OBJS)
	$(call link-program,$(shell $(PKG_CONFIG) --libs $(DAEMON_PKGS)))

$(B)/hakmem-helper: $(HELPER_OBJS) $(SHM_OBJS)
	$(call link-program,$(shell $(PKG_CONFIG) --libs libsystemd))

$(B)/hakctl: $(CTL_OBJS) $(SHM_OBJS)
	$(call link-program,$(shell $(PKG_CONFIG) --libs $(CTL_PKGS)))

# ---- tests: Check suites, one program each; the process tests are scripts ---------------------------------
# SUITE_<name>_OBJS: what a suite links beside its own file; _LIBS: from where else.
SUITES := policy digest control crash concurrency telemetry parts validate golden
SUITES += sizeclass superslab arena model heap bins mosaic huge resident large hot tail bigcache reclaim helper nearest context conf state
SUITES += client durable report events strategy ghost match sizing games anything score contest rating life trial learner evict priors
SHM_TEST_OBJS := $(SHM_OBJS) $(B)/obj/tests/shm_fixture.o
DAEMON_TEST_OBJS := $(COMMON_SRCS:%.c=$(B)/obj/%.o) $(DAEMON_PART_SRCS:%.c=$(B)/obj/%.o) $(SHM_OBJS) $(LEARNING_OBJS)
LEARNER_TEST_OBJS := $(DAEMON_TEST_OBJS) $(B)/obj/tests/shm_fixture.o $(B)/obj/tests/learner_fixture.o
MODEL_TEST_OBJS := $(LEARNING_OBJS) $(B)/obj/sim/bench/learn_model.o
# With an injected process.
GAMES_TEST_OBJS := $(patsubst %,$(B)/obj/checked/libhakmem/%.o,games_match games_watch games_learn games knobs text) \
	$(LEARNING_OBJS) $(SHM_OBJS) $(B)/obj/tests/games_fixture.o
# $(call link,SUITES,OBJECTS[,LIBRARIES]): what suites link beside their own file; from where else.
link = $(foreach s,$1,$(eval SUITE_$s_OBJS := $2)$(eval SUITE_$s_LIBS = $3))
DAEMON_LIBS = $(shell $(PKG_CONFIG) --libs $(DAEMON_PKGS))
$(call link,policy digest,$(SHM_OBJS))
$(call link,control concurrency telemetry parts validate,$(SHM_TEST_OBJS))
$(call link,crash,$(SHM_SRCS:%.c=$(B)/obj/stepped/%.o) $(B)/obj/tests/shm_fixture.o)
$(call link,golden,$(SHM_TEST_OBJS) $(B)/obj/tests/golden.o)
$(call link,sizeclass superslab arena model heap bins mosaic huge resident large hot tail bigcache reclaim strategy ghost, \
	$(LIB_TEST_OBJS) $(SHM_OBJS))
$(call link,games anything,$(GAMES_TEST_OBJS))
$(call link,match sizing life,$(LEARNING_OBJS))
$(call link,score rating,$(LEARNING_OBJS),-lm)
$(call link,contest trial,$(MODEL_TEST_OBJS),-lm)
$(call link,nearest,$(B)/obj/common/nearest.o)
$(call link,context,$(B)/obj/hakmemd/context.o $(SHM_OBJS),$$(DAEMON_LIBS))
$(call link,durable,$(B)/obj/hakmemd/durable.o $(B)/obj/hakmemd/file_replace.o,$$(DAEMON_LIBS))
$(call link,conf state events,$(DAEMON_TEST_OBJS),$$(DAEMON_LIBS))
$(call link,client,$(DAEMON_TEST_OBJS) $(B)/obj/tests/shm_fixture.o,$$(DAEMON_LIBS))
$(call link,report,$(DAEMON_TEST_OBJS) $(B)/obj/hakctl/json_text.o,$$(DAEMON_LIBS))
$(call link,learner evict priors,$(LEARNER_TEST_OBJS),$$(DAEMON_LIBS))
$(call link,helper,$(DAEMON_TEST_OBJS) $(HELPER_PART_SRCS:%.c=$(B)/obj/%.o),$$(DAEMON_LIBS))

$(B)/tests/make_golden: $(B)/obj/tests/make_golden.o $(B)/obj/tests/golden.o $(B)/obj/tests/shm_fixture.o $(SHM_OBJS)
	$(call link-program)

# Fuzzers of what comes from elsewhere: clang's libFuzzer, a short run each (FUZZ_SECONDS=).
FUZZ_SECONDS ?= 20
fuzz: $(B)/tests/fuzz_telemetry $(B)/tests/fuzz_control ## short fuzzing runs of the protocol (clang)
	$(Q)$(B)/tests/fuzz_telemetry -max_total_time=$(FUZZ_SECONDS) -max_len=32768 -print_final_stats=1
	$(Q)$(B)/tests/fuzz_control -max_total_time=$(FUZZ_SECONDS) -max_len=16384 -print_final_stats=1

$(B)/tests/fuzz_%: tests/fuzz_%.c $(SHM_SRCS) $(wildcard shm-protocol/*.h)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS_ALL) $(WARN) -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-o $@ $< $(SHM_SRCS)

# The protocol with a counting store layer: a test stops the writer before its n-th store.
$(B)/obj/stepped/%.o: %.c tests/store_step_count.h
	$(call compile,$(SAN) -include tests/store_step_count.h)

$(B)/obj/tests/%.o: tests/%.c
	$(call compile,$(SAN) -Ilibhakmem -Ihakmemd -Ihakctl $(shell $(PKG_CONFIG) --cflags $(TEST_PKGS) $(DAEMON_PKGS)))

define suite_rule
$(B)/tests/test_$(1): $(B)/obj/tests/test_$(1).o $$(SUITE_$(1)_OBJS)
	$$(call link-program,$$(SUITE_$(1)_LIBS) $$(shell $$(PKG_CONFIG) --libs $$(TEST_PKGS)) -lpthread)
endef
$(foreach s,$(SUITES),$(eval $(call suite_rule,$(s))))

# Processes under libhakmem as the daemon sees them; its process tests use them.
$(B)/tests/sim_%: $(B)/obj/tests/sim_%.o $(SHM_OBJS) $(LEARNING_OBJS)
	$(call link-program)
suites: $(SUITES:%=$(B)/tests/test_%)

# ---- test programs that run under the preload: plain programs, not optimised, malloc not known to gcc --------
CXX ?= c++
MISUSES := double_free_aborts double_free_after_other_free_aborts double_free_from_two_threads_aborts \
	double_free_of_large_block_aborts free_of_interior_pointer_aborts free_of_large_interior_pointer_aborts \
	free_of_misaligned_pointer_aborts free_of_mmap_pointer_aborts free_of_noncanonical_pointer_aborts \
	free_of_small_integer_aborts free_of_stack_pointer_aborts free_of_static_object_aborts \
	realloc_of_freed_pointer_aborts realloc_of_interior_pointer_aborts realloc_of_wild_pointer_aborts \
	usable_size_of_wild_pointer_aborts delete_of_freed_pointer_aborts double_free_aborts_through_a_handler
API_C := sizes errors errno_kept alignment calloc_zeroes usable_size realloc_keeps introspection large \
	life_cycle tls_destructors signals late_dlopen fork_storm fork_ending_threads short_threads detached_threads \
	remote_frees address_limit locked trim_returns fork_returns caches_before_enomem mmap_fails libc_names resting_threads \
	phases_share small_address_space fork_handlers fork_interrupted fork_while_flushing fork_registering \
	cancelled
API_CXX := operators
TEST_TOOLS := waves switch_modes busy pair small_heap seccomp_storm peak make_segment stress churn schedule system_call gdb_subject brood
TEST_PROGRAMS := $(MISUSES:%=$(B)/tests/misuse/%) $(API_C:%=$(B)/tests/api/%) $(API_CXX:%=$(B)/tests/api/%) \
	$(B)/tests/api/plugin.so $(B)/tests/tools/slow_disk.so $(TEST_TOOLS:%=$(B)/tests/tools/%) $(B)/tests/sim_client $(B)/tests/sim_start
PROGRAM_FLAGS := -O1 -g -fno-builtin
test-programs: $(TEST_PROGRAMS)

$(B)/tests/misuse/%: tests/misuse/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D) $(B)/obj
	$(Q)$(CC) $(STD) $(WARN) $(DEPFLAGS) -MF $(B)/obj/misuse_$*.d $(PROGRAM_FLAGS) -w -o $@ $< -lpthread

$(B)/tests/api/%: tests/api/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D) $(B)/obj
	$(Q)$(CC) $(STD) $(WARN) $(DEPFLAGS) -MF $(B)/obj/api_$*.d $(PROGRAM_FLAGS) -o $@ $< -lpthread

$(B)/tests/api/%: tests/api/%.cc
	$(call say,CXX,$<)
	@mkdir -p $(@D) $(B)/obj
	$(Q)$(CXX) -std=c++17 -fsized-deallocation -Wall -Wextra $(DEPFLAGS) -MF $(B)/obj/api_$*.d $(PROGRAM_FLAGS) -o $@ $< -lpthread

$(B)/tests/api/plugin.so $(B)/tests/tools/slow_disk.so: $(B)/%.so: %.c
	$(call say,CC,$<)
	@mkdir -p $(@D) $(B)/obj
	$(Q)$(CC) $(STD) $(WARN) $(DEPFLAGS) -MF $(B)/obj/$(@F).d $(PROGRAM_FLAGS) -fPIC -shared -Wl,-rpath,'$$ORIGIN' -o $@ $<

$(B)/tests/tools/%: tests/tools/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D) $(B)/obj
	$(Q)$(CC) $(CPPFLAGS_ALL) $(WARN) $(DEPFLAGS) -MF $(B)/obj/tool_$*.d -Ilibhakmem -O2 -g -fno-builtin \
		-o $@ $< $(TOOL_LIBS)
$(B)/tests/tools/%: TOOL_LIBS = -lpthread
$(B)/tests/tools/switch_modes: TOOL_LIBS = $(B)/obj/common/bus_connect.o $(shell $(PKG_CONFIG) --libs libsystemd)
$(B)/tests/tools/switch_modes: $(B)/obj/common/bus_connect.o
$(B)/tests/tools/peak: TOOL_LIBS = -static
$(B)/tests/tools/make_segment $(B)/tests/tools/schedule: TOOL_LIBS = $(SHM_OBJS) $(LEARNING_OBJS)
$(B)/tests/tools/make_segment $(B)/tests/tools/schedule: $(SHM_OBJS) $(LEARNING_OBJS)

# ---- make check: tests/run takes KIND:NAME:COMMAND and counts ---------------------------------------------
# Each name is tests/process/NAME.py; `programs` runs once for each of PROGRAMS. Daemon tests have a bus, a daemon and
# directories of their own, and wait most of the time: they run beside the suites.
PROCESS_TESTS := library environment policy games control purge reclaim verbs docs bench stress canary
DAEMON_TESTS := learning exchange daemon_modes daemon_life daemon_disk daemon_room daemon_wait daemon_telemetry forks \
	daemon_events hakctl hakctl_json hakctl_live
# All but gdb on a booted systemd (tests/process/machine.py).
PROCESS_TESTS += gdb systemd enable crash nightshift
PROGRAMS := redis python sqlite perl lua gcc git sort memcached nginx
JOBS ?= $(shell nproc)
SUBMAKE = env -u MAKEFLAGS -u MFLAGS $(MAKE) --no-print-directory -j$(JOBS) WERROR=1
SAN_ENV = ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
PY := /usr/bin/python3
# What the process tests start; the library itself is never instrumented.
SAN_PROGRAMS := hakmemd hakmem-helper hakctl libhakmem.so tests/sim_client tests/sim_start tests/tools/brood tests/tools/slow_disk.so
define CHECK_LIST
'step:build (gcc):$(SUBMAKE) all suites test-programs bench-programs'
'step:build (clang):$(SUBMAKE) CC=clang CXX=clang++ B=build-clang all suites test-programs'
'step:build (address, undefined):$(SUBMAKE) SANITIZE=address,undefined $(SAN_PROGRAMS:%=$(B)-address-undefined/%) suites'
'step:build (thread):$(SUBMAKE) SANITIZE=thread $(SAN_PROGRAMS:%=$(B)-thread/%) suites'
$(foreach s,$(SUITES),'suite:$(s):$(B)/tests/test_$(s)')
$(foreach s,$(SUITES),'suite:$(s) (address, undefined):$(SAN_ENV) $(B)-address-undefined/tests/test_$(s)')
$(foreach s,$(SUITES),'suite:$(s) (thread):$(SAN_ENV) $(B)-thread/tests/test_$(s)')
$(foreach s,$(SUITES),'suite:$(s) (clang):build-clang/tests/test_$(s)')
$(foreach t,$(DAEMON_TESTS),'side:process $(t):HAK_BUILD=$(B) $(PY) tests/process/$(t).py')
$(foreach t,$(DAEMON_TESTS),'side:$(t) (address, undefined):$(SAN_ENV) HAK_BUILD=$(B)-address-undefined $(PY) tests/process/$(t).py')
'side:process daemon_helper:HAK_BUILD=$(B) $(PY) tests/process/daemon_helper.py'
'side:daemon_wait (thread):$(SAN_ENV) HAK_BUILD=$(B)-thread $(PY) tests/process/daemon_wait.py'
'step:protocol by another reader:tests/read_protocol.py tests/golden'
'step:fuzz:$(SUBMAKE) FUZZ_SECONDS=10 fuzz'
'tap:misuse:HAK_BUILD=$(B) $(PY) tests/misuse/run.py'
'tap:api:HAK_BUILD=$(B) $(PY) tests/api/run.py'
'tap:api (clang):HAK_BUILD=build-clang $(PY) tests/api/run.py balanced minimal'
'tap:seccomp:HAK_BUILD=$(B) $(PY) tests/process/seccomp.py'
$(foreach t,$(PROCESS_TESTS),'tap:process $(t):HAK_BUILD=$(B) $(PY) tests/process/$(t).py')
'tap:process systemd (dbus-broker):HAK_BUILD=$(B) $(PY) tests/process/systemd.py dbus-broker'
$(foreach p,$(PROGRAMS),'tap:program $(p):HAK_BUILD=$(B) $(PY) tests/process/programs.py $(p)')
'tap:figures:HAK_BUILD=$(B) $(PY) tests/figures/limits.py'
'tap:install:tests/process/install.sh'
'tap:demo:tests/process/demo.sh'
endef
define newline


endef

check: ## every test; ends with `N passed, N failed, N skipped` (ONLY=REGEX for some of them)
	$(Q)tests/install-packages.sh check
	$(Q)tests/run --jobs $(JOBS) --logs build/test-logs $(subst $(newline), ,$(CHECK_LIST)) $(EXTRA_CHECKS)

demo: ## redis, python3 and sqlite3 under hakmem, switched live through all five modes
	$(Q)tests/install-packages.sh demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/demo.sh $(B)

figures: ## report start-up, footprint, instructions and switching time (docs/benchmarks.md)
	$(Q)tests/install-packages.sh check
	$(Q)$(MAKE) --no-print-directory all test-programs
	$(Q)HAK_BUILD=$(B) $(PY) tests/figures/report.py $(PEERS)

SECONDS ?= 60
stress: ## checked contents under everything at once, with live switches, for SECONDS
	$(Q)tests/install-packages.sh check
	$(Q)$(MAKE) --no-print-directory all test-programs
	$(Q)HAK_BUILD=$(B) $(PY) tests/process/stress.py $(SECONDS)

packages: ## Debian packages of this tree, in build/packages/now
	$(Q)tests/install-packages.sh check
	$(Q)tests/build-packages.sh build/packages/now

check-package: ## the Debian packages: lintian, upgrades with live processes, removal (a minute more than check)
	$(Q)tests/install-packages.sh check
	$(Q)$(MAKE) --no-print-directory all test-programs
	$(Q)tests/run --logs build/test-logs 'tap:package:HAK_BUILD=$(B) $(PY) tests/process/package.py'

check-vm: ## on Debian's own kernel in an emulated machine: real limits, swap, PSI, systemd (not part of check)
	$(Q)tests/install-packages.sh check vm
	$(Q)$(MAKE) --no-print-directory all test-programs
	$(Q)tests/build-packages.sh build/packages/now
	$(Q)HAK_BUILD=$(B) tests/vm/check

check-arm64: ## the library on Debian's kernel for arm64, on an emulated processor (not part of check)
	$(Q)tests/vm/arm64

lint: ## style, include direction, shellcheck, cppcheck
	$(Q)tests/install-packages.sh lint
	$(Q)$(PY) tests/lint.py

.PHONY: suites test-programs figures stress packages check-package check-vm check-arm64

# ---- install ------------------------------------------------------------------------------------------------
INSTALL ?= install
UNITDIR ?= $(PREFIX)/lib/systemd/system
MAN_PAGES := hakctl.1 libhakmem.3 hakmemd.conf.5 org.hakmem1.5 hakmem.7 hakmemd.8 hakmem-helper.8
UNITS := run-hakmem.mount hakmem-prepare.service hakmemd.service hakmem-helper.socket hakmem-helper.service \
         hakmem-metrics.service hakmem-metrics.timer
install: all ## install into $(DESTDIR)$(PREFIX)
	$(Q)$(INSTALL) -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(BINDIR) $(DESTDIR)$(SBINDIR) \
		$(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(INCLUDEDIR)/libhakmem $(DESTDIR)$(PREFIX)/share/doc/hakmem
	$(Q)$(INSTALL) -m 755 $(B)/libhakmem.so $(DESTDIR)$(LIBDIR)/libhakmem.so.$(VERSION)
	$(Q)ln -sf libhakmem.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libhakmem.so.0
	$(Q)ln -sf libhakmem.so.0 $(DESTDIR)$(LIBDIR)/libhakmem.so
	$(Q)$(INSTALL) -m 644 $(B)/libhakmem.a $(DESTDIR)$(LIBDIR)/
	$(Q)$(INSTALL) -m 644 libhakmem/hakmem.h $(DESTDIR)$(INCLUDEDIR)/libhakmem/
	$(Q)$(INSTALL) -D -m 644 libhakmem/gdb/hakmem.py \
		$(DESTDIR)$(PREFIX)/share/gdb/auto-load$(LIBDIR)/libhakmem.so.$(VERSION)-gdb.py
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(VERSION)|' \
		libhakmem/hakmem.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/hakmem.pc
	$(Q)$(INSTALL) -m 755 $(B)/hakctl $(DESTDIR)$(BINDIR)/
	$(Q)$(INSTALL) -m 755 $(B)/hakmemd $(DESTDIR)$(SBINDIR)/
	$(Q)$(INSTALL) -m 755 $(B)/hakmem-helper $(DESTDIR)$(LIBEXECDIR)/
	$(Q)$(INSTALL) -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(PREFIX)/lib/sysusers.d \
		$(DESTDIR)$(PREFIX)/share/dbus-1/system.d $(DESTDIR)$(PREFIX)/share/dbus-1/system-services \
		$(DESTDIR)$(PREFIX)/share/polkit-1/actions $(DESTDIR)/etc/hakmem
	$(Q)for unit in $(UNITS); do \
		sed 's|@SBINDIR@|$(SBINDIR)|; s|@BINDIR@|$(BINDIR)|; s|@LIBEXECDIR@|$(LIBEXECDIR)|' \
			systemd/$$unit >$(DESTDIR)$(UNITDIR)/$$unit || exit 1; \
	done
	$(Q)$(INSTALL) -m 644 systemd/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/hakmem.conf
	$(Q)$(INSTALL) -m 644 systemd/org.hakmem1.conf $(DESTDIR)$(PREFIX)/share/dbus-1/system.d/
	$(Q)$(INSTALL) -m 644 systemd/org.hakmem1.policy $(DESTDIR)$(PREFIX)/share/polkit-1/actions/
	$(Q)$(INSTALL) -m 644 systemd/org.hakmem1.service $(DESTDIR)$(PREFIX)/share/dbus-1/system-services/
	$(Q)for page in $(MAN_PAGES); do \
		$(INSTALL) -D -m 644 docs/man/$$page $(DESTDIR)$(MANDIR)/man$${page##*.}/$$page || exit 1; \
	done
	$(Q)$(INSTALL) -D -m 644 completion/hakctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/hakctl
	$(Q)$(INSTALL) -D -m 644 completion/_hakctl $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_hakctl
	$(Q)$(INSTALL) -d $(DESTDIR)$(PREFIX)/share/doc/hakmem/schema
	$(Q)$(INSTALL) -m 644 docs/schema/*.json $(DESTDIR)$(PREFIX)/share/doc/hakmem/schema/
	$(Q)$(INSTALL) -m 644 README.md NEWS.md LICENSE docs/*.md docs/alerts.yml docs/grafana-dashboard.json \
		$(DESTDIR)$(PREFIX)/share/doc/hakmem/

# ---- bench: one program per workload, linked with nothing of ours; the allocator comes by preload ------------
BENCH_PROGRAMS := $(BENCH_SRCS:bench/%.c=$(B)/bench/%)
BENCH_FLAGS := -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free

$(B)/obj/bench/%.o: bench/%.c
	$(call compile,$(BENCH_FLAGS))

$(BENCH_PROGRAMS): $(B)/bench/%: $(B)/obj/bench/%.o $(B)/obj/bench/workload.o
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(LDFLAGS) -lpthread -lm

$(B)/bench/measure: $(B)/obj/bench/measure.o
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(LDFLAGS)

$(B)/obj/bench/real/memload.o: CPPFLAGS_ALL += -Ibench
$(B)/bench/memload: $(B)/obj/bench/real/memload.o $(B)/obj/bench/workload.o
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(LDFLAGS) -lpthread

# The learner on a simulated machine; its model is a suite's, too.
$(B)/obj/sim/%.o: %.c
	$(call compile,$(SAN))

$(B)/bench/learn-sim: $(B)/obj/sim/bench/learn-sim.o $(B)/obj/sim/bench/learn_model.o $(LEARNING_OBJS)
	$(call link-program,-lm)

.PHONY: bench-programs
bench-programs: $(BENCH_PROGRAMS) $(B)/bench/learn-sim $(B)/bench/measure $(B)/bench/memload $(B)/tests/tools/make_segment

bench: $(B)/libhakmem.so bench-programs ## a short comparison with the peers that Debian packages
	bench/run --build $(B) --runs 3 --scenario 'tiny-hot,random-mixed,json-parse,vm,vm-depth,prodcons,hash-grow'

clean: ## remove build products
	rm -rf build build-*

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
