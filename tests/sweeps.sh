# What the tests of sweeps share; read by them, in their first lines. Sets top, program, work (an empty folder, which it
# goes to) and count.
# shellcheck shell=sh disable=SC2034 # used by those
top=$(cd "$(dirname "$0")/.." && pwd)
program=$top/${BUILD:-build}/evenkeel
case ${BUILD:-build} in /*) program=$BUILD/evenkeel ;; esac
work=$(mktemp -d "${TMPDIR:-/tmp}/sweep.XXXXXX") || exit 1
# shellcheck source=tests/loading.sh
. "$top/tests/loading.sh"
cd "$work" || exit 1
trap 'rm -rf "$work"' EXIT
count=0

# ok NAME CONDITION…: passes when every condition, a command line, does; else shows what the caller's explain prints.
ok() {
    name=$1
    shift
    count=$((count + 1))
    for condition in "$@"; do
        eval "$condition" && continue
        echo "not ok $count - $name"
        echo "# failed: $condition"
        explain 2>&1 | sed 's/^/# /'
        return
    done
    echo "ok $count - $name"
}

# runs SWEEP NAME: how many of its runs have a file of that name.
runs() { find "$1" -name "$2" | wc -l; }

# same SWEEP SWEEP: the same plan and runs, with the same weights and steps.
same() {
    cmp -s "$1/sweep.plan" "$2/sweep.plan" || return 1
    for run in "$1"/*/; do
        other=$2/$(basename "$run")
        cmp -s "$run/steps.csv" "$other/steps.csv" || return 1
        cmp -s "$run/checkpoints/last/model.safetensors" "$other/checkpoints/last/model.safetensors" || return 1
    done
}

# tiny HIDDEN EPOCHS [LINE]: tiles in a folder of that name, and tiny.ini, of a small network on them; LINE belongs to its
# [train], and [run] is its last section.
tiny() {
    "$program" synth tiles --per-class 12 --val-per-class 4 --size 16 >/dev/null 2>&1
    cat >tiny.ini <<END_OF_CONFIG
[data]
train = "tiles/train"
val = "tiles/val"
[model]
name = "mlp"
hidden = $1
[train]
epochs = $2
batch_size = 10
precision = "fp32"
${3:-}
[stats]
console_seconds = 3600
[run]
END_OF_CONFIG
}
