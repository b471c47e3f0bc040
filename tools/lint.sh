#!/bin/bash
# Everything `make lint` looks at. All checks run; it ends with 1 when one of them failed.
#   BUILD: where objects go; MAKE: the make command to build with
set -u
cd "$(dirname "$0")/.." || exit 66
BUILD=${BUILD:-build}
MAKE=${MAKE:-make}

# The folders that are there.
folders=()
for folder in host kernels include tests bench fuzz; do
    [ ! -d "$folder" ] || folders+=("$folder")
done
mapfile -t c_files < <(find "${folders[@]}" -name '*.[ch]' | sort)
mapfile -t cpp_files < <(find "${folders[@]}" -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' | sort)
mapfile -t scripts < <(ls tools/*.sh tests/*.sh completions/* .ci/run 2>/dev/null)
mapfile -t common < <(find kernels/common -name '*.h' 2>/dev/null | sort)
both=(base.h op.h augment.h random.h backend.h) # what the CUDA compiler, which is a C++ compiler, reads too

# compile_header COMPILER... HEADER: whether the header compiles on its own
compile_header() {
    local header=${*: -1}
    echo "#include \"$header\"" | "${@:1:$#-1}" -fsyntax-only -D_GNU_SOURCE -Wall -Wextra -Werror -Iinclude -I. - || {
        echo "$header: does not compile on its own with: ${*:1:$#-1}"
        return 1
    }
}

check_rules() { tools/check_rules.sh; }

check_headers() {
    local bad=0 header
    for header in include/*.h "${common[@]}"; do
        compile_header gcc -std=c11 -x c "${header#include/}" || bad=1
    done
    for header in "${both[@]}" "${common[@]}"; do
        compile_header clang++ -std=c++17 -x c++ "$header" || bad=1
    done
    return "$bad"
}

check_format() { clang-format-14 --dry-run -Werror "${c_files[@]}" "${cpp_files[@]}"; }

check_cppcheck() {
    mkdir -p "$BUILD/cppcheck"
    cppcheck --quiet -j2 --std=c11 --enable=warning,performance,portability --error-exitcode=1 --inline-suppr \
        --cppcheck-build-dir="$BUILD/cppcheck" --suppress=missingIncludeSystem --suppress=invalidPointerCast --template=gcc \
        -D__x86_64__ -Iinclude -I. "${folders[@]}"
}

check_shell() { shellcheck --severity=warning "${scripts[@]}"; }
# Where there is no nvcc this says so and passes.
check_nvcc() { ! NVCC_ARCH=all sh tests/test_nvcc.sh | grep -A 9 -e '^not ok' -e SKIP | grep -v '^ok' | tee -a /dev/stderr | grep -q '^not ok'; }
check_clang() { $MAKE CC=clang BUILD="$BUILD/clang" CUDA_ARCH=sm_90 tests benches; }

status=0
for check in rules headers format cppcheck shell nvcc clang; do
    from=$(date +%s)
    "check_$check"
    code=$?
    printf 'lint: %-9s %s (%d s)\n' "$check" "$([ $code = 0 ] && echo ok || echo FAILED)" $(($(date +%s) - from))
    [ $code = 0 ] || status=1
done
exit $status
