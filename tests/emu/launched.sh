#!/bin/bash
# Whether the race detector has seen every kernel of kernels/cuda: each `__global__` there must have been run by one of the
# emulator's programs under clang's thread sanitizer. `make sanitize` asks, when these programs have run.
#   tests/emu/launched.sh FILE      FILE: what EMU_LAUNCHED was set to (launched.cpp)
set -euo pipefail
cd "$(dirname "$0")/../.."
file=${1:?the file that EMU_LAUNCHED named}

# FILE.cu NAME of every kernel in the source
written() {
    local source name
    for source in kernels/cuda/*.cu; do
        name=${source##*/}
        tr -s ' \n' '  ' <"$source" | grep -oP '__global__ void (__launch_bounds__\([^)]*\) )?\w+(?=\()' | sed "s|.* |$name |"
    done | sort -u
}
# The same of every kernel that has run, by the debugger's tables of the programs
run() {
    local program
    grep '/emu/tsan/' "$file" | cut -d ' ' -f 1 | sort -u | while read -r program; do
        awk -v program="$program" '$1 == program { print $2 }' "$file" | addr2line -f -C -e "$program"
    done | paste -d '\t' - - | sed -nE 's/\(anonymous namespace\):://g; s|^([a-z]+ )?([a-z_]+::)*([a-z_0-9]+)[<(].*/kernels/cuda/([a-z_]+\.cu):.*|\4 \3|p' | sort -u
}

if ! grep -q '/emu/tsan/' "$file" 2>/dev/null; then
    echo 'launched: no program with the race detector has run; it wants clang++' >&2
    command -v clang++ >/dev/null && exit 1
    exit 0
fi
written >"$file.written"
run >"$file.run"
missing=$(comm -23 "$file.written" "$file.run")
echo "launched: $(comm -12 "$file.written" "$file.run" | wc -l) of $(wc -l <"$file.written") kernels have run under the race detector"
if [ -n "$missing" ]; then
    echo "launched: no test runs these under it:" >&2
    echo "$missing" >&2
    exit 1
fi
