#!/bin/sh
# The program from outside: commands, exit statuses, what goes to stdout; runs that are stopped, killed, starved of disk.
program=$(cd "$(dirname "$0")/.." && pwd)/${BUILD:-build}/evenkeel
case ${BUILD:-build} in /*) program=$BUILD/evenkeel ;; esac
# shellcheck source=tests/loading.sh
. "$(dirname "$0")/loading.sh"
work=$(mktemp -d "${TMPDIR:-/tmp}/cli.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
count=0

# ok NAME CONDITION…: the test passes when the condition, run as a command, does.
ok() {
    name=$1
    shift
    count=$((count + 1))
    if "$@"; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        echo "# $*: exit status was $status"
        sed 's/^/# out: /' out | head -n 5
        tail -n 5 err | sed 's/^/# err: /'
    fi
}
skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}
# call WORD…: runs the program; exit status in $status, its output in the files out and err.
call() {
    "$program" "$@" >out 2>err
    status=$?
}
says() { grep -q -- "$1" err; }
prints() { grep -q -- "$1" out; }
silent() { [ ! -s "$1" ]; }
lines() { [ "$(wc -l <"$1")" -eq "$2" ]; }
exited() { [ "$status" -eq "$1" ]; }
all() { # all 'command' 'command' …
    for condition in "$@"; do
        eval "$condition" || return 1
    done
}
same_run() {
    cmp -s "$1/checkpoints/last/model.safetensors" "$2/checkpoints/last/model.safetensors" &&
        cmp -s "$1/checkpoints/last/optim.safetensors" "$2/checkpoints/last/optim.safetensors" &&
        cmp -s "$1/checkpoints/best/model.safetensors" "$2/checkpoints/best/model.safetensors" &&
        cmp -s "$1/steps.csv" "$2/steps.csv" &&
        [ "$(wc -l <"$1/results.csv")" -eq "$(wc -l <"$2/results.csv")" ]
}

# ---- help and mistakes on the command line ----
call --help
ok "--help goes to stdout" all 'exited 0' 'prints "train"' 'silent err'
call --version
ok "--version is one line" all 'exited 0' 'prints "^evenkeel "' 'lines out 1'
for command in train sweep find-lr doctor runs report plot eval predict export check synth pack config model bench devices; do
    call $command --help
    ok "$command --help" all 'exited 0' 'prints "usage: evenkeel"' 'silent err' '"$program" help $command | cmp -s - out'
done
call
ok "no command: usage on stderr" all 'exited 64' 'silent out' 'says "usage"'
call trian
ok "unknown command: suggestion" all 'exited 64' 'silent out' "says \"did you mean 'train'\""
call train --resumee
ok "unknown option: suggestion" all 'exited 64' 'silent out' 'says "resume"'
call eval
ok "eval without a run" all 'exited 64' 'silent out'
call predict run image --top zero
ok "predict --top zero" all 'exited 64' 'says "whole number"'
call train nowhere.ini
ok "config file missing" all 'exited 66' 'silent out' 'says "nowhere.ini"'
call eval nowhere
ok "run missing" all 'exited 66' 'silent out'
call devices
ok "devices names the cpu" all 'exited 0' 'prints "^cpu"'
if prints "^cuda"; then
    ok "needs no library of CUDA's to start" all '! ldd "$program" | grep -E "libcu(da|dart|dnn|blas)"'
else
    skip "needs no library of CUDA's to start" 'built without CUDA'
fi

# ---- a data set and a run ----
call synth tiles --per-class 10 --val-per-class 4 --size 16
ok "synth prints the folder" all 'exited 0' 'lines out 1' '[ -d tiles/train ]'
cat >tiny.ini <<'END'
[data]
train = "tiles/train"
val = "tiles/val"
[model]
name = "mlp"
hidden = 16
[optim]
lr = 0.005
[train]
epochs = 12
batch_size = 10
precision = "fp32"
[augment]
hflip = 0.5
END
call train tiny.ini lrr=1
ok "misspelt key" all 'exited 78' 'silent out' 'says "lrr"'
call train tiny.ini batch_size=5000
ok "batch larger than the data" all 'exited 78' 'silent out' 'says "lower train.batch_size"' '[ ! -d runs ]'
call train tiny.ini device=gpu
ok "unknown device: suggestion" all 'exited 78' 'silent out' 'says "did you mean cuda?"' '[ ! -d runs ]'
# What is found out at different places is told together.
mkdir -p no-good/a no-good/b
cp tiles/train/road/00*.png no-good/a
cp tiles/train/beach/00*.png no-good/b
: >no-good/a/empty.png
: >no-good/b/empty.png
: >no-good/b/notes.txt
call train tiny.ini data.train=absent device=cuda:1000 augment.crop=500
ok "no such device, no such images, too large a crop: one report" all 'exited 78' 'says "error: train.device: "' \
    'says "error: data.train: absent: no such file or folder"' 'says "error: augment.crop: "' '[ ! -d runs ]'
call train tiny.ini data.train=absent
ok "images that are not there, alone" all 'exited 66' 'says "command line: error: data.train: absent: no such file"' '[ ! -d runs ]'
call train tiny.ini data.train=no-good data.val=no-good
ok "what is no good of training and validation images: one report" all 'exited 65' \
    '[ "$(grep -c "no-good/a/empty.png: the file is empty" err)" -ge 2 ]' \
    'says "^warning: no-good: 1 file in the class folders is left out, .*: .txt 1"' '[ ! -d runs ]'
# Where next to nothing is left, the reason comes before what the config cannot do with it.
set -- tiles/train/road/*.png
printf '%s\n%s\n' "$1" "$2" >unlabelled.csv
printf '%s,road\n%s\n%s\n' "$1" "$2" "$3" >half.csv
call train tiny.ini data.train=unlabelled.csv data.val=
ok "a list without labels: each line is named" all 'exited 65' 'says "unlabelled.csv:1: there is no label"' \
    'says "unlabelled.csv:2: there is no label"' '! says "(null)"' '[ ! -d runs ]'
call train tiny.ini data.train=unlabelled.csv data.val= data.on_error=skip
ok "the same, skipping" all 'exited 65' 'says "unlabelled.csv:1: there is no label"' 'says "no image is left"'
call check tiny.ini data.train=unlabelled.csv data.val=
ok "the same, checked" all 'exited 65' 'says "unlabelled.csv:1: there is no label"' 'says "no image is left"'
call train tiny.ini data.train=half.csv data.val=
ok "a list with one good line: the others are named" all 'exited 65' 'says "half.csv:2: there is no label"' \
    'says "half.csv:3: there is no label"' '! says "one class only"'
call train tiny.ini data.train=half.csv data.val= data.on_error=skip
ok "the same, skipping: what is left out before what is left" all 'exited 78' 'says "half.csv:2: there is no label"' \
    "says \"one class only, 'road'\""
call check tiny.ini data.train=half.csv data.val=
ok "the same, checked" all 'exited 78' 'says "half.csv:2: there is no label"' "says \"one class only, 'road'\""
cp "$1" 1.png
cp "$2" 2.png
echo 0 >1.cls
echo 1 >2.cls
tar cf apart.tar 1.png 2.png 1.cls 2.cls
call train tiny.ini data.train=apart.tar data.val=
if says 'built without'; then
    skip "a shard of samples that are torn apart: each is named" "built without libarchive"
else
    ok "a shard of samples that are torn apart: each is named" all 'exited 65' "says \"apart.tar: sample '1' has no label\"" \
        "says \"apart.tar: sample '2' has no image\"" '! says "(null)"'
fi
rm -- ?.png ?.cls
call config tiny.ini momentum=0.5 val_fraction=0.2
ok "config says which settings have no effect" all 'exited 0' 'prints "^momentum = 0.5"' 'says "optim.momentum = 0.5 has no effect"' \
    'says "data.val_fraction = 0.2 has no effect"'
call train tiny.ini
whole=$(cat out)
ok "train prints the run directory alone" all 'exited 0' 'lines out 1' '[ -f "$whole/DONE" ]'
ok "stderr is plain where it is no terminal" all '! grep -q "$(printf "\033")" err' '! grep -q "$(printf "\r")" err'
call train tiny.ini max_steps=6 run.name=short
ok "of too few steps the run says what to do for a verdict" says "^verdict    too few steps .*: go on by train --resume with train.min_steps=100\$"
ok "what max_steps ends in the first epoch has a result" all 'exited 0' 'says "^result     step 6: validation loss"' '! says "^best"'
call train "$whole/config.resolved.ini" run.name=again
ok "the resolved config trains the same run" all 'exited 0' 'same_run "$whole" runs/again'
# Validation images of classes that were filed under one another: four of ten, then all.
"$program" synth other --per-class 10 --val-per-class 1 --size 16 --seed 2 >out 2>err
rotate() {
    mv "other/train/$1" other/last
    while [ $# -gt 1 ]; do
        mv "other/train/$2" "other/train/$1"
        shift
    done
    mv other/last "other/train/$1"
}
rotate beach fields forest houses
call train tiny.ini data.val=other/train epochs=7 hidden=64 early_stop.monitor=val_accuracy run.name=sure
ok "a loss above guessing with many right answers: verdict and warning agree" all 'exited 0' \
    'says "^warning: .* where the network is wrong it is far too sure"' \
    'says "^verdict .*no use on validation"' '! says "nothing is wrong"'
call doctor runs/sure
ok "doctor says what train does" all 'exited 1' 'prints "^verdict .*no use on validation"' 'prints "^evidence .* far too sure"' \
    'prints "^action .*--probe"'
rotate industry meadow orchard river road water
call train tiny.ini data.val=other/train epochs=12 lr=0.001 hidden=64 early_stop.monitor=val_accuracy run.name=guess
ok "a loss above guessing with few: verdict and warning agree" all 'exited 0' 'says "^warning: .* that of guessing among 10"' \
    'says "^verdict .*no use on validation"' '! says "too sure"'
call doctor runs/short
ok "of six steps doctor says nothing" all 'exited 75' 'prints "^verdict    too few steps were recorded to say"' 'prints "^action     train on"'
call doctor runs/short --json
ok "doctor --json of six steps" all 'exited 75' 'prints "\"cause\": \"too_early\""'
call --quiet train tiny.ini epochs=1 run.name=quiet
ok "--quiet says nothing but warnings" all 'exited 0' '! grep -v "^warning: " err' 'lines out 1'
call eval "$whole"
sed -i "/^cuda: .*; using cpu\$/d" err # said by a program with CUDA where there is no GPU
ok "eval of the printed run" all 'exited 0' 'prints "^top-1"' 'prints "^road"' 'silent err'
call doctor "$whole"
ok "doctor of the printed run" all 'prints "^verdict"' 'prints "^action"' 'silent err'
call doctor "$whole" --json --probe
ok "doctor --json" all 'prints "\"cause\":"' 'prints "\"experiment\":"'
call train tiny.ini weight_decay=1 lr=0.001 hidden=64 epochs=24 run.name=decayed
decayed=$(cat out)
probe=$(sed -n 's/.*next .* doctor .*decayed \(--probe.*\)/\1/p' err)
call doctor "$decayed"
ok "doctor of a run with a fault" all 'exited 1' 'prints "^verdict    weight decay is stronger"' 'prints "^change     optim.weight_decay=0.01"'
# shellcheck disable=SC2086 # options, a word each
call doctor "$decayed" $probe
ok "what a run ends with is enough for trials" all '[ "$probe" = --probe ]' 'prints "^trials     [0-9]* updates each"' \
    "says \"^trials     [0-9]* trials, about [0-9]* updates, about [0-9]* s at the run's pace; Ctrl-C ends them\""
call doctor "$decayed" --budget 120
ok "doctor --budget: what it left out is said" all 'prints "learnt by heart  *not told: the budget was spent"' \
    'prints "rate x 4 .*not tried: the budget was spent"'
# Of what has crashed a share is too little for any trial. Nor is a rate lowered for ever where no rate is the cure.
call train tiny.ini model.init_scale=20 optim.name=sgd lr=0.1 hidden=64 threads=1 run.name=crashed
ok "a run that crashes" exited 1
call doctor runs/crashed --budget 100%
ok "doctor --budget: a share of next to nothing is the least that makes trials" all 'exited 1' \
    'says "^budget     100 % of the run.s [0-9]* updates are [0-9]*, too few for trials: up to [0-9]* are made, the least that makes trials"' \
    'prints "^trials     [0-9]* updates each"' 'prints "rate / 16 "' '! prints "rate / 4096 "' 'prints "learnt by heart  *[0-9]"'
call doctor "$decayed" --probe --budget 600% --apply nowhere/mended.ini
ok "doctor --apply: a file that cannot be written is said before trials" all 'exited 73' 'silent out' 'says "nowhere/mended.ini"'
call doctor "$decayed" --probe --budget 600% --apply mended.ini
ok "doctor --probe proves it and --apply mends it" all 'exited 1' 'prints "no weight decay .*proves it"' \
    'says "^written    mended.ini: .*; next: evenkeel train mended.ini$"' \
    'grep -q "^# confidence: proven: no weight decay lowered the loss by" mended.ini' 'grep -q "^weight_decay = 0$" mended.ini'
call doctor "$decayed"
ok "doctor takes up the experiments that were made" all 'exited 1' 'prints "no weight decay .*proves it"' 'prints "^change     optim.weight_decay=0$"'
# A run that may only be read: as folders in the way, which keep root from writing too.
cp -r "$decayed" kept && rm -f kept/trials.json && mkdir kept/trials.json kept/suspects.csv
call doctor kept --samples
ok "doctor --samples of a run that cannot be written to" all '[ "$status" -le 1 ]' 'prints "^labels  "' '! prints "^written"' \
    'says "^warning: kept/suspects.csv: .*what was found is only printed"'
call doctor kept --probe --budget 600%
ok "doctor --probe of a run that cannot be written to" all 'exited 1' 'prints "no weight decay .*proves it"' \
    'says "^warning: kept/trials.json: .*these trials are not kept"'
ln -s around around
call doctor around
ok "doctor of a folder that cannot be looked into" all 'exited 66' 'silent out' 'says "around: cannot be read: "' '! says "no run directory"'
call report "$decayed"
ok "report shows the experiments" all 'exited 0' 'grep -q "What changing one thing does" "$decayed/report.html"' \
    'grep -q "no weight decay" "$decayed/report.html"'
call train mended.ini
ok "the mended config trains" all 'exited 0' 'prints "repaired"'
call train tiny.ini lr=0.003 epochs=12 run.name=well
well=$(cat out)
call doctor "$well" --apply none.ini
ok "doctor of a healthy run" all 'exited 0' 'prints "^verdict    no fault found; .* % of validation"' '[ ! -e none.ini ]' \
    'says "nothing to mend, so none.ini is not written"'
# What is said without --apply is what it writes: copies of validation images left out of training, and no other copies.
cp -r tiles leaked
for class in leaked/val/*/; do
    for image in "$class"*; do
        cp "$image" "leaked/train/$(basename "$class")/copy-$(basename "$image")"
    done
