#!/bin/sh
# Every CUDA kernel compiles for every architecture and keeps its variables in registers: what spills to local memory is
# several times slower, and nothing else would tell. Four registers (16 bytes) are let pass: the compiler gives them up on its
# own so that more blocks fit on a multiprocessor.
#   NVCC_ARCH="sm_80 sm_90" tests/test_nvcc.sh        default: sm_90; all: those that CUDA_ARCH has by default
cd "$(dirname "$0")/.." || exit 1
variables=$(tools/find_cuda.sh)
nvcc=$(echo "$variables" | sed -n 's/^CUDA_NVCC := //p')
flags=$(echo "$variables" | sed -n 's/^CUDA_CFLAGS := *//p')
archs=${NVCC_ARCH:-sm_90}
[ "$archs" != all ] || archs=$(echo "$variables" | sed -n 's/^CUDA_ARCH ?= *//p')
if [ -z "$nvcc" ]; then
    echo "1..0 # SKIP no nvcc: $variables"
    exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/nvcc.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT

codes=''
for arch in $archs; do
    codes="$codes -gencode arch=compute_${arch#sm_},code=$arch"
done
# The options of the Makefile that change code.
export nvcc flags codes work
# shellcheck disable=SC2016 # for the inner shell
printf '%s\n' kernels/cuda/*.cu | xargs -P 2 -I '{}' sh -c '
    name=$(basename "$1" .cu)
    # shellcheck disable=SC2086 # words
    $nvcc -std=c++17 -O3 -fmad=false -Iinclude -I. $flags $codes -Xptxas -v -fatbin -o "$work/$name.fatbin" "$1" \
        >"$work/$name.log" 2>&1 || echo "FAILED" >>"$work/$name.log"' sh '{}'

count=0
for arch in $archs; do
    for source in kernels/cuda/*.cu; do
        count=$((count + 1))
        log=$work/$(basename "$source" .cu).log
        # A kernel: "Compiling entry function 'NAME' for 'sm_90'", then its stack and spills; "Function properties for NAME"
        # is of what it could not inline.
        if verdict=$(awk -v arch="$arch" '
            /^FAILED/ { failed = 1 }
            /Compiling entry function/ { split($0, quoted, "\047"); kernel = quoted[2]; here = quoted[4] == arch; kernels += here }
            here && /bytes spill stores/ {
                for (i = 2; i < NF; i++)
                    if ($(i + 1) == "bytes" && $(i + 2) == "spill" && $i > 16) spilt[kernel] = 1
            }
            END {
                for (kernel in spilt) print "spills: " kernel
                if (failed || !kernels) print "does not compile"
                for (kernel in spilt) failed = 1
                exit failed || !kernels
            }' "$log"); then
            echo "ok $count - $source for $arch"
        else
            echo "not ok $count - $source for $arch"
            echo "$verdict" | c++filt | sed 's/^/# /'
            grep -i 'error' "$log" | head -n 5 | sed 's/^/# /'
        fi
    done
done
echo "1..$count"
