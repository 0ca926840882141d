# gatherd: see README.md. Targets: deps all demo test lint check-asan check-tsan
# check-systemd check-metrics fuzz bench format docs install uninstall dist deb rpm clean;
# packaging/package.mk has the checks of packages, and check-service for all of them
SHELL := /bin/bash
.DELETE_ON_ERROR:

# make V=1 shows the commands.
QUIET := $(if $(V),,@)
say = $(if $(V),@:,@printf '  %-4s %s\n')

VERSION := 0.1.0
ifeq ($(origin CC),default)
CC := gcc
endif
BUILD ?= build
SAN ?=
PYTHON := /usr/bin/python3
FUZZ_SECONDS ?= 20

PKG_CONFIG ?= pkg-config
PACKAGES := libmicrohttpd libcurl zlib jansson yaml-0.1 libxxhash libsystemd
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES) 2>/dev/null)

# Packages set it to nothing: a compiler of next year may warn of more.
WERROR ?= -Werror
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla -Wundef $(WERROR)
HARDENING := -fstack-protector-strong -fPIE
OPTIMISE ?= -O2 -g
ifneq ($(SAN),)
SANFLAGS := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
OPTIMISE := -O1 -g
else
HARDENING += $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,-D_FORTIFY_SOURCE=2)
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
	$(say) LINK $@
	$(QUIET)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(LIBRARY): $(OBJECTS)
	$(say) AR $@
	$(QUIET)rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(say) CC $<
	$(QUIET)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(say) TEST $<
	$(QUIET)$(CC) $(CPPFLAGS) -Itests $(CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(LIBRARY) $(LIBS) -lcmocka

# The programs behind tests/reference.
$(BUILD)/reference/%: tests/reference/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(say) TEST $<
	$(QUIET)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(LIBRARY) $(LIBS)

-include $(shell find $(BUILD)/daemon $(BUILD)/unit $(BUILD)/reference $(BUILD)/fuzz_* -name '*.d' -type f 2>/dev/null)

.PHONY: clean
clean:
	rm -rf build

# --- What this machine needs, from Debian packages -------------------------------

DEPS_GROUPS := build demo test bench package container systemd release
.PHONY: deps $(DEPS_GROUPS:%=deps-%)
deps: deps-test deps-bench
$(DEPS_GROUPS:%=deps-%): deps-%:
	@packaging/deps.sh $*

# --- Run ---------------------------------------------------------------------

# Recursive, so that a fresh machine has its packages before flags are computed.
.PHONY: demo
demo: deps-demo
	@$(MAKE) -s all
	@ONCE="$(ONCE)" tests/demo/run.sh $(BUILD)/gatherd

# --- Test --------------------------------------------------------------------

PYTEST := $(PYTHON) -m pytest -q -p no:cacheprovider

.PHONY: test check-unit check-process check-systemd check-metrics lint check-asan check-tsan fuzz
test: deps-test
	@$(MAKE) all
	@$(MAKE) lint
	@$(MAKE) check-unit
	@$(MAKE) check-process
	@$(MAKE) check-metrics

lint: $(BUILD)/gatherd
	@$(PYTHON) tests/lint/lint.py $(BUILD)

check-unit: $(UNIT_TESTS) $(BUILD)/reference/shape_cli
	@for unit in $(UNIT_TESTS); do $$unit > $$unit.log 2>&1 \
		&& echo "ok   $$(basename $$unit): $$(grep -c '       OK ' $$unit.log) tests" \
		|| { cat $$unit.log; echo "FAIL $$unit"; exit 1; }; done

check-process: $(BUILD)/gatherd $(BUILD)/reference/shape_cli
	@GATHERD=$(abspath $(BUILD)/gatherd) $(PYTEST) $(if $(SKIP_ONCE),-m "not once") tests/process

# Under a real systemd, in a Debian tree that boots in namespaces: needs root, so it is
# not part of `make test`. TREE= is a pristine Debian tree to copy (without it debootstrap
# makes one, of SUITE=) while there is no copy yet; DEB= is a package to install.
SUITE ?= bookworm
SYSTEMD_TREE := $(BUILD)/systemd/$(SUITE)
check-systemd: deps-systemd
	@$(MAKE) -s all
	@SUITE=$(SUITE) tests/systemd/tree.sh $(SYSTEMD_TREE) $(BUILD)/gatherd $(TREE)
	@BUILD=$(abspath $(BUILD)) $(PYTHON) -B tests/systemd/check.py --tree $(SYSTEMD_TREE) $(if $(DEB),--deb $(DEB)) \
		$(if $(ONLY),--only "$(ONLY)") $(if $(REQUESTS),--requests $(REQUESTS))

# /metrics, conf/alerts.yaml and conf/grafana-dashboard.json before a real Prometheus; without
# one, Debian's package (19 MB) is unpacked in build/prometheus, and nothing is installed. The
# alert rules also with made-up figures, tests/metrics/rules.yaml.
check-metrics: $(BUILD)/gatherd
	@GATHERD=$(abspath $(BUILD)/gatherd) $(PYTHON) -B tests/metrics/check.py build/prometheus

check-asan: export ASAN_OPTIONS = detect_leaks=1:detect_stack_use_after_return=1
check-asan: deps-test
	@$(MAKE) BUILD=build/asan SAN=address,undefined all
	@$(MAKE) BUILD=build/asan SAN=address,undefined check-unit check-process

check-tsan: export TSAN_OPTIONS = halt_on_error=1:second_deadlock_stack=1
check-tsan: deps-test
	@$(MAKE) BUILD=build/tsan SAN=thread all
	@$(MAKE) BUILD=build/tsan SAN=thread check-unit check-process

# libFuzzer, a few seconds per target from its seed corpus; what it finds stays in build/fuzz.
FUZZ_BUILD := build/fuzz
FUZZ_CC = $(firstword $(foreach name,clang-14 clang-19,$(if $(shell command -v $(name)),$(name))) clang)
fuzz: deps-test
	@$(MAKE) BUILD=$(FUZZ_BUILD) CC=$(FUZZ_CC) SAN=fuzzer-no-link,address,undefined $(FUZZERS:%=$(FUZZ_BUILD)/%)
	@for target in $(FUZZERS); do name=$${target#fuzz_}; mkdir -p $(FUZZ_BUILD)/found/$$name; \
		echo "fuzz $$name for $(FUZZ_SECONDS) s"; \
		$(FUZZ_BUILD)/$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
			-print_final_stats=1 -artifact_prefix=$(FUZZ_BUILD)/found/$$name/ \
			$(FUZZ_BUILD)/found/$$name tests/fuzz/corpus/$$name > $(FUZZ_BUILD)/$$target.log 2>&1 \
			|| { tail -40 $(FUZZ_BUILD)/$$target.log; exit 1; }; \
		grep -h 'number_of_executed_units' $(FUZZ_BUILD)/$$target.log; done

$(FUZZ_BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(say) FUZZ $<
	$(QUIET)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-missing-prototypes $(LDFLAGS) -fsanitize=fuzzer -o $@ $< $(LIBRARY) $(LIBS)

# --- Measure -------------------------------------------------------------------

# QUICK=1: one or two minutes, written to build/bench.
.PHONY: bench
bench: deps-bench
	@$(MAKE) -s all
	@BUILD="$(abspath $(BUILD))" QUICK="$(QUICK)" bench/run.sh

# CPU per call of the two carriers of upstream calls, in one process.
.PHONY: bench-carriers
bench-carriers: $(LIBRARY)
	$(QUIET)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $(BUILD)/carrier_bench bench/carrier_bench.c $(LIBRARY) $(LIBS)
	$(QUIET)$(BUILD)/carrier_bench

# From an upstream's last byte to the line at a client that reads a stream.
.PHONY: bench-stream
bench-stream: $(BUILD)/gatherd
	@GATHERD=$(abspath $(BUILD)/gatherd) $(PYTHON) bench/stream_latency.py

# Throughput, latency and CPU with 1, 2 and 4 workers.
.PHONY: bench-workers
bench-workers: deps-test $(BUILD)/gatherd
	@mkdir -p $(BUILD)/bench
	$(QUIET)for program in load upstream; do \
		$(CC) -std=gnu11 -O2 -Wall -Wextra -D_GNU_SOURCE -o $(BUILD)/bench/$$program bench/$$program.c || exit 1; done
	@$(PYTHON) -B bench/workers.py --build $(BUILD)

# --- Habits ----------------------------------------------------------------------

.PHONY: format docs
format:
	@find daemon tests bench -name '*.[ch]' -print0 | xargs -0 clang-format-14 -i

docs: $(BUILD)/gatherd
	$(BUILD)/gatherd --print-reference > docs/reference.md
	$(BUILD)/gatherd --print-man > docs/man/gatherd.yaml.5

include packaging/package.mk
