#!/bin/sh
# evenkeel synth: what it prints where, its exit statuses, and that a second call keeps what is there.
program=${BUILD:-build}/evenkeel
folder=$(mktemp -d "${TMPDIR:-/tmp}/evenkeel-synth-XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
count=0

# check NAME COMMAND...: ok when the command succeeds
check() {
    name=$1
    shift
    count=$((count + 1))
    if "$@"; then echo "ok $count - $name"; else echo "not ok $count - $name"; fi
}
# refuses STATUS TEXT ARGUMENT...: synth ends with the status, says the text on stderr, nothing on stdout
refuses() {
    status=$1 text=$2
    shift 2
    "$program" synth "$@" >"$folder/out" 2>"$folder/err"
    [ $? -eq "$status" ] && [ ! -s "$folder/out" ] && grep -qF -- "$text" "$folder/err"
}
# draws ARGUMENT...: stdout is the folder alone
draws() { [ "$("$program" synth "$folder/tiles" "$@" 2>"$folder/err")" = "$folder/tiles" ]; }
files() { [ "$(find "$1" -name '*.png' | wc -l)" -eq "$2" ]; }

check "draws, and prints the folder alone" draws --per-class 10 --size 16 --label-noise 0.3 --outliers 0.2
check "as many training tiles as asked for" files "$folder/tiles/train" 100
check "a fifth as many validation tiles" files "$folder/tiles/val" 20
check "spoiled training tiles are on record" grep -q ',label,' "$folder/tiles/train.spoiled.csv"
check "validation tiles have true labels and no outliers" \
    [ "$(cat "$folder/tiles/val.spoiled.csv")" = "file,class,fault,detail" ]
rm "$folder/tiles/train/beach/00000.png" "$folder"/tiles/train/*/00001.png
check "the same options keep what is there" draws --per-class 10 --size 16 --label-noise 0.3 --outliers 0.2
check "and write nothing" files "$folder/tiles/train" 98
check "other options are refused" refuses 73 "holds tiles of other options" "$folder/tiles" --per-class 10 --size 17
check "a contact sheet alone" "$program" synth --contact-sheet "$folder/sheet.png" --columns 2 --size 16 --seed 5
check "is written" [ -s "$folder/sheet.png" ]
check "no folder" refuses 64 "needs the folder"
check "two folders" refuses 64 "takes one folder" a b
check "a size out of range" refuses 64 "--size 8: expected a whole number from 16 to 256" a --size 8
check "a decimal comma" refuses 64 "--noise 0,1: expected a number from 0 to 1" a --noise 0,1
check "an impossible share" refuses 64 "--label-noise 1.5" a --label-noise 1.5
check "not a number" refuses 64 "--outliers nan" a --outliers nan
check "an unknown option" refuses 64 "nois" a --noize 1
check "a place that cannot be written" refuses 73 "/proc/nowhere" /proc/nowhere

# What the tiles are for: a line through the pixels does not do, a few convolutions do.
# accuracy SETTING...: the best validation accuracy of six epochs, in per cent
accuracy() {
    run=$("$program" --quiet train "$folder/none.ini" data.train="$folder/classes/train" data.val="$folder/classes/val" run.dir="$folder/runs" epochs=6 \
        schedule.name=cosine augment.hflip=0.5 train.precision=fp32 "$@" 2>"$folder/err") || { echo 0 && return; }
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "metrics/accuracy_top1") column = i }
             NR > 1 && $column > best { best = $column } END { printf "%.0f\n", 100 * best }' "$run/results.csv"
}
"$program" synth "$folder/classes" --per-class 80 --val-per-class 40 --size 32 >"$folder/out" 2>"$folder/err"
: >"$folder/none.ini"
linear=0
for rate in 0.0003 0.001 0.003; do
    now=$(accuracy model.name=mlp hidden=0 lr=$rate)
    [ "$now" -gt "$linear" ] && linear=$now
done
network=$(accuracy model.name=small_cnn width=16 lr=0.003)
check "a small network learns the tiles ($network %)" [ "$network" -ge 85 ]
check "a linear model stays clearly below, at any of three rates ($linear %)" [ "$linear" -ge 30 -a "$linear" -le 65 ]
# warned_once FOLDER: training on it warns of light in one line, however many rules see it
warned_once() {
    "$program" train "$folder/none.ini" data.train="$1/train" data.val="$1/val" run.dir="$folder/runs" model.name=mlp max_steps=1 2>"$folder/err" >"$folder/out"
    grep -q "differs widely.*lit unevenly" "$folder/err" && [ "$(grep -c "set augment.normalize = image" "$folder/err")" -eq 1 ]
}
"$program" synth "$folder/lit" --per-class 60 --size 32 --illumination 1 >"$folder/out" 2>"$folder/err"
check "uneven light that two rules see is one warning" warned_once "$folder/lit"
echo "1..$count"
