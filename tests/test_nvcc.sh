#!/bin/sh
# Every CUDA kernel compiles for every architecture and keeps its variables in registers: what spills to local memory is
# several times slower, and nothing else would tell. Read from what nvcc said when the program was built.
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
# Those it was built for; by default all.
archs=$(grep -o 'arch=compute_[0-9a-z]*' "$build/nvccflags" 2>/dev/null | sed 's/arch=compute_/sm_/' | sort -u)
if [ -z "$archs" ] || [ ! -f "$build/kernels/cuda/flat.cu.o.log" ]; then
    echo "1..0 # SKIP built without the CUDA backend"
    exit 0
fi

count=0
for arch in $archs; do
    for source in kernels/cuda/*.cu; do
        count=$((count + 1))
        log=$build/$source.o.log
        # A kernel: "Compiling entry function 'NAME' for 'sm_90'", then its stack and spills; "Function properties for NAME"
        # is of what it could not inline.
        if verdict=$(awk -v arch="$arch" '
            /Compiling entry function/ { split($0, quoted, "\047"); kernel = quoted[2]; here = quoted[4] == arch; kernels += here }
            here && /bytes spill stores/ {
                for (i = 2; i < NF; i++)
                    if ($(i + 1) == "bytes" && $(i + 2) == "spill" && $i > 0) spilt[kernel] = 1
            }
            END {
                for (kernel in spilt) print "spills: " kernel
                if (!kernels) print "not compiled"
                for (kernel in spilt) failed = 1
                exit failed || !kernels
            }' "$log"); then
            echo "ok $count - $source for $arch"
        else
            echo "not ok $count - $source for $arch"
            echo "$verdict" | c++filt | sed 's/^/# /'
        fi
    done
done
echo "1..$count"
