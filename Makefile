# evenkeel: build, test, lint, bench, fuzz, install. `make help` lists the targets.
#
# Overridable: CC CFLAGS CPPFLAGS LDFLAGS WERROR BUILD PREFIX DESTDIR CPU_ARCH SAN SHARED JOBS V=1 (show commands).
# The GPU: CUDA=0|1|auto CUDA_HOME CUDNN_HOME CUDA_ARCH="sm_90 sm_120" NVCCFLAGS.
# A part is a file: host/*/*.c, kernels/*/*.c, kernels/cuda/*.cu, tests/test_*.c, bench/bench_*.c and fuzz/fuzz_*.c are found by name, and other
# files in tests/ are linked into every test.

ifeq ($(origin CC),default)
CC := gcc
endif
BUILD    ?= build
PREFIX   ?= /usr/local
CPU_ARCH ?= native
SAN      ?=
# With sanitizers gcc warns of what cannot happen, by its own manual.
WERROR   ?= $(if $(SAN),,-Werror)
JOBS     ?= $(shell nproc 2>/dev/null || echo 2)
Q        := $(if $(V),,@)
SETUP    ?= tools/setup.sh

# The setup group that a clang build needs besides. Clang also warns where it cannot vectorise, sanitizers for one.
CLANG    := $(if $(findstring clang,$(CC)),clang)

PACKAGES := inih libpng zlib jansson
# 1: the programs share one libevenkeel.so, as in a bundle, where 40 copies of the GPU's code would be too many.
SHARED   ?=
# Contraction is off so that gcc, clang and nvcc round alike.
BASE     := -std=c11 -D_GNU_SOURCE -Iinclude -MMD -MP -ffp-contract=off -fno-math-errno -fopenmp -pthread $(if $(SHARED),-fPIC -ffunction-sections)
WARN     := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wconversion \
            -Wno-sign-conversion -Wpointer-arith -Wwrite-strings -Wundef $(if $(CLANG),-Wno-pass-failed) $(WERROR)
OPTIMISE := $(if $(SAN),-O1 -fno-omit-frame-pointer -fno-sanitize-recover=all,-O3) -g
SANITISE := $(if $(SAN),-fsanitize=$(SAN))
# Asked for at the first compile, not while this file is read: `make quickstart` may install the packages first.
# A bundle does without libarchive, which brings 36 MB of tables with it, without cairo, which needs fonts, and without oneDNN, 40 MB.
OPTIONAL    = $(eval OPTIONAL := $(shell for p in libjpeg $(if $(SHARED),,libarchive cairo); do ! pkg-config --exists $$p || echo $$p; done))$(OPTIONAL)
PKG_CFLAGS  = $(eval PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) $(OPTIONAL)) \
    $(if $(filter libjpeg,$(OPTIONAL)),-DWITH_JPEG) $(if $(filter libarchive,$(OPTIONAL)),-DWITH_TAR) \
    $(if $(filter cairo,$(OPTIONAL)),-DWITH_CAIRO))$(PKG_CFLAGS)
PKG_LIBS    = $(eval PKG_LIBS := $(shell pkg-config --libs $(PACKAGES) $(OPTIONAL)))$(PKG_LIBS)
# LOCAL is what one folder or file adds; the user's own flags come last.
LOCAL       =
ALL_CFLAGS  = $(BASE) $(WARN) $(OPTIMISE) $(SANITISE) $(PKG_CFLAGS) $(LOCAL) $(CPPFLAGS) $(CFLAGS)
# A bundle's libraries lie beside its programs; the older kind of path serves the libraries' own needs too.
ALL_LDFLAGS = $(SANITISE) -fopenmp -pthread -Wl,--disable-new-dtags,-rpath,\$$ORIGIN/lib:\$$ORIGIN/../lib $(if $(SHARED),-Wl$(comma)--gc-sections) $(CFLAGS) $(LDFLAGS)
ALL_LIBS    = $(PKG_LIBS) -lm $(CUDA_LIBS)

