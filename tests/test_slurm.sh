#!/bin/sh
# A sweep as a job array on a real Slurm of two nodes on loopback: tasks that are told of their time limit, put back into
# the queue, or killed; the table that waits for all of them. The result must be that of a sweep that was let be.
PATH=$PATH:/usr/sbin
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
# shellcheck source=tests/sweeps.sh
. "$(dirname "$0")/sweeps.sh"
cluster=$work/cluster
SLURM_CONF=$cluster/slurm.conf
export SLURM_CONF
trap '"$top/tools/slurm_cluster.sh" down "$cluster"; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

explain() {
    squeue --all
    tail -n 5 err array/slurm-*.log "$cluster"/slurmctld.log
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
node_of() { squeue --noheader --jobs="${job}_$1" --format=%N; }
restarts_of() { scontrol show job "$job"_"$1" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p'; }

tiny 96 800 'threads = 1'
echo 'checkpoint_epochs = 20' >>tiny.ini

"$top/tools/slurm_cluster.sh" up "$cluster" >/dev/null 2>err
ok "two nodes are up on loopback" '[ "$(sinfo --noheader --partition=test --format=%D%T)" = 2idle ]'

words='sweep tiny.ini batch_size=6,10 --seeds 2'
"$program" $words --out array --slurm --jobs 2 --submit >out 2>err
job=$(job_of)
ok "submitted: an array of two tasks at a time, and the table after it" '[ -n "$job" ]' 'grep -q "array=1-4%2" array/array.sbatch' \
    '[ "$(state_of "$(sed -n "s/.*then table \([0-9]*\):.*/\1/p" out)")" = PENDING ]'

# Each task is disturbed as soon as it has saved something, long before its end.
# Killed, as by a lack of memory: that task has failed.
wait_for 60 saved 2
victim=$(process_of 2)
[ -z "$victim" ] || kill -9 "$victim"
# Of the last task the run alone is told to end, as soon as there is a node for it: it saves and ends with 75.
{
    wait_for 60 saved 4
    kill -TERM "$(process_of 4)"
} &
# A signal as Slurm sends it a minute before the time limit: the run saves, the task goes back into the queue.
wait_for 60 saved 1
scancel --signal=USR2 --batch "${job}_1" & # it may take ten seconds to return
# Preempted: by a job of a partition that goes before, on the same node.
wait_for 60 saved 3
sbatch --partition=urgent --nodelist="$(node_of 3)" --output=/dev/null --wrap='sleep 1' >/dev/null
wait
wait_for 240 is_over
ok "the array is over, tasks that went back into the queue have ended" 'is_over' '[ "$(restarts_of 1)" -ge 1 ]' \
    '[ "$(restarts_of 3)" -ge 1 ]' 'grep -q "DUE TO PREEMPTION" array/slurm-3.log' '[ "$(restarts_of 4)" -ge 1 ]' \
    'grep -q "stopped by a signal" array/slurm-4.log' '[ -n "$victim" ]' '[ "$(runs array DONE)" = 3 ]' 'grep -q "stopped by a signal" array/slurm-1.log'
ok "the table and the report were made all the same, and says what is missing" 'grep -q "1 of 2" array/sweep.txt' '[ -s array/sweep.json ]' \
    '[ -s array/report.html ]' 'grep -q "array/report.html" array/sweep.txt'

array/submit.sh >out 2>err
wait_for 120 is_over
ok "submitted again: what was left is done, and only that" '[ "$(runs array DONE)" = 4 ]' '! grep -q "of 2" array/sweep.csv' \
    'grep -q "^ *10 .*" array/sweep.txt' '[ "$(grep -c "\"event\":\"environment\"" array/4-*/log.jsonl)" = 2 ]'
"$program" $words --out whole --jobs 2 >/dev/null 2>err
ok "the same runs, bit for bit, as a sweep on this machine that was let be" 'same whole array' '[ "$(runs whole DONE)" = 4 ]'
echo "1..$count"
