#!/bin/sh
# `evenkeel sweep` from outside: whole sweeps; stopped, killed at random moments, two at once; failed runs.
# shellcheck source=tests/sweeps.sh
. "$(dirname "$0")/sweeps.sh"

explain() {
    echo "exit status was $status"
    tail -n 8 err
}
call() {
    "$program" "$@" >out 2>err
    status=$?
}
exited() { [ "$status" -eq "$1" ]; }
says() { grep -q -- "$1" err; }

tiny 16 4
echo 'checkpoint_steps = 25' >>tiny.ini
words='sweep tiny.ini batch_size=5,20 --seeds 2'

call $words --out whole
ok "a sweep does all runs, prints its table and folder" 'exited 0' 'grep -q "evenkeel report whole$" out' '[ "$(tail -n 1 out)" = whole ]' 'grep -q "^ *20  *2  *0 " out' \
    '[ "$(wc -l <whole/sweep.csv)" = 3 ]' 'grep -q "\"recommendation\"" whole/sweep.json' '[ "$(runs whole DONE)" = 4 ]' 'says "4/4 "'
call $words --out whole
ok "done once, nothing is done again" 'exited 0' '! says "4/4 "' '[ "$(find whole -name DONE -newer err | wc -l)" = 0 ]'
call $words --out pairs --jobs 2
ok "two at a time: the same runs" 'exited 0' 'same whole pairs'
timeout -s KILL 120 env --ignore-signal=CHLD "$program" $words --out ignored >out 2>err
status=$?
ok "begun by who ignores the ends of its children" 'exited 0' 'same whole ignored'
call sweep tiny.ini batch_size=5,10 --out whole
ok "another sweep's folder is refused" 'exited 73' 'says "--out"' '[ "$(runs whole DONE)" = 4 ]'
call sweep whole batch_size=5
ok "a plan is not changed by words" 'exited 64'

for line in 1 2 3 4; do call $words --out lines --line $line; done
ok "line by line, each in the calling process: the same runs" 'exited 0' 'same whole lines'
call sweep lines --line 5
ok "a line that the plan has not" 'exited 64' 'says "from 1 to 4"'
call sweep whole --table --target 0.001
ok "the table alone, to another target" 'exited 0' 'grep -q never out' '! says "runs"'

# ---- stopped ----
long='epochs=400 stats.console_seconds=1000'
"$program" $words $long --out stopped --jobs 2 >out 2>err &
parent=$!
until ls stopped/*/checkpoints/last >/dev/null 2>&1; do sleep 0.05; done
kill -TERM $parent
wait $parent
status=$?
ok "SIGTERM: the runs save, 75, how to go on" 'exited 75' 'says "to go on: .* sweep stopped"' '[ "$(runs stopped FAILED)" = 0 ]' \
    'grep -q "\"event\":\"stopped\"" stopped/1-*/log.jsonl'
"$program" $words $long --out stopped2 >out 2>err &
parent=$!
until ls stopped2/*/checkpoints/last >/dev/null 2>&1; do sleep 0.05; done
kill -INT $parent
wait $parent
status=$?
ok "SIGINT: 130" 'exited 130' 'says "to go on"'
endless tiles/train/*/*0.png
for signal in TERM INT; do
    [ $signal = TERM ] && expected=75 || expected=130
    "$program" $words data.train=endless.csv data.val= --out early$signal >out 2>err &
    parent=$!
    until child=$(pgrep -P $parent) && is_loading "$child"; do sleep 0.01; done
    kill -$signal $parent
    wait $parent
    status=$?
    ok "SIG$signal while images are read: $expected, and no run has a result" "exited $expected" 'says "^0 of 4 runs are done"' '! says error' \
        '! says "not begun"' 'grep -q "before the first step" early$signal/*.log'
done
rm endless.csv

# ---- killed ----
kills=0
"$program" $words epochs=16 --out kept >out 2>err || true
while :; do
    "$program" $words epochs=16 --out killed --jobs 2 >out 2>err &
    parent=$!
    sleep "0.$(od -An -N1 -tu1 /dev/urandom | awk '{ printf "%03d", 30 + $1 }')"
    kill -9 $parent 2>/dev/null || break
    wait $parent 2>/dev/null
    kills=$((kills + 1))
    [ $kills -lt 12 ] || break
done
wait $parent 2>/dev/null
# The runs of a killed parent save and end by themselves; until then they hold their locks.
tries=10
call $words epochs=16 --out killed
while says 'another process' && [ $tries -gt 0 ]; do
    tries=$((tries - 1))
    sleep 0.3
    call $words epochs=16 --out killed
done
echo "# killed $kills times"
ok "the parent killed at any moment: equal to a sweep that was let be" 'exited 0' '[ $kills -gt 1 ]' '[ "$(runs killed DONE)" = 4 ]' 'same kept killed'

