# evenkeel: build, test, bench, quickstart, install. `make help` lists the targets.
# Overridable: CC CFLAGS CPPFLAGS LDFLAGS BUILD PREFIX DESTDIR CPU_ARCH SAN V.

BUILD    ?= build
PREFIX   ?= /usr/local
CPU_ARCH ?= native
SAN      ?=
Q        := $(if $(V),,@)

PACKAGES := inih libpng zlib jansson
# Contraction is off so that gcc, clang and nvcc round alike.
BASE     := -std=c11 -D_GNU_SOURCE -Iinclude -MMD -MP -ffp-contract=off -fno-math-errno -fopenmp -pthread
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wconversion \
            -Wno-sign-conversion -Wpointer-arith -Wwrite-strings -Wundef -Werror
OPTIMISE := $(if $(SAN),-O1 -fno-omit-frame-pointer -fno-sanitize-recover=all,-O3) -g
SANITISE := $(if $(SAN),-fsanitize=$(SAN))
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || cat VERSION 2>/dev/null || echo unknown)
# Looked up when first compiling, not while reading this file: `make setup` may install them first.
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES))
PKG_LIBS   = $(shell pkg-config --libs $(PACKAGES))
ALL_CFLAGS  = $(BASE) $(WARN) $(OPTIMISE) $(SANITISE) $(PKG_CFLAGS) $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = $(SANITISE) -fopenmp -pthread $(LDFLAGS)
ALL_LIBS    = $(PKG_LIBS) -ldnnl -lm

HOST    := $(filter-out host/cli/main.c,$(wildcard host/*/*.c))
KERNELS := $(wildcard kernels/cpu/*.c)
LIBRARY := $(BUILD)/libevenkeel.a
OBJECTS := $(HOST:%.c=$(BUILD)/%.o) $(KERNELS:%.c=$(BUILD)/%.o)
PROGRAM := $(BUILD)/evenkeel
TEST_SUPPORT := $(filter-out tests/test_%.c,$(wildcard tests/*.c))
TESTS   := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))

.PHONY: all tests clean
all: $(PROGRAM)

$(PROGRAM): $(BUILD)/host/cli/main.o $(LIBRARY)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(LIBRARY): $(OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $^

# Only the kernels are built for the machine's own instruction set.
$(BUILD)/kernels/%.o: kernels/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -march=$(CPU_ARCH) -c -o $@ $<

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DEVENKEEL_VERSION='"$(VERSION)"' -c -o $@ $<

tests: $(TESTS) $(PROGRAM)
$(BUILD)/tests/test_%: $(BUILD)/tests/test_%.o $(TEST_SUPPORT:%.c=$(BUILD)/%.o) $(LIBRARY)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS) -lcmocka

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(TESTS:=.d) $(TEST_SUPPORT:%.c=$(BUILD)/%.d) $(BUILD)/host/cli/main.d
.SECONDARY:
