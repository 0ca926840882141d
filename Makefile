# gatherd: see README.md. Targets: deps all demo test lint check-asan check-tsan
# fuzz bench format install docs clean
SHELL := /bin/bash
.DELETE_ON_ERROR:

VERSION := 0.1.0
CC ?= gcc
BUILD ?= build
SAN ?=
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
DESTDIR ?=
PYTHON := /usr/bin/python3
FUZZ_SECONDS ?= 20

PACKAGES := libmicrohttpd libcurl jansson yaml-0.1 libsystemd
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS = $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wundef -Werror
HARDENING := -fstack-protector-strong -fPIE
OPTIMISE ?= -O2 -g
ifneq ($(SAN),)
SANFLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
OPTIMISE := -O1 -g
else
HARDENING += -D_FORTIFY_SOURCE=2
endif
override CFLAGS += -std=gnu11 $(OPTIMISE) $(WARNINGS) $(HARDENING) $(SANFLAGS) -pthread
override CPPFLAGS += -Idaemon -D_GNU_SOURCE -DGATHERD_VERSION='"$(VERSION)"' $(PKG_CFLAGS)
override LDFLAGS += -pie -Wl,-z,relro,-z,now -pthread $(SANFLAGS)
LIBS = $(PKG_LIBS)

SOURCES := $(filter-out daemon/main.c,$(wildcard daemon/*.c daemon/*/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
LIBRARY := $(BUILD)/libgatherd.a
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all
all: $(BUILD)/gatherd

$(BUILD)/gatherd: $(BUILD)/daemon/main.o $(LIBRARY)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(LIBRARY) $(LIBS) -lcmocka

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

.PHONY: clean
clean:
	rm -rf build
