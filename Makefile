# foster: one Makefile, no recursion. `make help` lists the targets.
#
#   B=build        where everything is built; other variants in build-asan/, build-fuzz/, …
#   SAN=address,undefined   build with sanitizers
#   CC= CFLAGS= LDFLAGS=    yours are kept; ours are added
#   PREFIX= SYSCONFDIR= RUNDIR= DESTDIR=   for install
#   V=1            show the commands

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
RUNDIR ?= /run
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBEXECDIR ?= $(PREFIX)/libexec/foster
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
B ?= build
VERSION := 0.1.0

CC ?= cc
CFLAGS ?= -O2 -g
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2))

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

# ---- what is made of what: who may depend on whom is said here, and the linker enforces it -----

base_SRC := $(wildcard daemon/base/*.c)
wire_SRC := $(wildcard ctl/wire/*.c)
conf_SRC := $(wildcard conf/*.c)
keeper_SRC := $(wildcard daemon/keeper/*.c)
supervisor_SRC := $(wildcard daemon/supervisor/*.c)
logger_SRC := $(wildcard daemon/logger/*.c)
forkserver_SRC := $(wildcard daemon/forkserver/*.c)
client_SRC := $(wildcard ctl/client/*.c)

objs = $(patsubst %.c,$(B)/obj/%.o,$(1))

PROGRAMS := fosterd foster-supervisor foster-logger foster-forkserver fosterctl
BINARIES := $(PROGRAMS:%=$(B)/%)
HELPERS := $(B)/foster-forkserver.py

.PHONY: all
all: $(BINARIES) $(HELPERS)

$(B)/fosterd: $(call objs,$(keeper_SRC) $(base_SRC))
$(B)/fosterd: LDLIBS = $(LIBS_EV) $(LIBS_SYSTEMD)
$(B)/foster-supervisor: $(call objs,$(supervisor_SRC) $(conf_SRC) $(wire_SRC) $(base_SRC))
$(B)/foster-supervisor: LDLIBS = $(LIBS_EV) $(LIBS_INI) $(LIBS_JSON) -lm
$(B)/foster-logger: $(call objs,$(logger_SRC) $(base_SRC))
$(B)/foster-logger: LDLIBS = $(LIBS_EV)
$(B)/foster-forkserver: $(call objs,$(forkserver_SRC) $(base_SRC))
$(B)/foster-forkserver: LDLIBS = -ldl
$(B)/fosterctl: $(call objs,$(client_SRC) $(wire_SRC) $(base_SRC))
$(B)/fosterctl: LDLIBS = $(LIBS_JSON)

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

$(B)/obj/%.o: %.c $(B)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# ---- tests -------------------------------------------------------------------------------------

# Everything but the mains, for unit tests and fuzzers.
lib_SRC := $(filter-out %/main.c,$(base_SRC) $(wire_SRC) $(conf_SRC) $(keeper_SRC) \
	$(supervisor_SRC) $(logger_SRC) $(forkserver_SRC) $(client_SRC))
$(B)/libfoster.a: $(call objs,$(lib_SRC))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

unit_SRC := $(wildcard tests/unit/test_*.c)
UNIT := $(unit_SRC:tests/unit/%.c=$(B)/tests/unit/%)
$(UNIT): $(B)/tests/unit/%: $(B)/obj/tests/unit/%.o $(B)/libfoster.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(B)/libfoster.a $(LIBS_TEST) $(LIBS_EV) $(LIBS_INI) \
		$(LIBS_JSON) $(LIBS_SYSTEMD) -ldl -lm

.PHONY: unit
unit: $(UNIT)
	$(Q)for t in $(UNIT); do $$t || exit 1; done

.PHONY: clean
clean:
	rm -rf build build-*

.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
