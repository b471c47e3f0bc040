#!/bin/sh
# A sweep as a job array on a real Slurm of two nodes on loopback: tasks that are told of their time limit, put back into
# the queue, or killed; the table that waits for all of them. The result must be that of a sweep that was let be.
PATH=$PATH:/usr/sbin
top=$(cd "$(dirname "$0")/.." && pwd)
program=$top/${BUILD:-build}/evenkeel
case ${BUILD:-build} in /*) program=$BUILD/evenkeel ;; esac
# Its tasks are timed: sanitizers make them too slow for it.
[ -z "${SAN:-}" ] || {
    echo "1..0 # SKIP not under sanitizers"
    exit 0
}
for command in slurmctld slurmd sbatch munged setsid; do
    command -v $command >/dev/null || {
        echo "1..0 # SKIP $command is not installed (tools/setup.sh slurm)"
        exit 0
    }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/slurm.XXXXXX") || exit 1
cluster=$work/cluster
SLURM_CONF=$cluster/slurm.conf
export SLURM_CONF
trap '"$top/tools/slurm_cluster.sh" down "$cluster"; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
cd "$work" || exit 1
count=0

# ok NAME CONDITION…: passes when every condition, a command line, does.
ok() {
    name=$1
    shift
    count=$((count + 1))
    for condition in "$@"; do
        eval "$condition" && continue
        echo "not ok $count - $name"
        echo "# failed: $condition"
        { squeue --all; tail -n 5 err array/slurm-*.log "$cluster"/slurmctld.log; } 2>&1 | sed 's/^/# /'
        return
    done
    echo "ok $count - $name"
}
# wait_for SECONDS COMMAND…
wait_for() {
    tries=$(($1 * 5))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.2
    done
}
saved() { ls array/"$1"-*/checkpoints/last >/dev/null 2>&1; }
is_over() { [ -z "$(squeue --noheader --all --states=PENDING,RUNNING,COMPLETING,CONFIGURING,SUSPENDED)" ]; }
state_of() { squeue --noheader --all --format=%T --jobs="$1" 2>/dev/null; }
job_of() { sed -n 's/^array \([0-9]*\), then table \([0-9]*\):.*/\1/p' out; }
# The evenkeel process of a line of the plan.
process_of() { pgrep -f -- "$program sweep $work/array --line $1\$"; }
restarts_of() { scontrol show job "$job"_"$1" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p'; }
done_runs() { find "$1" -name DONE | wc -l; }
same() {
    for run in "$1"/*/; do
        other=$2/$(basename "$run")
        cmp -s "$run/steps.csv" "$other/steps.csv" || return 1
        cmp -s "$run/checkpoints/last/model.safetensors" "$other/checkpoints/last/model.safetensors" || return 1
    done
}

"$program" synth tiles --per-class 12 --val-per-class 4 --size 16 >/dev/null 2>&1
cat >tiny.ini <<'END_OF_CONFIG'
[data]
train = "tiles/train"
val = "tiles/val"
[model]
name = "mlp"
hidden = 96
[train]
epochs = 800
batch_size = 10
precision = "fp32"
threads = 1
[run]
checkpoint_epochs = 20
[stats]
console_seconds = 3600
END_OF_CONFIG

"$top/tools/slurm_cluster.sh" up "$cluster" >/dev/null 2>err
ok "two nodes are up on loopback" '[ "$(sinfo --noheader --format=%D%T)" = 2idle ]'

words='sweep tiny.ini batch_size=6,10 --seeds 2'
"$program" $words --out array --slurm --jobs 2 --submit >out 2>err
job=$(job_of)
ok "submitted: an array of two tasks at a time, and the table after it" '[ -n "$job" ]' 'grep -q "array=1-4%2" array/array.sbatch' \
    '[ "$(state_of "$(sed -n "s/.*then table \([0-9]*\):.*/\1/p" out)")" = PENDING ]'

# Each of the first three tasks is disturbed as soon as it has saved something, long before its end.
# Killed, as by a lack of memory: that task has failed.
wait_for 60 saved 2
victim=$(process_of 2)
[ -z "$victim" ] || kill -9 "$victim"
# A signal as Slurm sends it a minute before the time limit: the run saves, the task goes back into the queue.
wait_for 60 saved 1
scancel --signal=USR2 --batch "${job}_1"
# Preempted.
wait_for 60 saved 3
scontrol requeue "${job}_3"
wait_for 240 is_over
ok "the array is over, tasks that went back into the queue have ended" 'is_over' '[ "$(restarts_of 1)" -ge 1 ]' \
    '[ "$(restarts_of 3)" -ge 1 ]' '[ -n "$victim" ]' '[ "$(done_runs array)" = 3 ]' 'grep -q "stopped by a signal" array/slurm-1.log'
ok "the table was made all the same, and says what is missing" 'grep -q "1 of 2" array/sweep.txt' '[ -s array/sweep.json ]'

array/submit.sh >out 2>err
wait_for 120 is_over
ok "submitted again: what was left is done, and only that" '[ "$(done_runs array)" = 4 ]' '! grep -q "of 2" array/sweep.csv' \
    'grep -q "^ *10 .*" array/sweep.txt' '[ "$(grep -c "\"event\":\"environment\"" array/4-*/log.jsonl)" = 1 ]'
"$program" $words --out whole --jobs 2 >/dev/null 2>err
ok "the same runs, bit for bit, as a sweep on this machine that was let be" 'same whole array' '[ "$(done_runs whole)" = 4 ]'
echo "1..$count"
