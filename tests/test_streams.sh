#!/bin/sh
# Commands whose caller closed stdin, stdout or stderr: nothing that is said lands in a file of the run.
program=$(realpath "${BUILD:-build}/evenkeel") here=$(realpath "$(dirname "$0")")
top=$(mktemp -d "${TMPDIR:-/tmp}/evenkeel-streams-XXXXXX") || exit 1
trap 'rm -rf "$top"' EXIT
# shellcheck source=tests/check.sh
. "$here/check.sh"
cd "$top" || exit 1

cat >tiny.ini <<'INI'
[data]
train = "tiles/train"
val = "tiles/val"
[model]
name = "mlp"
hidden = 8
[train]
epochs = 2
batch_size = 16
INI

# ends STATUS NAME: training that ends so has the files of one that nobody disturbed
ends() {
    [ "$status" -eq "$1" ] && [ -f "runs/$2/DONE" ] && cmp "runs/open/steps.csv" "runs/$2/steps.csv" &&
        [ "$(wc -l <"runs/$2/results.csv")" -eq 3 ] && ! grep -qv '^{' "runs/$2/log.jsonl"
}

"$program" synth tiles --per-class 10 --size 16 >said 2>&1
"$program" train tiny.ini run.name=open >said 2>&1
status=$?
check "a training" ends 0 open
"$program" train tiny.ini run.name=in <&- >said 2>&1
status=$?
check "stdin closed" ends 0 in
"$program" train tiny.ini run.name=err >said 2>&-
status=$?
check "stderr closed" ends 0 err
check "stdout has the folder alone" [ "$(cat said)" = runs/err ]
"$program" train tiny.ini run.name=out >&- 2>said
status=$?
check "stdout closed: a result that nobody got is no success" ends 74 out
check "and that is said" grep -q 'stdout: the result could not be written' said
"$program" train tiny.ini run.name=none <&- >&- 2>&-
status=$?
check "all closed" ends 74 none
echo "1..$count"