# The CUDA backend: auto builds it where everything is there, 1 or says what is missing, 0 leaves it out. Under
# sanitizers it is left out: the vendor's libraries do not run with them (kernels do, in the emulator).
CUDA_ASKED := $(filter-out undefined,$(origin CUDA) $(origin CUDA_ARCH))
CUDA ?= auto
ifneq ($(if $(SAN),0,$(CUDA)),0)
include $(shell mkdir -p $(BUILD) && CUDA_HOME='$(CUDA_HOME)' CUDNN_HOME='$(CUDNN_HOME)' tools/find_cuda.sh \
    >$(BUILD)/cuda.mk; echo $(BUILD)/cuda.mk)
ifdef CUDA_MISSING
$(if $(filter auto,$(CUDA)),,$(error CUDA=$(CUDA): not found: $(CUDA_MISSING)))
else
WITH_CUDA := -DWITH_CUDA
CUDA_KERNELS := $(wildcard kernels/cuda/*.c)
CUDA_SOURCES := $(wildcard kernels/cuda/*.cu)
endif
endif
# Machine code for each, and of the last the text that newer devices compile for themselves.
CUDA_CODE = $(foreach a,$(CUDA_ARCH:sm_%=%),-gencode \
    arch=compute_$a,code=$(if $(filter sm_$a,$(lastword $(CUDA_ARCH))),[sm_$a$(comma)compute_$a],sm_$a))
# Where the C compiler is a cache's, so is this one.
CACHE := $(filter ccache,$(notdir $(realpath $(shell command -v $(firstword $(CC))))))
# Many CPUs compile for all of them at once. Contraction is off here as for the C compiler.
ALL_NVCCFLAGS = -std=c++17 -O3 $(if $(filter-out 1 2 3 4 5 6 7,$(JOBS)),--threads 0) -fmad=false -Xptxas -v -Iinclude -I. $(CUDA_CODE) $(CUDA_SMALL) -Xcompiler -Wall,-Wextra$(if $(SHARED),$(comma)-fPIC) \
    $(if $(WERROR),-Werror all-warnings) $(NVCCFLAGS)

MAIN         := host/cli/main.c
HOST         := $(filter-out $(MAIN),$(wildcard host/*/*.c))
KERNELS      := $(wildcard kernels/cpu/*.c)
TEST_SUPPORT := $(filter-out tests/test_%,$(wildcard tests/*.c))
# Whole trainings of code that other tests run too would take sanitizers minutes.
TEST_SOURCES := $(filter-out $(if $(SAN),tests/test_causes.c),$(wildcard tests/test_*.c))
# oneDNN is what two benches measure beside our own kernels, where it is installed (tools/setup.sh bench).
ONEDNN       := $(if $(SHARED),,$(wildcard $(addsuffix /dnnl.h,/usr/include /usr/local/include)))
BENCHES      := $(filter-out $(if $(ONEDNN),,bench/bench_conv.c),$(wildcard bench/bench_*.c))
FUZZERS      := $(wildcard fuzz/fuzz_*.c)
SOURCES      := $(MAIN) $(HOST) $(KERNELS) $(CUDA_KERNELS) $(TEST_SUPPORT) $(TEST_SOURCES) $(BENCHES) $(wildcard fuzz/*.c)
object        = $(patsubst %.c,$(BUILD)/%.o,$(1))
program       = $(patsubst %.c,$(BUILD)/%,$(1))

LIBRARY := $(BUILD)/$(if $(SHARED),lib/libevenkeel.so,libevenkeel.a)
PROGRAM := $(BUILD)/evenkeel
TESTS   := $(call program,$(TEST_SOURCES))
REPLAYS := $(patsubst fuzz/fuzz_%.c,$(BUILD)/fuzz/replay_%,$(FUZZERS))

.PHONY: all tests benches fuzzers replays
all: $(PROGRAM) ## build the program (the default)
tests: $(PROGRAM) $(TESTS) $(REPLAYS) benches
benches: $(call program,$(BENCHES))
fuzzers: $(call program,$(FUZZERS))

# ---- compiling ----

# Holds the compiler and its flags; changes only when they do, and then everything is compiled again.
stamp = mkdir -p $(@D) && $(1) >$@.new && { cmp -s $@.new $@ && rm $@.new || mv $@.new $@; }
$(BUILD)/flags: always
	@$(call stamp,echo '$(CC) $(ALL_CFLAGS) $(CPU_ARCH) $(ALL_LDFLAGS)')
# Likewise the version, which only the files that speak of it are compiled again for.
$(BUILD)/version: always
	@$(call stamp,tools/version.sh)
# And which backends there are.
$(BUILD)/backends: always
	@$(call stamp,echo '$(WITH_CUDA)')
# What the kernels will need of the CPU they run on, beyond what the compiler takes for granted anyway.
$(BUILD)/cpu_features: $(BUILD)/flags
	@macros() { echo | $(CC) $$1 -dM -E -x c - | sed -n 's/^#define \(__[A-Z0-9_]*__\) 1$$/\1/p'; }; \
	    macros >$@.any; macros '$(ARCH)' | grep -vxFf $@.any | sort | tr '\n' ' ' >$@

ARCH := $(if $(CPU_ARCH),-march=$(CPU_ARCH))
VERSIONED := $(call object,$(shell grep -ls EVENKEEL_VERSION $(SOURCES)))
$(VERSIONED): $(BUILD)/version
$(VERSIONED): private LOCAL += -DEVENKEEL_VERSION='"$(shell cat $(BUILD)/version)"'
$(BUILD)/host/base/machine.o: $(BUILD)/cpu_features
$(BUILD)/host/base/machine.o: private LOCAL += -DCPU_FEATURES='"$(shell cat $(BUILD)/cpu_features)"'
# Only the kernels are compiled for the machine's own instructions; the host runs anywhere and can say so.
$(call object,$(KERNELS)): private LOCAL += -I. $(ARCH)
# But products of tiles and loops over tensors, where the time goes, are there for every instruction set; the program
# takes the best one that the CPU has (kernels/cpu/tile.c).
ifneq ($(findstring x86_64,$(shell $(CC) -dumpmachine 2>/dev/null)),)
TILE_avx2   := -mavx2 -mfma
TILE_avx512 := $(TILE_avx2) -mavx512f -mavx512bw -mavx512vl -mavx512dq
TILE_bf16   := $(TILE_avx512) -mavx512bf16
TILE_amx    := $(TILE_bf16) -mamx-tile -mamx-bf16
$(foreach s,avx2 avx512 bf16 amx,$(eval $(BUILD)/kernels/cpu/tile_$s.o $(BUILD)/kernels/cpu/vector_$s.o: private LOCAL += $(TILE_$s)))
$(BUILD)/kernels/cpu/shuffle.o: private LOCAL += $(TILE_avx512)
endif
$(call object,$(CUDA_KERNELS)): private LOCAL += -I. $(CUDA_CFLAGS)
CUDA_KNOWING := $(call object,host/model/backend.c tests/described.c $(wildcard tests/test_cuda_*.c))
$(CUDA_KNOWING): $(BUILD)/backends
$(CUDA_KNOWING): private LOCAL += $(WITH_CUDA)
$(call object,$(filter tests/% bench/% fuzz/%,$(SOURCES))): private LOCAL += -I. -Itests

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC    $<')
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Likewise for the CUDA compiler. What it says of registers is kept, for tests/test_nvcc.sh.
$(BUILD)/nvccflags: always
	@$(call stamp,echo '$(CUDA_NVCC) $(ALL_NVCCFLAGS)')
$(BUILD)/%.cu.o: %.cu $(BUILD)/nvccflags
	@mkdir -p $(@D)
	$(if $(V),,@echo '  NVCC  $<')
	$(Q)$(CACHE) $(CUDA_NVCC) $(ALL_NVCCFLAGS) -MMD -MP -c -o $@ $< >$@.log 2>&1 || { cat $@.log; false; }

# ---- linking ----

define link
$(if $(V),,@echo '  LINK  $@')
$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a %.so,$^) $(1) $(ALL_LIBS)
endef

archive.a  = rm -f $@ && ar rcs $@ $^
archive.so = $(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,$(@F) -o $@ $^ $(ALL_LIBS)
$(LIBRARY): $(call object,$(HOST) $(KERNELS) $(CUDA_KERNELS)) $(CUDA_SOURCES:%=$(BUILD)/%.o)
	@mkdir -p $(@D)
	$(Q)$(archive$(suffix $@))
$(PROGRAM): $(call object,$(MAIN)) $(LIBRARY)
	$(link)
	$(if $(and $(CUDA_ASKED),$(CUDA_MISSING)),@echo '  (without the CUDA backend; not found: $(CUDA_MISSING))')
$(TESTS): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(call object,$(TEST_SUPPORT)) $(LIBRARY)
	$(call link,-lcmocka)
$(BUILD)/bench/bench_ops: $(BUILD)/bench/bench_ops.o $(BUILD)/bench/onednn.o $(BUILD)/tests/cases.o
$(BUILD)/bench/bench_stability: $(BUILD)/tests/tile_series.o
$(BUILD)/bench/bench_ops $(BUILD)/bench/bench_conv: private ALL_LIBS += $(if $(ONEDNN),-ldnnl)
$(call program,$(BENCHES)): $(BUILD)/bench/%: $(BUILD)/bench/%.o $(LIBRARY)
	$(link)
$(BUILD)/bench/onednn.o: private LOCAL += -Itests $(if $(ONEDNN),-DWITH_ONEDNN)
$(call program,$(FUZZERS)): $(BUILD)/fuzz/%: $(BUILD)/fuzz/%.o $(LIBRARY)
	$(call link,-fsanitize=fuzzer)
$(REPLAYS): $(BUILD)/fuzz/replay_%: $(BUILD)/fuzz/fuzz_%.o $(BUILD)/fuzz/replay.o $(LIBRARY)
	$(link)

include tests/emu/rules.mk

# ---- what people type ----

# Targets below may install packages first, so they build in a second make. It takes as many jobs as there are CPUs
# unless -j was given.
MAKE_ALL = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))

.PHONY: help setup quickstart stability test sanitize emu-schedules lint format bench bundle bundled bundle-check gpu-check gpu-bench fuzz bench-doctor compile_commands.json
help: ## list the targets
	@sed -n 's/^\([a-z_.-]*\):[^#]*## /\1 /p' $(firstword $(MAKEFILE_LIST)) | \
	    while read -r target text; do printf '  make %-24s%s\n' "$$target" "$$text"; done
	@sed -n 's/^# Overridable: /  variables: /p' $(firstword $(MAKEFILE_LIST))

setup: ## install the Debian packages that building, testing and lint need
	@$(SETUP) build test lint

# Unless asked for otherwise it builds for the GPU that is here and no other, which is soon done.
quickstart: ## from nothing to a trained classifier: packages, build, images, training
	@$(SETUP) build $(CLANG)
	+@$(MAKE_ALL) $(if $(CUDA_ASKED),,$(if $(CUDA_HERE),CUDA_ARCH=$(CUDA_HERE),CUDA=0)) all
	@EVENKEEL=$(PROGRAM) tools/quickstart.sh

# The whole grid; STABILITY=small does a part of it on small tiles, in some minutes.
STABILITY ?= full
STABILITY_full = data/tiles batch_size=8,16,32,64,128,256,512,1024,2048
STABILITY_small = data/tiles_small batch_size=8,32,128,512,1024 model.width=8 epochs=6 min_steps=0
stability: all ## sweep batch sizes and learning-rate rules (STABILITY=small: some minutes on two cores)
	@test -d $(firstword $(STABILITY_$(STABILITY))) || $(PROGRAM) synth $(firstword $(STABILITY_$(STABILITY))) \
	    $(if $(filter small,$(STABILITY)),--size 32 --per-class 120)
	@$(PROGRAM) sweep configs/batch_size_stability.ini $(wordlist 2,9,$(STABILITY_$(STABILITY))) \
	    data.train=$(firstword $(STABILITY_$(STABILITY)))/train data.val=$(firstword $(STABILITY_$(STABILITY)))/val \
	    --lr-rule constant,linear,sqrt --base-batch 64 --seeds 3 --jobs $(JOBS) --out runs/stability-$(STABILITY)

TEST_TIMEOUT ?= 300
# One more at a time than there are CPUs, as some wait: for a scheduler, a browser, a moment to be killed in.
PROVE = 9>&2 BUILD=$(BUILD) CC=$(CC) SAN=$(SAN) TEST_TIMEOUT=$(TEST_TIMEOUT) prove --timer -j$(shell expr $(JOBS) + 1) --failures --comments --exec tests/tap.sh
test: ## build and run all tests (SAN=address,undefined BUILD=build/asan: with sanitizers)
	@$(SETUP) build test $(CLANG)
	+@$(MAKE_ALL) tests
	@$(PROVE) $(wildcard tests/test_*.sh) $(EMU_PROGRAMS) $(TESTS)

sanitize: TEST_TIMEOUT = 900
sanitize: emu-schedules ## all tests under the address and undefined-behaviour sanitizers, kernels for GPUs also by clang's, for races, and in many schedules
	@$(MAKE) --no-print-directory test SAN=address,undefined,float-cast-overflow BUILD=$(BUILD)/asan TEST_TIMEOUT=$(TEST_TIMEOUT)
	+@$(MAKE_ALL) $(EMU_SANITIZED_PROGRAMS)
	@rm -f $(BUILD)/emu/launched
	@EMU_SCHEDULES=3 EMU_LAUNCHED='$(abspath $(BUILD))/emu/launched' $(PROVE) $(EMU_SANITIZED_PROGRAMS)
	@tests/emu/launched.sh '$(abspath $(BUILD))/emu/launched'

# The first two are fixed, the others random.
EMU_SCHEDULES ?= 34
emu-schedules: TEST_TIMEOUT = 900
emu-schedules: ## kernels for GPUs, emulated, give the same bits in EMU_SCHEDULES schedules (34)
	@$(SETUP) build test $(CLANG)
	+@$(MAKE_ALL) $(EMU_SCHEDULED)
	@EMU_SCHEDULES=$(EMU_SCHEDULES) $(PROVE) $(EMU_SCHEDULED)

lint: ## include rules, formatting, static analysis, a clang build
	@$(SETUP) build test lint
	+@BUILD=$(BUILD) MAKE='$(MAKE_ALL)' tools/lint.sh

format: ## format all C files in place
	clang-format-14 -i $(shell find host kernels include tests bench fuzz -name '*.[ch]' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' 2>/dev/null)

bench: ## build and run what is in bench/, then PyTorch beside it (BENCH=bench/name.c for one; PYTHON, COMPARE="--parts speed")
	@$(SETUP) build $(CLANG)
	+@$(MAKE_ALL) all benches
	@set -e; for b in $(call program,$(or $(BENCH),$(BENCHES))); do echo "== $$b"; $$b; done
	@$(if $(BENCH),,BUILD='$(abspath $(BUILD))' python3 bench/compare_pytorch.py $(COMPARE))

# Hours on two cores: what has been trained is kept in runs/faults, so it can be stopped and taken up again.
FAULTS ?= runs/faults
bench-doctor: all ## plant faults, train, and score the doctor's verdicts (EVENKEEL_DATA: real data; FAULTS: folder; hours)
	@mkdir -p $(FAULTS) bench/results
	@EVENKEEL='$(abspath $(PROGRAM))' python3 bench/faults/runs.py $(FAULTS) --part test --jobs $(JOBS)
	@EVENKEEL='$(abspath $(PROGRAM))' python3 bench/faults/score.py $(FAULTS) --part test --json bench/results/doctor.json
	@EVENKEEL='$(abspath $(PROGRAM))' python3 bench/faults/score.py $(FAULTS) --part test --budget 250% --every 4 --repair \
	    --json bench/results/doctor.json

# It goes to other machines, so it asks for no more of their CPUs than AVX2.
BUNDLE_ARCH ?= x86-64-v3
bundle: ## pack program, tests, benches and libraries into one folder that runs elsewhere: build/evenkeel-bundle.tar.zst
	@$(SETUP) build test $(CLANG)
	+@$(MAKE_ALL) BUILD=$(BUILD)/bundle SHARED=1 CPU_ARCH=$(BUNDLE_ARCH) bundled
	@BUILD=$(BUILD)/bundle LIMIT_MB=50 tools/bundle.sh $(BUILD)/evenkeel-bundle
bundled: $(PROGRAM) $(TESTS) benches
bundle-check: bundle ## and try it out in a folder of its own, without GPU: its size, what it wants, its ./gpu-check
	@CUOBJDUMP='$(dir $(CUDA_NVCC))cuobjdump' TEST_TIMEOUT=600 prove --failures --comments --exec tests/tap.sh tests/whole_bundle.sh :: \
	    '$(BUILD)/evenkeel-bundle.tar.zst' $(if $(WITH_CUDA),$(CUDA_ARCH))

gpu-check: ## everything to be run on a GPU, results in bench/results/ (PART="ops memory race train fashion bench ...", DEVICE, RESULTS)
	@$(SETUP) build test $(CLANG)
	+@$(MAKE_ALL) bundled
	@BUILD=$(BUILD) tools/gpu_check.sh
gpu-bench: ## speed alone: kernels beside the device's ceilings, whole steps, PyTorch's steps
	@$(SETUP) build test $(CLANG)
	+@$(MAKE_ALL) bundled
	@BUILD=$(BUILD) PART='bench bench50 free kernels torch torch18 torch50 torch50_bf16 torch50_fp16 torch50_fp32' tools/gpu_check.sh

FUZZ_SECONDS ?= 60
fuzz: ## run every fuzzer for FUZZ_SECONDS (clang)
	@$(SETUP) build lint
	+@$(MAKE_ALL) fuzzers CC=clang SAN=address,undefined,float-cast-overflow,fuzzer-no-link BUILD=$(BUILD)/fuzzers
	@BUILD=$(BUILD)/fuzzers FUZZ_SECONDS=$(FUZZ_SECONDS) JOBS=$(JOBS) tools/fuzz.sh

compile_commands.json: ## what editors and clang tools read
	@{ echo '['; $(foreach s,$(SOURCES),printf '%s{"directory": "%s", "file": "%s", "command": "%s"}' \
	    '$(if $(filter-out $(firstword $(SOURCES)),$s),$(comma))' '$(CURDIR)' '$s' '$(call command_of,$s)';) echo ']'; } >$@
comma := ,
command_of = $(CC) $(BASE) $(WARN) $(OPTIMISE) $(PKG_CFLAGS) $(if $(filter host/%,$1),-DEVENKEEL_VERSION=\\\"0\\\" \
    -DCPU_FEATURES=\\\"\\\",-I. -Itests) -c $1

# ---- installing ----

BIN        = $(DESTDIR)$(PREFIX)/bin
MAN1       = $(DESTDIR)$(PREFIX)/share/man/man1
COMPLETION = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
SHARE      = $(DESTDIR)$(PREFIX)/share/evenkeel

.PHONY: install uninstall clean always
install: $(PROGRAM) ## install below PREFIX (DESTDIR is put before it)
	install -d $(BIN) $(MAN1) $(COMPLETION) $(SHARE)/configs/slurm
	install -m 755 $(PROGRAM) $(BIN)/evenkeel
	install -m 644 docs/evenkeel.1 $(MAN1)/evenkeel.1
	install -m 644 completions/evenkeel $(COMPLETION)/evenkeel
	install -m 644 $(wildcard configs/*.ini) $(SHARE)/configs
	install -m 644 $(wildcard configs/slurm/*) $(SHARE)/configs/slurm
	install -m 644 LICENSE $(SHARE)/LICENSE

uninstall: ## remove what install put there
	rm -f $(BIN)/evenkeel $(MAN1)/evenkeel.1 $(COMPLETION)/evenkeel
	rm -rf $(SHARE)

clean: ## remove what was built
	rm -rf $(BUILD) compile_commands.json

-include $(patsubst %.c,$(BUILD)/%.d,$(SOURCES)) $(CUDA_SOURCES:%=$(BUILD)/%.d)
.SECONDARY:
.DELETE_ON_ERROR:
