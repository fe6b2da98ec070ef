# foster: one Makefile, no recursion but for variants. `make help` lists the targets.
#
#   B=build                 where everything is built; other variants in build-asan/, build-fuzz/, …
#   SAN=address,undefined   build with sanitizers
#   CC= CFLAGS= LDFLAGS=    yours are kept; ours are added
#   PREFIX= SYSCONFDIR= RUNDIR= DESTDIR=   for install
#   JOBS=2                  how many compilers, and how many tests, at a time
#   TESTS=                  run these test programs, or fuzzers, only (names or patterns: e2e_start test_conf*)
#   V=1                     show the commands

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
RUNDIR ?= /run
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec/foster
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
DOCDIR ?= $(DATADIR)/doc/foster
UNITDIR ?= $(PREFIX)/lib/systemd/system
B ?= build
JOBS ?= 2
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 600
SOAK_KILLS ?= 2000
VERSION := 0.1.0

CC ?= cc
CFLAGS ?= -O2 -g
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS)
endif
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

# ---- what the machine must have ----------------------------------------------------------------

# Debian's names: to build; to run the tests; for lint, fuzz, valgrind and cover.
DEPS_BUILD := gcc libc6-dev pkg-config libev-dev libinih-dev libsystemd-dev libjansson-dev \
	uthash-dev libcmocka-dev
DEPS := $(DEPS_BUILD) python3 perl util-linux procps systemd dbus
DEPS_TOOLS := git clang clang-format clang-tidy libclang-rt-dev cppcheck shellcheck mandoc valgrind lcov

# These goals install what is missing; the others say what it is.
INSTALLING := deps check demo asan lint fuzz valgrind cover bench
DEPS_MODE := $(if $(filter $(INSTALLING),$(MAKECMDGOALS)),,--check)

.PHONY: deps
deps: ## install what building and testing need (Debian packages)
	$(Q)packaging/deps $(DEPS)

$(B)/deps-ok: Makefile | $(B)
	$(Q)packaging/deps $(DEPS_MODE) $(DEPS_BUILD)
	$(Q)touch $@

$(B)/deps-tests-ok: Makefile | $(B)/deps-ok
	$(Q)packaging/deps $(DEPS_MODE) $(DEPS)
	$(Q)touch $@

$(B)/deps-tools-ok: Makefile | $(B)/deps-tests-ok
	$(Q)packaging/deps $(DEPS_TOOLS)
	$(Q)touch $@

# ---- flags -------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wformat=2 -Wno-format-nonliteral -Wundef -Wwrite-strings -Wpointer-arith
HARDEN := $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE -fno-common
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined)

override CFLAGS += -std=gnu17 $(WARN) $(HARDEN) $(SANFLAGS)
override CPPFLAGS += -I. -D_GNU_SOURCE -DFOSTER_VERSION='"$(VERSION)"' \
	-DFOSTER_LIBEXECDIR='"$(LIBEXECDIR)"' -DFOSTER_SYSCONFDIR='"$(SYSCONFDIR)"' \
	-DFOSTER_RUNDIR='"$(RUNDIR)"'
override LDFLAGS += $(HARDEN_LD) $(SANFLAGS)

PKG_CONFIG ?= pkg-config
LIBS_EV := -lev
LIBS_INI := -linih
LIBS_SYSTEMD = $(shell $(PKG_CONFIG) --libs libsystemd)
LIBS_JSON = $(shell $(PKG_CONFIG) --libs jansson)
LIBS_TEST = $(shell $(PKG_CONFIG) --libs cmocka)
LIBS_ALL = $(LIBS_EV) $(LIBS_INI) $(LIBS_JSON) $(LIBS_SYSTEMD) -ldl -lm

# ---- what is made of what: who may depend on whom is said here, and the linker enforces it -----

