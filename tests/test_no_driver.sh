#!/bin/sh
# A program built for GPUs where there is none: it trains on the CPU and says in one line why; asked for the GPU it ends
# with that line. Skipped where the CUDA backend is not built, and where there is a GPU.
build=${BUILD:-build}
case $("$build/evenkeel" devices 2>/dev/null | grep '^cuda ') in
*"no NVIDIA driver"*) ;;
'') echo "1..0 # SKIP built without the CUDA backend" && exit 0 ;;
*) echo "1..0 # SKIP there is a driver here" && exit 0 ;;
esac
top=$(mktemp -d "${TMPDIR:-/tmp}/evenkeel-no-driver-XXXXXX") || exit 1
trap 'rm -rf "$top"' EXIT

# shellcheck source=tests/check.sh
. "$(dirname "$0")/check.sh"
# train DEVICE: some steps; what it says is in said, its status in code
train() {
    "$build/evenkeel" train configs/quickstart.ini data.train="$top/tiles/train" data.val="$top/tiles/val" train.device="$1" \
        train.max_steps=2 run.dir="$top/runs" run.name="$1" >"$top/said" 2>&1
    code=$?
}
# why LINES: as many lines of what was said give the reason
why() { [ "$(grep -c 'no NVIDIA driver' "$top/said")" -eq "$1" ]; }

"$build/evenkeel" synth "$top/tiles" --per-class 20 --size 32 >/dev/null
train auto
check "trains without a driver" [ "$code" -eq 0 ]
check "says in one line why it uses the CPU" why 1
check "and that it does" grep -q 'no NVIDIA driver; using cpu$' "$top/said"
check "and has results" [ -s "$top/runs/auto/results.csv" ]
train cuda
check "asked for the GPU it ends" [ "$code" -eq 69 ]
check "with one line" why 1
check "before a run is begun" [ ! -e "$top/runs/cuda" ]
echo "1..$count"