# ---- two at once ----
"$program" $words epochs=16 --out both >out1 2>err1 &
one=$!
"$program" $words epochs=16 --out both >out2 2>err &
two=$!
wait $one || touch one_failed
wait $two || touch two_failed
call sweep both
ok "two sweeps at once share the runs" 'exited 0' '[ ! -e one_failed ]' '[ ! -e two_failed ]' 'same kept both'

# ---- failed runs ----
call sweep tiny.ini lr=0.01,1000 optim.name=sgd bad_steps=2 --out failed
ok "a run that diverges is a result" 'exited 0' 'says "diverged at step [0-9]"' '[ "$(runs failed FAILED)" = 1 ]' '[ "$(runs failed DONE)" = 1 ]'
call sweep failed
ok "and stays one" 'exited 0' '[ "$(runs failed FAILED)" = 1 ]' '! says "to go on"'
mv tiles away
call sweep tiny.ini batch_size=5,20 --out missing
ok "no images: an error that says so, and no folder" 'exited 66' 'says "error: data.train: .*tiles/train"' '[ ! -e missing ]'
call sweep tiny.ini batch_size=5,20 --out elsewhere --slurm
ok "for Slurm it is a warning, as the tasks may have them" 'exited 0' 'says "error: data.train: .*tiles/train"' \
    'says "warning: .*not found on this machine"' '[ -x elsewhere/submit.sh ]'
mv away tiles
call sweep tiny.ini batch_size=5,20 --out missing data.val=tiles/val,tiles/none
ok "images that only some runs look for" 'exited 66' 'says "data.val: tiles/none"' '[ ! -e missing ]'
call sweep tiny.ini batch_size=5,20 --out missing --slurm
mv tiles away
call sweep missing
ok "images that went away since: an error that names the log" 'exited 66' 'says "mistakes in the config; more in missing/.*log"' \
    'says "to go on"' 'grep -q "error: data.train: .*tiles/train" missing/*.log' '[ "$(runs missing config.resolved.ini)" = 0 ]'
mv away tiles
call sweep missing
ok "and it goes on when they are back" 'exited 0' '[ "$(runs missing DONE)" = 2 ]'
call sweep tiny.ini batch_size=5,5000 --out large
ok "a batch larger than the data: an error, and no folder" 'exited 78' 'says "error: train.batch_size: .*lower train.batch_size"' '[ ! -e large ]'
call sweep tiny.ini train.device=cpu,cuda:77 --out unfit
ok "a device that only some runs look for and is not there: an error, and no folder" 'exited 69' 'says "error: train.device: cuda"' '[ ! -e unfit ]'
mkdir -p taken/2-batch_size-20-seed-0/mine
call sweep tiny.ini batch_size=5,20 --out taken
ok "a folder of a run's name that is no run stays" 'exited 73' 'says "2-batch_size-20-seed-0: is there already"' \
    '[ -d taken/2-batch_size-20-seed-0/mine ]' '[ ! -e taken/sweep.plan ]'

# ---- job scripts ----
for place in 'flat configs/slurm' 'own/bin share/evenkeel/configs/slurm' 'tree/build/san configs/slurm'; do
    folder=${place% *} tree=${place%%[/ ]*}
    mkdir -p "$folder" "$tree/${place#* }"
    cp "$program" "$folder/evenkeel"
    cp "$top"/configs/slurm/* "$tree/${place#* }"
    "$folder/evenkeel" sweep whole --slurm >out 2>err
    status=$?
    ok "a program in $folder finds its templates" 'exited 0' 'grep -q "$folder/evenkeel" whole/array.sbatch'
    rm -r "$tree"
done

mkdir alone
cp "$program" alone/evenkeel
alone/evenkeel sweep tiny.ini batch_size=5,20 --out bare --slurm >out 2>err
status=$?
ok "a program without its templates: an error, and no folder" 'exited 66' 'says "templates of the job scripts were not found"' '[ ! -e bare ]'

# ---- find-lr ----
call find-lr tiny.ini --steps 100 --restarts 1 --from 1e-4 --to 1 --out found
ok "find-lr suggests a rate and writes its files, no run" 'exited 0' 'grep -q "^suggested" out' '[ -s found/find_lr.csv ]' \
    '[ -s found/find_lr.png ] || says cairo' '[ ! -d runs ]'
call find-lr tiny.ini --from 100 --to 1000 --restarts 1
ok "find-lr: a range that begins where the loss diverges" 'exited 0' 'grep -q "^no rate .* lower --from, which is 100$" out' '! says again'
call find-lr tiny.ini --from 1 --to 0.1
ok "find-lr: an empty range" 'exited 64'
call find-lr tiny.ini --from 1e-40
ok "find-lr: rates that are none" 'exited 64' 'says "from 1e-12 to 1000"'
echo "1..$count"