done
cp "$(find tiles/train/road -name '*.png' | head -n 1)" leaked/train/road/twice.png
call train tiny.ini data.train=leaked/train data.val=leaked/val run.name=leak
call doctor runs/leak
ok "a leak: what is left out is said" all 'exited 1' 'prints "^change     data.leave_out=runs/leak/left-out.csv"' \
    'prints "^action     leave out of training the 40 copies of validation images"' '[ ! -e runs/leak/left-out.csv ]'
call doctor runs/leak --apply unleaked.ini
ok "and written" all 'exited 1' 'lines runs/leak/left-out.csv 41' '[ "$(grep -c copy- runs/leak/left-out.csv)" = 40 ]' \
    'grep -q "^leave_out = .*left-out.csv" unleaked.ini'
call train unleaked.ini
call doctor runs/leak-repaired
ok "and mends it" all '! prints "leakage"' '! prints "among the training images"'
mv leaked gone
call doctor runs/leak
ok "without the data the list says which" all 'exited 1' 'silent err' 'prints "^change     data.leave_out=runs/leak/left-out.csv"' \
    'prints "^action     leave out of training the 40 copies of validation images"'
rm runs/leak/left-out.csv
call doctor runs/leak
ok "without either nobody knows which" all 'exited 1' 'says "^warning: which images are to be left out is not known: "' \
    'prints "^action     take them out of one of the two"' '! prints "^change"'
