#!/bin/sh
# The last part of `make quickstart`: draws a small image data set, trains on it, says what to try next.
# EVENKEEL names the program. Safe to run again: the images are kept, every training gets its own folder.
set -eu
cd "$(dirname "$0")/.."
evenkeel=${EVENKEEL:-build/evenkeel}

echo "== drawing images: $evenkeel synth data/tiles"
"$evenkeel" synth data/tiles >/dev/null
echo "== training: $evenkeel train configs/quickstart.ini"
run=$("$evenkeel" train configs/quickstart.ini)
cat <<EOT

That was a training on drawn images, which lie in data/tiles; the run is in $run.
With your own: a folder PHOTOS that has one folder per class with PNG or JPEG files in it.
    $evenkeel train configs/quickstart.ini data.train=PHOTOS data.val= data.resize=64 run.name=photos
With less than a few hundred images add bs=8.
To see a faulty run explained, and the cause proven:
    $evenkeel train configs/quickstart.ini optim.name=sgd lr=0.5 model.batch_norm=false epochs=6 run.name=faulty
    $evenkeel doctor runs/faulty --probe --budget 234
EOT
