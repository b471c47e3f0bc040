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

The run is in $run. Next:
  $evenkeel eval $run                         accuracy of its best weights, class by class
  $evenkeel predict $run data/tiles/val/*/*1.png
  $evenkeel train configs/quickstart.ini lr=0.3         the same with another setting
  $evenkeel train configs/quickstart.ini data.train=DIR run.name=mine
                                  your own images: DIR/<class>/*.png, one folder per class
EOT
