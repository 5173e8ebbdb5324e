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
        -Wvla -Wundef -Wimplicit-fallthrough
STD := -std=gnu11 -D_GNU_SOURCE
DEPFLAGS = -MMD -MP
SAN := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
LIB_FLAGS := -fPIC -fvisibility=hidden -fno-plt -ftls-model=initial-exec -fno-builtin-malloc -fno-math-errno \
             -fno-stack-protector -fno-semantic-interposition

SHM_SRCS := shm-protocol/policy.c
LIB_SRCS :=
DAEMON_SRCS :=
CTL_SRCS :=

all: $(B)/libhakmem.so $(B)/libhakmem.a $(B)/hakmemd $(B)/hakctl ## build everything

.PHONY: all demo check bench lint install clean help