# Classes that are others in validation: no setting mends it.
call synth others --per-class 40 --val-per-class 4 --size 16
mv others/val/beach others/val/was && mv others/val/fields others/val/beach && mv others/val/forest others/val/fields &&
    mv others/val/houses others/val/forest && mv others/val/industry others/val/houses && mv others/val/meadow others/val/industry &&
    mv others/val/orchard others/val/meadow && mv others/val/river others/val/orchard && mv others/val/road others/val/river &&
    mv others/val/water others/val/road && mv others/val/was others/val/water
call train tiny.ini data.train=others/train data.val=others/val run.name=others
call doctor runs/others --apply others.ini
ok "doctor --apply where no setting helps" all 'exited 1' '[ ! -e others.ini ]' 'prints "^verdict    validation.s images or labels"' \
    'says "^warning: no setting mends this, so others.ini is not written"'
# Nine classes are never answered; of a class of few images that may be chance.
call train tiny.ini optim.lr=1e-9 epochs=1 data.val=other/train run.name=blind
ok "classes that are never answered are named" says '^answers    the last weights never answer "[a-z]*" and [0-9] others*, which [0-9]*0 validation images are; balanced accuracy [0-9.]* %$'
call train tiny.ini optim.lr=1e-9 epochs=1 run.name=blinder
ok "and not of classes of four images" all 'exited 0' '! says "^answers "'
call doctor "$whole" --budget nothing
ok "doctor with a budget that is none" all 'exited 64' 'says "updates as 400"'
call report "$whole"
ok "report of the printed run" all 'exited 0' 'prints "report.html$"' '[ -s "$whole/results.png" ] || says cairo' 'grep -q "<svg" "$whole/report.html"'
call report "$whole" --out page.html
ok "report --out" all 'exited 0' 'prints "^page.html$"' '[ -s page.html ]'
call report nowhere
ok "report of no run" all 'exited 66' 'says "no run directory"'
call plot --tty "$whole"
ok "plot of the printed run" all 'exited 0' 'prints "training"' 'silent err' 'lines out 23' '! grep -q "$(printf "\033")" out'
call plot "$whole" "$whole"-2 --chart accuracy
ok "plot of a run that is not there" all 'exited 66' 'silent out'
call plot "$whole" --png curves.png
ok "plot --png" all '[ "$status" -eq 0 ] && prints "^curves.png$" && [ -s curves.png ] || says cairo'
call plot "$whole" "$whole" --png both.png
ok "plot --png of two" all '[ "$status" -eq 0 ] && [ -s both.png ] || says cairo'
call plot "$whole" "$whole" --chart accuracy
ok "plot of two" all 'exited 0' 'prints "accuracy"' 'lines out 23'
cp -r "$whole" torn
sed -i '5s/,/,x/' torn/steps.csv
for words in '' '--png torn.png' '--png torn.png --tty'; do
    call plot torn $words
    ok "plot $words says which row it leaves out, once" all 'says "^warning: torn/steps.csv:5: epoch is .x1., .*; left out$"' \
        'lines err 1' '[ "$status" -eq 0 ]'
