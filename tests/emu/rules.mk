# The CUDA backend's sources compiled for the CPU, linked with the emulator and its tests, in variants: plain; asan (addresses
# and undefined behaviour) and clang (the same by clang, which sees other mistakes than gcc); tsan (races between the threads of
# a kernel; by clang, whose detector is ten times faster than g++'s). `make test` runs the plain ones, `make sanitize` the others,
# `make emu-schedules` the plain ones in many more schedules; none where the program itself is built with clang or sanitizers.

EMU_SANITIZED := $(if $(SAN)$(CLANG),,asan $(if $(shell command -v clang++),clang tsan))
EMU_VARIANTS  := $(if $(SAN)$(CLANG),,plain) $(EMU_SANITIZED)

EMU_CC_plain  := $(CC)
EMU_CC_asan   := $(CC)
EMU_CC_clang  := clang
EMU_CC_tsan   := clang
EMU_CXX_plain := g++
EMU_CXX_asan  := g++
EMU_CXX_clang := clang++
EMU_CXX_tsan  := clang++

EMU_OPTIONS_plain := -O2
EMU_OPTIONS_asan  := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DEMU_ASAN
EMU_OPTIONS_clang := $(EMU_OPTIONS_asan)
EMU_OPTIONS_tsan  := -O1 -fsanitize=thread -DEMU_TSAN
EMU_BASE := -DEMU -D_GNU_SOURCE -g -MMD -MP -ffp-contract=off -fno-math-errno -pthread -Wall -Wextra -Wundef \
            $(WERROR) -Itests/emu -Ikernels/cuda -Iinclude -I. -Itests

# cuDNN's and cuBLAS's calls are answered by stand-ins in tests/emu.
EMU_KERNELS := $(wildcard kernels/cuda/*.c kernels/cuda/*.cu)
EMU_SOURCES := $(wildcard tests/emu/*.c tests/emu/*.cpp)
EMU_TESTS   := $(filter tests/emu/test_%,$(EMU_SOURCES))
EMU_SELF    := $(filter-out $(EMU_TESTS),$(EMU_SOURCES))
# described.c is of the vendor's own libraries.
EMU_SUPPORT := $(filter-out tests/described.c,$(TEST_SUPPORT))
# Knows of the CUDA backend here, whatever the library was built with.
EMU_KERNELS += host/model/backend.c
emu_object   = $(addsuffix .o,$(addprefix $(BUILD)/emu/$(1)/,$(basename $(2))))
# Tests that serve any device (tests/mirror.h).
EMU_SHARED := $(addprefix tests/test_,flat.c gather.c joined.c loss.c ops.c op_vectors.c samples.c sketch.c statistics.c survey.c update.c)
# Takes minutes with the race detector, which sees every kernel without it (launched.sh). What runs the CPU backend too
# gives it one thread: the detector does not see the locks of OpenMP's runtime.
EMU_LEFT_OUT_tsan := tests/emu/test_training.c tests/test_statistics.c
# gcc's has run these; clang's runs every kernel, and whole steps.
EMU_LEFT_OUT_clang := tests/emu/test_training.c tests/test_statistics.c
emu_programs  = $(foreach v,$(1),$(patsubst tests/emu/%,$(BUILD)/emu/$v/%,$(basename $(filter-out $(EMU_LEFT_OUT_$v),$(EMU_TESTS)))) \
                  $(patsubst tests/%,$(BUILD)/emu/$v/shared/%,$(basename $(filter-out $(EMU_LEFT_OUT_$v),$(EMU_SHARED)))))
EMU_PROGRAMS := $(call emu_programs,$(filter plain,$(EMU_VARIANTS)))
# Whose results must be the same bits in as many schedules as EMU_SCHEDULES says.
EMU_SCHEDULED := $(filter %/test_flat %/test_step %/test_graph %/test_join $(BUILD)/emu/plain/shared/%,$(EMU_PROGRAMS))
EMU_SANITIZED_PROGRAMS := $(call emu_programs,$(EMU_SANITIZED))

# $(1): variant
define emu_rules
$(BUILD)/emu/$(1)/%.o: %.c $(BUILD)/flags tests/emu/rules.mk
	@mkdir -p $$(@D)
	$(if $(V),,@echo '  CC    $$< ($(1))')
	$(Q)$$(EMU_CC_$(1)) -std=c11 $$(EMU_OPTIONS_$(1)) $$(EMU_BASE) $$(LOCAL) -c -o $$@ $$<
$(BUILD)/emu/$(1)/%.o: %.cpp $(BUILD)/flags tests/emu/rules.mk
	@mkdir -p $$(@D)
	$(if $(V),,@echo '  CXX   $$< ($(1))')
	$(Q)$$(EMU_CXX_$(1)) -std=c++17 $$(EMU_OPTIONS_$(1)) $$(EMU_BASE) $$(LOCAL) -c -o $$@ $$<
$(BUILD)/emu/$(1)/%.o: %.cu $(BUILD)/flags tests/emu/rules.mk
	@mkdir -p $$(@D)
	$(if $(V),,@echo '  CXX   $$< ($(1))')
	$(Q)$$(EMU_CXX_$(1)) -std=c++17 -x c++ $$(EMU_OPTIONS_$(1)) $$(EMU_BASE) $$(LOCAL) -c -o $$@ $$<
# The scheduler's own accesses are none of the race detector's business.
$(call emu_object,$(1),$(EMU_SELF)): private LOCAL += -O2 -fno-sanitize=all
$(call emu_object,$(1),host/model/backend.c): private LOCAL += -DWITH_CUDA
$(call emu_object,$(1),kernels/cuda/device.c): private LOCAL += -include tests/emu/weak.h
$(call emu_object,$(1),kernels/cuda/norm_spared.c): private LOCAL += -DEVENKEEL_VERSION='"emulated"'
$(call emu_object,$(1),kernels/cuda/libraries.c): private LOCAL += -include tests/emu/loader.h
$(BUILD)/emu/$(1)/test_%: $(BUILD)/emu/$(1)/tests/emu/test_%.o $(call emu_object,$(1),$(EMU_SELF) $(EMU_KERNELS)) \
    $(call object,$(EMU_SUPPORT)) $(LIBRARY)
	$$(call emu_link,$(1))
$(BUILD)/emu/$(1)/shared/test_%: $(BUILD)/emu/$(1)/tests/test_%.o $(call emu_object,$(1),$(EMU_SELF) $(EMU_KERNELS)) \
    $(call object,$(EMU_SUPPORT)) $(LIBRARY)
	$$(call emu_link,$(1))
endef
define emu_link
$(if $(V),,@echo '  LINK  $@')
@mkdir -p $(@D)
$(Q)$(EMU_CXX_$(1)) $(EMU_OPTIONS_$(1)) -pthread -o $@ $(filter %.o %.a,$^) -lcmocka $(ALL_LIBS) -lgomp
endef
$(foreach v,$(EMU_VARIANTS),$(eval $(call emu_rules,$v)))

tests: $(EMU_PROGRAMS)
-include $(patsubst %.o,%.d,$(foreach v,$(EMU_VARIANTS),$(call emu_object,$v,$(EMU_SOURCES) $(EMU_SHARED) $(EMU_KERNELS))))