base_SRC := $(wildcard daemon/base/*.c)
wire_SRC := $(wildcard ctl/wire/*.c)
conf_SRC := $(wildcard conf/*.c)
keeper_SRC := $(wildcard daemon/keeper/*.c)
supervisor_SRC := $(wildcard daemon/supervisor/*.c)
logger_SRC := $(wildcard daemon/logger/*.c)
forkserver_SRC := $(wildcard daemon/forkserver/*.c)
client_SRC := $(wildcard ctl/client/*.c)

EXAMPLES := $(wildcard conf/examples/*.ini conf/examples/*.conf)

objs = $(patsubst %.c,$(B)/obj/%.o,$(1))

PROGRAMS := fosterd foster-supervisor foster-logger foster-forkserver fosterctl
BINARIES := $(PROGRAMS:%=$(B)/%)
HELPERS := $(B)/foster-forkserver.py

.PHONY: all
all: $(BINARIES) $(HELPERS) ## build everything, runnable from build/ (default)

$(B)/fosterd: $(call objs,$(keeper_SRC) $(base_SRC))
$(B)/fosterd: LDLIBS = $(LIBS_EV) $(LIBS_SYSTEMD)
$(B)/foster-supervisor: $(call objs,$(supervisor_SRC) $(conf_SRC) $(wire_SRC) $(base_SRC))
$(B)/foster-supervisor: LDLIBS = $(LIBS_EV) $(LIBS_INI) $(LIBS_JSON) $(LIBS_SYSTEMD) -lm
$(B)/foster-logger: $(call objs,$(logger_SRC) $(base_SRC))
$(B)/foster-logger: LDLIBS = $(LIBS_EV)
$(B)/foster-forkserver: $(call objs,$(forkserver_SRC) $(base_SRC))
$(B)/foster-forkserver: LDLIBS = -ldl
$(B)/fosterctl: $(call objs,$(client_SRC) $(wire_SRC) $(base_SRC))
$(B)/fosterctl: LDLIBS = $(LIBS_JSON) -lm

$(BINARIES):
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(LDLIBS)

$(B)/foster-forkserver.py: daemon/forkserver/foster-forkserver.py | $(B)
	$(Q)install -m 755 $< $@

$(B):
	$(Q)mkdir -p $@

# Changed flags rebuild everything.
FLAGS_NOW := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)
$(B)/flags: FORCE | $(B)
	$(Q)printf '%s\n' '$(subst ','\'',$(FLAGS_NOW))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(FLAGS_NOW))' > $@
.PHONY: FORCE
FORCE:

# Run on a stack of their own that nobody unwinds, which the address sanitizer cannot follow.
$(B)/obj/daemon/keeper/spawn_child.o $(B)/obj/tests/fuzz/rig_child.o: override CFLAGS += $(if $(SAN),-fno-sanitize=all)

# Holds the text of the interface, which the compiler does not see.
$(B)/obj/daemon/supervisor/rpc_interface.o: ctl/org.foster.Supervisor.varlink

$(B)/obj/%.o: %.c $(B)/flags | $(B)/deps-ok
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(COVERAGE) -MMD -MP -c -o $@ $<

# The child's side of a vfork() runs on the keeper's memory: nothing may be added to it.
$(B)/obj/daemon/keeper/spawn_child.o: COVERAGE =

# ---- tests -------------------------------------------------------------------------------------

# Everything but the mains, for unit tests and fuzzers.
lib_SRC := $(filter-out %/main.c,$(base_SRC) $(wire_SRC) $(conf_SRC) $(keeper_SRC) \
	$(supervisor_SRC) $(logger_SRC) $(forkserver_SRC) $(client_SRC))
$(B)/libfoster.a: $(call objs,$(lib_SRC))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

UNIT := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
FUZZ := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ := $(filter-out %/fuzz_main,$(FUZZ))
FUZZ_RIG := $(call objs,$(wildcard tests/fuzz/*rig*.c))
E2E := $(patsubst %.c,$(B)/%,$(wildcard tests/e2e/e2e_*.c tests/fault/fault_*.c))
E2E_SCRIPTS := $(wildcard tests/e2e/e2e_*.sh tests/fault/fault_*.sh)
CHILDREN := $(patsubst %.c,$(B)/%,$(wildcard tests/helpers/*.c))

$(UNIT): $(B)/%: $(B)/obj/%.o $(B)/libfoster.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libfoster.a $(LIBS_TEST) $(LIBS_ALL)

# Every corpus replays as a test, with any compiler.
$(FUZZ): $(B)/%: $(B)/obj/%.o $(B)/obj/tests/fuzz/fuzz_main.o $(B)/libfoster.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS_ALL)

# Those that need a whole keeper; the rig stands in the place of spawn.c.
WITH_RIG := fuzz_request fuzz_server
$(WITH_RIG:%=$(B)/tests/fuzz/%) $(WITH_RIG:%=$(B)/fuzzers/%): $(FUZZ_RIG)

# End to end, nothing of foster is linked but the shared ground: the tests are a client of their own.
e2e_SRC := $(filter-out tests/e2e/e2e_%,$(wildcard tests/e2e/*.c))
$(E2E): $(B)/%: $(B)/obj/%.o $(call objs,$(e2e_SRC) $(base_SRC))
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_TEST) $(LIBS_JSON)

# The soak is larger than a file.
$(B)/tests/fault/fault_soak: $(call objs,$(wildcard tests/fault/soak/*.c))

# Supervised programs: small, static, without sanitizers, so that what is measured is foster.
$(CHILDREN): $(B)/%: %.c | $(B)/deps-ok
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -I. -D_GNU_SOURCE -std=gnu17 $(WARN) -O2 -static -o $@ $<

# A shared object that native forkservers load.
SHARED := $(patsubst %.c,$(B)/%.so,$(wildcard tests/helpers/shared/*.c))
$(SHARED): $(B)/%.so: %.c | $(B)/deps-ok
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu17 $(WARN) -O2 -fPIC -shared -o $@ $<

# A next version of everything, in whose formats every version is one higher: what upgrades lead to.
NEXT_VERSION := $(VERSION)-next
NEXT_FLAGS := -DLINK_VERSION=2 -DTABLE_VERSION=3 -DHANDOFF_VERSION=2
.PHONY: next
next: | $(B)/deps-ok
	+$(Q)$(MAKE) --no-print-directory B=$(B)/next VERSION=$(NEXT_VERSION) \
		CPPFLAGS='$(NEXT_FLAGS)' CFLAGS='-O1 -g' COVERAGE= all

.PHONY: tests
tests: next $(BINARIES) $(HELPERS) $(UNIT) $(FUZZ) $(E2E) $(CHILDREN) $(SHARED) $(B)/stage.ok ## build what `check` runs

# What `install` would put on a machine, for the tests with a real systemd.
$(B)/stage.ok: $(BINARIES) $(HELPERS) $(wildcard packaging/* packaging/*/*) $(EXAMPLES) Makefile
	$(Q)rm -rf $(B)/stage
	+$(Q)$(MAKE) --no-print-directory DESTDIR=$(abspath $(B))/stage install
	$(Q)touch $@