done
rm -f torn/report.html
ln -s nowhere/else torn/report.html
call report torn
ok "report of a run that cannot be written to says how" all 'exited 73' 'silent out' 'says "torn/report.html: .*; give --out FILE"'
call plot "$whole" --chart speed-of-light
ok "plot of an unknown chart" all 'exited 64' 'silent out' 'says "no such chart, but loss, accuracy"'
call plot "$whole" --follow
ok "plot --follow needs a terminal" exited 64
call doctor nowhere
ok "doctor of no run" exited 66
call check tiny.ini --sheet sheet.txt
ok "check --sheet FILE that is no .png" all 'exited 64' 'silent out' 'says "sheet.txt: a sheet is a PNG image"' '[ ! -e sheet.txt ]'
call eval "$whole" --json --weights last
ok "eval --json" all 'exited 0' 'prints "\"top1\":"' 'prints "\"balanced\": 0\."' 'prints "\"top1_range\": \["' '! prints confusion'
call eval "$whole" --confusion
ok "eval --confusion" all 'exited 0' 'prints "^balanced  "' 'prints "^confusion  *called$"' '[ "$(grep -c "^   [0-9] [a-z]" out)" -eq 10 ]'
call eval "$whole" --confusion --json
ok "eval --confusion --json" all 'exited 0' 'prints "\"confusion\": "'
mv tiles/train tiles/away
call eval "$whole"
ok "eval needs no training images" exited 0
mv tiles/away tiles/train
call eval "$whole" --data tiles/train
ok "eval of another folder" all 'exited 0' 'prints "100 images"'
(cd tiles/val && for image in */*; do echo "$image,${image%/*}"; done) >tiles/val/val.csv
call train tiny.ini epochs=1 data.val=tiles/val/val.csv run.name=listed
call eval runs/listed
ok "eval of a run whose validation images are in a list" all 'exited 0' 'prints "^top-1"'
mv tiles/val/val.csv tiles/val/away.csv
call eval runs/listed
ok "eval of a run whose list is gone" all 'exited 66' 'silent out' 'says "val.csv: no such file"' 'says "start this where they are, or name the images"'
rm tiles/val/away.csv
cp -r tiles/val spoilt-val
spoilt=$(find spoilt-val -name '*.png' | sort | head -n 1)
echo junk >"$spoilt"
call eval "$whole" --data spoilt-val
ok "eval of images of which one is no good" all 'exited 65' 'silent out' "says 'set data.on_error = skip to do without it'"
call eval "$whole" --data spoilt-val data.on_error=skip --json
ok "eval of the others" all 'exited 0' "prints '\"skipped\": 1,'" 'says "is left out"'
call eval "$whole" data.val=spoilt-val on_error=skip
ok "eval of other validation images" all 'exited 0' 'prints "^left out  1 "' 'prints "^data  *spoilt-val, "'
call eval "$whole" model.name=resnet18
ok "eval of a network that the weights are not of" all 'exited 65' 'silent out'
call eval "$whole" "$whole-2"
ok "eval of two runs" all 'exited 78' 'silent out' 'says "key=value"'
call eval "$whole" --data absent
ok "eval of a folder that is not there" all 'exited 66' 'silent out' 'says "command line: error: .*absent"' '! says "config.resolved"'
mkdir parts && cp -r tiles/train tiles/val parts
call eval "$whole" --data parts
ok "eval of both parts" all 'exited 65' 'silent out' "says 'data.train=parts/train data.val=parts/val'"
call train tiny.ini data.train=parts data.val=
ok "train of both parts" all 'exited 65' 'silent out' "says 'data.train=parts/train data.val=parts/val'"
call eval "$whole" --data tiles
ok "eval of other classes" all 'exited 65' 'silent out' 'says "class"'
image=$(find tiles/val -name '*.png' | sort | head -n 1)
call predict "$whole" "$image" tiny.ini "$image"
ok "predict goes on after a bad file" all 'exited 65' 'lines out 2' 'says "tiny.ini"'
call predict "$whole" nowhere.png "$image"
ok "predict of a file that is missing" all 'exited 66' 'lines out 1' 'says "nowhere.png"'
mkdir -p seen/below && cp "$image" seen/b.png && cp "$image" seen/a.PNG && cp "$image" seen/below/c.png && echo x >seen/n.txt
call predict "$whole" seen/ "$image" --top 1
ok "predict of a folder: its images, sorted" all 'exited 0' 'lines out 3' 'prints "^seen/b.png"' 'sed -n 1p out | grep -q "^seen/a.PNG"'
ok "predict says nothing of images of the right size" all 'exited 0' '! says resized'
"$program" synth larger --per-class 1 --val-per-class 1 --size 40 >out 2>err
call predict "$whole" "$image" "$(find larger/val -name '*.png' | head -n 1)"
ok "predict says that an image was resized" all 'exited 0' 'lines out 2' 'says "1 of 2 images were resized and cropped to"'
call predict "$whole" tiles "$image"
ok "predict of a folder without images" all 'exited 65' 'lines out 1' 'says "tiles: no image lies in this folder itself"'
call export "$whole"
ok "export writes model.onnx in the run" all 'exited 0' 'lines out 3' "prints '$whole/model.onnx'" "[ -s '$whole/model.onnx' ]"
cp -r "$whole" of-gpu
sed 's/^precision = .*/precision = "fp16"/; s/^device = .*/device = "cuda"/' "$whole/config.resolved.ini" >of-gpu/config.resolved.ini
call export of-gpu
ok "export of a run of a GPU, in fp16: the same model" all 'exited 0' 'cmp -s of-gpu/model.onnx "$whole/model.onnx"'
call export "$whole" away/model.onnx
ok "export into a folder that is not there" all 'exited 73' 'lines err 1' 'says "away/model.onnx"'
call export "$whole" model.pt
ok "export to another format" all 'exited 64' 'lines err 1' 'says "end in .onnx"'
call export tiles
ok "export of what is no run" all 'exited 66' 'lines err 1'
call predict "$whole" "$image" --json --top 2
ok "predict --json" all 'exited 0' 'lines out 1' 'prints "probability"'
# A name can have anything in it but a slash: what is written stays what it is, and what is said stays one line.
hostile=$(printf 'caf\351 "2nd\nline"\033[31m.png')
cp "$image" "$hostile"
call predict "$whole" "$hostile" --json
ok "predict --json of a name that is not UTF-8" all 'exited 0' 'lines out 1' 'iconv -f UTF-8 -t UTF-8 out >iconv' 'prints "2nd.nline"'
: >"$hostile"
call predict "$whole" "$hostile"
ok "predict of such a file that is empty" all 'exited 65' 'grep -av "^cuda:" err >said' 'lines said 1'
rm "$hostile" && mv "$whole" "$hostile"
call doctor "$hostile" --json
ok "doctor --json of such a run" all 'prints "2nd.nline"' 'iconv -f UTF-8 -t UTF-8 out >iconv'
mv "$hostile" "$whole"
cp "$whole/results.csv" before.csv
cp "$whole/env.json" before.json
call train --resume "$whole"
ok "resuming a finished run changes nothing" all 'exited 0' '[ "$(cat out)" = "$whole" ]' 'cmp -s before.csv "$whole/results.csv"' \
    'cmp -s before.json "$whole/env.json"'
cp -r "$whole" elsewhere
cd elsewhere || exit 1
call eval "$work/elsewhere"
mv out err ..
cd ..
ok "a run's images are found from another folder" all 'exited 0' 'prints "^data  *$work/tiles/val, "'
mkdir empty
cp -r "$whole" moved && sed 's|"folder":"[^"]*"|"folder":"/nowhere"|' "$whole/env.json" >moved/env.json
cd empty || exit 1
call train --resume "$work/moved"
mv out err ..
cd ..
ok "or said to be missing here" all 'exited 66' 'silent out' 'says "tiles/train: no such file or folder in .*/empty; "'
rm -r elsewhere moved empty
call train --resume "$whole" lr=1
ok "resuming under other settings" all 'exited 78' 'silent out' 'says "optim.lr"' '[ -f "$whole/DONE" ]'
cp -r tiles/train broken
find broken -name '*.png' | sort | head -n 1 | while read -r file; do echo junk >"$file"; done
call train tiny.ini data.train=broken
ok "damaged image" all 'exited 65' 'silent out' 'says "broken/"'
call train tiny.ini optim.name=sgd lr=1000 momentum=0.99 weight_decay=100 epochs=300 bad_steps=3 run.name=diverged
ok "divergence" all 'exited 1' 'silent out' 'says "lower optim.lr"' '[ -f runs/diverged/FAILED ]' '[ ! -f runs/diverged/DONE ]'
call train tiny.ini run.dir=/dev/null/runs data.train=broken
ok "run folder cannot be made, found out before the images are read" all 'exited 73' 'silent out' 'says "/dev/null"'
call train tiny.ini run.dir=/proc
ok "run cannot be made in its folder" all 'exited 73' 'silent out' 'says "run.dir=FOLDER"'
sed 's/"mlp"/"custom"/; /^hidden/d' tiny.ini >layers.ini
printf '[[layer]]\ntype = "conv"\nfilters = 4\nstride = 2\n[[layer]]\ntype = "global_pool"\n[[layer]]\ntype = "linear"\n' >>layers.ini
call train layers.ini epochs=1 run.name=layers
call train --resume runs/layers epochs=2
ok "own layers are resumed" all 'exited 0' 'says "2/2"'
sed -i 's/stride = 2/stride = 1/' runs/layers/config.resolved.ini
call train --resume runs/layers epochs=3
ok "not with other layers" all 'exited 78' 'silent out' 'says "other settings"'

# ---- stopped and killed ----
# interrupt SIGNAL NAME: starts a run of its own name and sends the signal when its first checkpoint is there.
interrupt() {
    "$program" train tiny.ini epochs=12 run.name="$2" run.checkpoint_steps=3 >out 2>err &
    child=$!
    until [ -d "runs/$2/checkpoints/last" ] || is_over $child; do sleep 0.01; done
    kill "-$1" $child 2>/dev/null
    wait $child
    status=$?
}
for signal in TERM HUP USR1 USR2 XCPU PIPE; do
    interrupt $signal "by-$signal"
    ok "SIG$signal saves and exits 75" all 'exited 75' 'lines out 1' '[ ! -f "runs/by-$signal/DONE" ]' 'says "train --resume"'
done
(
    trap '' HUP
    interrupt HUP by-nohup
    exit $status
)
status=$?
ok "SIGHUP under nohup does nothing" all 'exited 0' '[ -f runs/by-nohup/DONE ]'
call train --resume runs/by-TERM
ok "and the resumed run equals an uninterrupted one" all 'exited 0' 'same_run "$whole" runs/by-TERM'
call train tiny.ini epochs=12 early_stop.patience=1 early_stop.min_delta=1000 run.name=patient
ok "early stopping says how to go on" all 'exited 0' 'says "train --resume runs/patient early_stop.patience=2$"'
call train --resume runs/patient
ok "nothing is left to do, but for who asks for more" all 'exited 0' 'says "nothing left to do; a larger early_stop.patience"'

# ---- the runs of a folder ----
call runs
ok "runs: a line each" all 'exited 0' 'silent err' "lines out $(($(find runs -name config.resolved.ini | wc -l) + 1))" \
    'prints "^by-HUP  *stopped  *[0-9]*/12 "' 'prints "^by-TERM  *done  *12/12  *[0-9.]* %  [a-z]"' \
    'prints "^patient  *stopped early  *2/12 "' 'prints "^diverged  *failed "'
sed -i 's/"event":"stopped"/"event":"other"/' runs/by-HUP/log.jsonl
call runs "$PWD/runs" --json
ok "runs --json" all 'exited 0' 'prints "\"run\": \"by-HUP\""' 'prints "\"state\": \"open\""' 'prints "\"planned\": 12"' \
    'prints "\"cause\": \"decay\"" || prints "\"cause\": \"weight_decay\""' "[ \"\$(grep -c '\"verdict\"' out)\" = \"$(find runs -name config.resolved.ini | wc -l)\" ]"
call runs tiles
ok "runs: none" all 'exited 66' 'silent out' 'says "tiles: there is no run in it"'
call runs nowhere
ok "runs: no folder" all 'exited 66' 'silent out' 'says "nowhere"'
call runs runs runs
ok "runs: one word too many" all 'exited 64' 'silent out'
interrupt INT by-INT
ok "SIGINT saves and exits 130" all 'exited 130' '[ ! -f runs/by-INT/DONE ]'
call train --resume runs/by-INT
ok "and the resumed run equals an uninterrupted one" all 'exited 0' 'same_run "$whole" runs/by-INT'

# During the evaluation after max_steps, which one thread reading many pixels makes long; the state is saved before it.
limited() {
    "$program" train tiny.ini max_steps=2 data.val=other/train data.resize=512 augment.crop=16 data.memory=1 data.threads=1 run.name=limited >out 2>err &
    child=$!
    while [ ! -d runs/limited/checkpoints/last ] && kill -0 $child 2>/dev/null; do
        sleep 0.01
    done
    kill -TERM $child 2>/dev/null
    wait $child
    status=$?
}
limited
ok "SIGTERM in the evaluation after max_steps" all 'exited 75' 'says "train --resume"' '[ ! -f runs/limited/DONE ]'
call train --resume runs/limited
ok "and the resumed run evaluates" all 'exited 0' '[ -f runs/limited/DONE ]' 'says "^result     step 2: validation loss"'

# While images are read there is nothing yet to be saved.
endless tiles/train/road/*0.png tiles/train/beach/*0.png
for signal in TERM INT; do
    [ $signal = TERM ] && expected=75 || expected=130
    "$program" train tiny.ini data.train=endless.csv data.val= data.threads=1 run.name=early >out 2>err &
    child=$!
    until is_loading $child || is_over $child; do sleep 0.01; done
    kill "-$signal" $child
    wait $child
    status=$?
    ok "SIG$signal before the first step" all "exited $expected" 'silent out' 'says "before the first step"' '[ ! -d runs/early ]'
done
rm endless.csv

seed=${TEST_SEED:-$(date +%s)}
echo "# TEST_SEED=$seed"
# delay: the next moment, 0.03 to 0.33 seconds away, drawn from the seed; later where the program never came to go on
longest=300
delay() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    pause=$((seed / 65536 % longest + 30))
    pause=$(printf '%d.%03d' $((pause / 1000)) $((pause % 1000)))
}
call train tiny.ini epochs=48 run.name=long
"$program" train tiny.ini epochs=48 run.name=killed run.checkpoint_steps=2 >out 2>err &
child=$!
kills=0 resumed=0
while [ $kills -lt 60 ] && [ $resumed -lt 4 ]; do
    delay
    sleep "$pause"
    kill -KILL $child 2>/dev/null && kills=$((kills + 1))
    wait $child 2>/dev/null
    status=$?
    if grep -q '^resumed    at epoch' err; then resumed=$((resumed + 1)); else longest=$((longest + 30)); fi
    [ $status -eq 0 ] && child='' && break
    if [ -f runs/killed/config.resolved.ini ]; then
        "$program" train --resume runs/killed >out 2>err &
    else # killed before there was anything to go on with
        rm -rf runs/killed
        "$program" train tiny.ini epochs=48 run.name=killed run.checkpoint_steps=2 >out 2>err &
    fi
    child=$!
done
[ -z "$child" ] || { wait $child; status=$?; }
echo "# killed $kills times, went on from a step of its own $resumed times"
ok "killed at any moment, resumed, equal to an uninterrupted run" all 'exited 0' '[ $resumed -ge 3 ]' 'same_run runs/long runs/killed'

# ---- packed images, images that are no good ----
call pack tiny.ini packs
ok "pack prints a file for each part" all 'exited 0' 'lines out 2' '[ -f packs/train.pack ]' '[ -f packs/val.pack ]'
call pack tiny.ini packs
ok "pack leaves what is up to date" all 'exited 0' 'says "up to date"'
# findings RULE…: out is what check --json prints, with all members and these findings.
findings() {
    python3 - out "$@" <<'END'
import json, sys
found = json.load(open(sys.argv[1]))
assert found["schema"] == 1 and found["train_images"] == 100 and found["val_images"] == 40, found
assert len(found["classes"]) == 10, found["classes"]
assert all((c["train_images"], c["val_images"]) == (10, 4) and c["name"] for c in found["classes"]), found["classes"]
for values in found["measured"], found["normalisation"]:
    assert len(values["mean"]) == len(values["std"]) == 3 and 0 < values["std"][0] < 1, values
keys = {"rule", "severity", "text", "action", "evidence", "files", "files_total"}
assert all(set(f) == keys for f in found["findings"]), found["findings"]
assert [f["rule"] for f in found["findings"]] == sys.argv[2:], found["findings"]
END
}
if python3 -c '' 2>err; then
    call check tiny.ini data.cache=packs --json --sheet sheet.png
    ok "check of good images, packed: JSON and a sheet" all 'exited 0' 'findings few-validation' '[ "$(head -c 4 sheet.png | tail -c 3)" = PNG ]' \
        '! says warning'
else
    skip "check of good images, packed: JSON and a sheet" "no python3"
fi
call check tiny.ini data.cache=packs
ok "check tells classes, what is measured and what normalises" all 'exited 0' 'prints "^  *10  *4  beach$"' 'prints "^measured  *mean"' \
    'prints "^normalised by mean"' 'prints "few-validation: validation has 40 images"'
call train tiny.ini data.cache=packs data.on_error=skip epochs=1 run.name=packed1
ok "images packed whole are good for on_error = skip" all 'exited 0' '! says "other files"'
call train tiny.ini data.cache=packs run.name=packed
ok "a run from packed images equals one from files" all 'exited 0' 'same_run "$whole" runs/packed'
echo "somebody's own" >packs/train.pack
call train tiny.ini data.cache=packs run.name=packed2
ok "a foreign file is refused by name" all 'exited 65' 'says "packs/train.pack"' '[ ! -d runs/packed2 ]'
call pack tiny.ini packs
ok "and not replaced" all 'exited 73' 'says "packs/train.pack"' 'grep -q own packs/train.pack'
cp -r tiles spoilt
class=$(ls spoilt/train | head -n 1)
for name in a b c; do echo no picture >"spoilt/train/$class/$name.png"; done
call train tiny.ini data.train=spoilt/train run.name=spoilt
ok "files that are no good: all named before there is a run" all 'exited 65' 'says "/a.png"' 'says "/c.png"' '[ ! -d runs/spoilt ]'
call train tiny.ini data.train=spoilt/train run.name=spoilt data.on_error=skip
ok "skip: the same run without them, listed and counted" all 'exited 0' 'same_run "$whole" runs/spoilt' \
    'lines runs/spoilt/skipped.txt 3' 'grep -q "^spoilt/train/.*a.png" runs/spoilt/skipped.txt' 'tail -n 1 runs/spoilt/results.csv | cut -d, -f14 | grep -qx 3'

if python3 -c '' 2>err; then
    call check tiny.ini data.train=spoilt/train --json
    ok "check finds them" all 'exited 1' 'findings unreadable few-validation' 'prints "/a.png"'
else
    skip "check finds them" "no python3"
fi
call pack tiny.ini data.train=spoilt/train data.on_error=skip
ok "packed without them" all 'exited 0' '[ -f spoilt/train.pack ]' 'says "3 images or files cannot be used and are left out"'
call train tiny.ini data.train=spoilt/train run.name=spoilt2
ok "and a run that is to stop at them still names them" all 'exited 65' 'says "/a.png"' 'says "/c.png"' '[ ! -d runs/spoilt2 ]'
call check tiny.ini data.train=spoilt/train
ok "as check does" all 'exited 1' 'prints "^[a-z]* *unreadable: 3 of"' 'prints "/a.png"' '! says "other files"'
{
    for file in tiles/train/road/*.png; do printf '%s/%s\t0\n' "$PWD" "$file"; done
    for file in tiles/train/forest/*.png; do printf '%s/%s\t9\n' "$PWD" "$file"; done
    printf '%s/%s\t0\n' "$PWD" "$1"
} >numbered.txt
call check tiny.ini data.train=numbered.txt data.val= batch_size=4
ok "check: copies two and two, labels that do not occur in one line" all 'exited 1' 'prints "^ *\([^ ]*.png\) and \1$"' \
    'prints "^ *0 *0  1 … 8 (8 classes)$"'

# ---- no room, no permission ----
# In a name space of its own: a file system of 400 KiB at small.
mkdir small
in_small() { unshare -rm sh -c "mount -t tmpfs -o $1 none small && $2" >out 2>err; }
if in_small size=400k true; then
    in_small size=1200k "'$program' train tiny.ini run.dir=small hidden=64 epochs=200 stats.steps_every=1 run.name=full; s=\$?
        '$program' eval small/full >small.txt 2>&1 || s=eval; exit \$s"
    status=$?
    ok "full disk: an error that names the file, and the last checkpoint still loads" all 'exited 74' 'silent out' 'says "small/full"' 'grep -q top-1 small.txt'
    in_small ro,size=1m "'$program' train tiny.ini run.dir=small/runs"
    status=$?
    ok "read-only file system" all 'exited 73' 'silent out' 'says "small/runs"'
else
    skip "full disk" "cannot mount here"
    skip "read-only file system" "cannot mount here"
fi
echo "1..$count"