# $(TESTS) chooses among the programs by name, with or without a pattern of one *.
name_of = $(notdir $(1)) $(basename $(notdir $(1)))
chosen = $(if $(TESTS),$(foreach p,$(1),$(if $(filter $(subst *,%,$(TESTS)),$(call name_of,$(p))),$(p))),$(1))
CHOSEN = $(call chosen,$(E2E_SCRIPTS) $(E2E) $(UNIT) $(FUZZ))
RUN = BUILD=$(abspath $(B)) tests/run -j $(JOBS)

.PHONY: check unit e2e
check: tests | $(B)/deps-tests-ok ## install what is missing, build, run every test
	$(Q)$(RUN) $(CHOSEN)

unit: $(UNIT) $(FUZZ) | $(B)/deps-tests-ok ## run the unit tests and replay the fuzzers' corpora
	$(Q)$(RUN) $(UNIT) $(FUZZ)

e2e: next $(BINARIES) $(HELPERS) $(E2E) $(CHILDREN) $(SHARED) $(B)/stage.ok | $(B)/deps-tests-ok ## run the end-to-end tests
	$(Q)$(RUN) $(filter-out $(UNIT) $(FUZZ),$(CHOSEN))

# The long forms of what `check` has the short forms of.
SOAK := $(addprefix $(B)/tests/fault/,fault_soak fault_malloc fault_pid_reuse)
.PHONY: soak
soak: $(BINARIES) $(HELPERS) $(CHILDREN) $(SHARED) $(SOAK) | $(B)/deps-tests-ok ## faults at length: kills for SOAK_SECONDS (600) [SEED=], PIDs, memory
	$(Q)SOAK_SECONDS=$(SOAK_SECONDS) SOAK_KILLS=$(SOAK_KILLS) SEED=$(SEED) FAULT_ALL=1 TIMEOUT=3600 \
		$(RUN) $(call chosen,$(SOAK))

.PHONY: asan valgrind demo
asan: ## the whole suite under AddressSanitizer and UBSan, in build-asan/
	+$(Q)$(MAKE) --no-print-directory B=build-asan SAN=address,undefined CFLAGS='-O1 -g' check

# Those that make a child with shared memory, or wait on a pidfd, cannot run there (valgrind 3.19 knows
# neither): they have ASan and LSan.
NOT_UNDER_VALGRIND := %/test_pidinfo %/test_spawn %/test_logger %/test_logger_kill

valgrind: $(B)/deps-tools-ok $(UNIT) ## the unit tests under valgrind
	$(Q)UNDER_VALGRIND=1 $(RUN) --wrap 'valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite' \
		$(filter-out $(NOT_UNDER_VALGRIND),$(UNIT))

demo: $(BINARIES) $(HELPERS) | $(B)/deps-tests-ok ## watch foster at work, in ten seconds
	$(Q)tests/demo $(B)

# ---- fuzzing, coverage, speed ------------------------------------------------------------------

.PHONY: fuzz fuzzers
fuzz: $(B)/deps-tools-ok ## each fuzzer (or TESTS) for FUZZ_SECONDS (60), JOBS at a time, in build-fuzz/
	+$(Q)$(MAKE) --no-print-directory B=build-fuzz CC=clang CFLAGS='-O1 -g' \
		SAN=fuzzer-no-link,address,undefined fuzzers
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_JOBS=$(JOBS) tests/fuzz/run build-fuzz \
		$(notdir $(call chosen,$(FUZZ)))

FUZZERS := $(patsubst $(B)/tests/fuzz/%,$(B)/fuzzers/%,$(FUZZ))
fuzzers: $(call chosen,$(FUZZERS))
$(FUZZERS): $(B)/fuzzers/%: $(B)/obj/tests/fuzz/%.o $(B)/libfoster.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS_ALL)

.PHONY: cover
cover: $(B)/deps-tools-ok ## the suite with coverage, in build-cover/: a line a file
	$(Q)find build-cover -name '*.gcda' -delete 2>/dev/null || :
	+$(Q)$(MAKE) --no-print-directory B=build-cover CFLAGS='-O0 -g' COVERAGE=--coverage LDFLAGS=--coverage tests
	-$(Q)$(MAKE) --no-print-directory B=build-cover CFLAGS='-O0 -g' COVERAGE=--coverage LDFLAGS=--coverage check \
		| tail -n 1 # what runs as nobody cannot write its counts, and says so where a test looks
	$(Q)lcov -q --capture --directory build-cover --base-directory . --no-external \
		--output-file build-cover/all.info
	$(Q)lcov -q --remove build-cover/all.info '*/tests/*' --output-file build-cover/cover.info
	$(Q)lcov --list build-cover/cover.info

BENCH := $(patsubst %.c,$(B)/%,$(wildcard tests/bench/bench_*.c))
bench_SRC := $(filter-out tests/bench/bench_% %/tiny.c %/empty.c,$(wildcard tests/bench/*.c)) \
	tests/e2e/varlink.c
$(BENCH): $(B)/%: $(B)/obj/%.o $(call objs,$(bench_SRC)) $(B)/libfoster.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_ALL)

# The measured child has no libc: its first instruction is ours.
$(B)/tests/bench/tiny: tests/bench/tiny.c | $(B)/deps-ok
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -I. -std=gnu17 $(WARN) -O2 -nostdlib -static -ffreestanding -fno-stack-protector \
		-fno-pie -no-pie -Wl,-z,noseparate-code,--build-id=none -o $@ $<

$(B)/tests/bench/empty: tests/bench/empty.c | $(B)/deps-ok
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 $(WARN) -O2 -o $@ $<

.PHONY: bench
bench: $(BINARIES) $(HELPERS) $(BENCH) $(CHILDREN) $(B)/tests/bench/tiny $(B)/tests/bench/empty ## speed and memory beside the raw system calls
	$(Q)tests/bench/run $(B) $(ROWS)

# ---- lint --------------------------------------------------------------------------------------

C_SRC = $(sort $(shell find conf ctl daemon tests -name '*.c'))
C_ALL = $(C_SRC) $(sort $(shell find conf ctl daemon tests -name '*.h'))
SCRIPTS = $(sort $(shell grep -rlE --exclude-dir='build*' --exclude-dir=.git --exclude-dir=corpus \
	'^#!/bin/(ba)?sh|^\# shellcheck shell=' . ))
PYTHON = $(sort $(shell find daemon ctl conf tests -name '*.py'))
MAN = $(wildcard packaging/man/*.[1-8])
TIDIED = $(C_SRC:%.c=$(B)/lint/%.tidy)
ANALYZED = $(patsubst %.c,$(B)/lint/%.analyzed,$(filter-out tests/%,$(C_SRC))) # tests may lack memory

.PHONY: lint lint-format lint-tidy lint-analyzer lint-cppcheck lint-scripts lint-child format
lint: lint-format lint-scripts lint-child lint-cppcheck lint-analyzer lint-tidy ## every static check
	@echo 'lint: clean'

lint-format: $(B)/deps-tools-ok
	$(Q)clang-format --dry-run -Werror $(C_ALL)

format: $(B)/deps-tools-ok ## lay out the C sources
	$(Q)clang-format -i $(C_ALL)

lint-scripts: $(B)/deps-tools-ok
	$(Q)shellcheck -x $(SCRIPTS)
	$(Q)$(foreach f,$(PYTHON),PYTHONPYCACHEPREFIX=$(abspath $(B))/lint/py python3 -m py_compile $(f) &&) :
	$(Q)$(if $(MAN),mandoc -Tlint -Wwarning $(MAN))

lint-child: $(B)/obj/daemon/keeper/spawn_child.o
	$(Q)tests/lint-child $<

lint-cppcheck: $(B)/deps-tools-ok
	$(call say,LINT,cppcheck)
	$(Q)mkdir -p $(B)/lint/cppcheck
	$(Q)cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability \
		--inline-suppr --suppressions-list=tests/cppcheck.txt --library=tests/cppcheck.cfg \
		--cppcheck-build-dir=$(B)/lint/cppcheck -j $(JOBS) \
		-I. -D_GNU_SOURCE -D__linux__ -D__x86_64__ -DFOSTER_VERSION='""' conf ctl daemon tests

# One stamp a file, made anew when the file or a header of it has changed.
lint-tidy: $(TIDIED)
$(B)/lint/%.tidy: %.c $(B)/obj/%.o .clang-tidy | $(B)/deps-tools-ok
	$(call say,TIDY,$<)
	$(Q)mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- -std=gnu17 $(CPPFLAGS) 2>$@.err || { cat $@.err; rm -f $@.err; exit 1; }
	$(Q)mv $@.err $@

# What this version gets wrong: it follows neither the cleanup attribute, nor objects kept in lists,
# nor outputs that are set on success only.
ANALYZER_BLIND := -Wno-analyzer-malloc-leak -Wno-analyzer-use-of-uninitialized-value

lint-analyzer: $(ANALYZED)
$(B)/lint/%.analyzed: %.c $(B)/obj/%.o | $(B)/deps-tools-ok
	$(call say,ANALYZE,$<)
	$(Q)mkdir -p $(@D)
	$(Q)gcc -std=gnu17 $(CPPFLAGS) -O1 -fanalyzer $(ANALYZER_BLIND) -Werror -c -o $@ $<

# ---- install -----------------------------------------------------------------------------------

# Files that name where things are installed: written for Debian's paths, as a package has them.
LOCATE = sed -e 's,/usr/sbin/fosterd,$(SBINDIR)/fosterd,g' -e 's,/usr/bin/fosterctl,$(BINDIR)/fosterctl,g' \
	-e 's,/etc/foster,$(SYSCONFDIR)/foster,g' -e 's,/run/foster,$(RUNDIR)/foster,g'
COMPLETION := $(wildcard packaging/completion/fosterctl.bash)

.PHONY: install uninstall
install: all ## install below DESTDIR, PREFIX, SYSCONFDIR
	$(Q)install -d $(addprefix $(DESTDIR),$(SBINDIR) $(BINDIR) $(LIBEXECDIR) $(UNITDIR) $(SYSCONFDIR)/foster)
	$(Q)install -m 755 $(B)/fosterd $(DESTDIR)$(SBINDIR)/
	$(Q)install -m 755 $(B)/fosterctl $(DESTDIR)$(BINDIR)/
	$(Q)install -m 755 $(B)/foster-supervisor $(B)/foster-logger $(B)/foster-forkserver \
		$(B)/foster-forkserver.py $(DESTDIR)$(LIBEXECDIR)/
	$(Q)for unit in foster.service foster.socket; do \
		$(LOCATE) packaging/systemd/$$unit > $(DESTDIR)$(UNITDIR)/$$unit && \
		chmod 644 $(DESTDIR)$(UNITDIR)/$$unit || exit 1; done
	$(Q)for page in $(MAN); do \
		to=$(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; install -d $${to%/*} && \
		$(LOCATE) $$page > $$to && chmod 644 $$to || exit 1; done
	$(Q)$(if $(COMPLETION),install -D -m 644 $(COMPLETION) \
		$(DESTDIR)$(DATADIR)/bash-completion/completions/fosterctl)
	$(Q)install -D -m 644 ctl/org.foster.Supervisor.varlink \
		$(DESTDIR)$(DATADIR)/foster/org.foster.Supervisor.varlink
	$(Q)install -d $(DESTDIR)$(DOCDIR) $(DESTDIR)$(SYSCONFDIR)/foster/conf.d
	$(Q)install -m 644 README.md LICENSE $(EXAMPLES) $(DESTDIR)$(DOCDIR)/
	$(Q)[ -e $(DESTDIR)$(SYSCONFDIR)/foster/foster.ini ] || \
		install -m 644 packaging/foster.ini $(DESTDIR)$(SYSCONFDIR)/foster/foster.ini

uninstall: ## remove what install put there; the configuration stays
	$(Q)rm -f $(addprefix $(DESTDIR),$(SBINDIR)/fosterd $(BINDIR)/fosterctl \
		$(UNITDIR)/foster.service $(UNITDIR)/foster.socket \
		$(DATADIR)/bash-completion/completions/fosterctl)
	$(Q)rm -f $(foreach p,$(notdir $(MAN)),$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(p)))/$(p))
	$(Q)rm -rf $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(DATADIR)/foster $(DESTDIR)$(DOCDIR)

.PHONY: dist clean help
dist: ## foster-VERSION.tar.gz from what is committed
	$(Q)mkdir -p $(B)
	$(Q)git archive --prefix=foster-$(VERSION)/ -o $(B)/foster-$(VERSION).tar.gz HEAD
	@echo $(B)/foster-$(VERSION).tar.gz

clean: ## remove everything built, all variants
	rm -rf build build-*

help: ## this list
	@sed -n 's/^\([a-z-]*\):.* ## \(.*\)/\1\t\2/p' Makefile | \
		while IFS='	' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done
	@sed -n '3,/^$$/s/^#  / /p' Makefile

.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
