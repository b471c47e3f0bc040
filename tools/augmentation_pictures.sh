#!/bin/sh
# The pictures of docs/augmentation.md: one drawn tile in eight epochs, by every setting alone and by every policy.
#   tools/augmentation_pictures.sh [EVENKEEL]     writes docs/augmentation/*.png
set -eu
cd "$(dirname "$0")/.."
program=${1:-build/evenkeel}
tiles=$(mktemp -d "${TMPDIR:-/tmp}/evenkeel-pictures.XXXXXX")
trap 'rm -rf "$tiles"' EXIT
"$program" synth "$tiles/set" --per-class 10 --val-per-class 1 >/dev/null 2>&1
printf '[data]\ntrain = "%s"\nval = "%s"\ncache = "off"\n[train]\nbatch_size = 8\n' "$tiles/set/train" "$tiles/set/val" >"$tiles/config.ini"
mkdir -p docs/augmentation

# picture NAME KEY=VALUE...: of the second tile, a beach: it has a left and a right, and colours
picture() {
    name=$1
    shift
    "$program" check "$tiles/config.ini" "$@" --sheet "docs/augmentation/$name.png" --sheet-of 1 >/dev/null 2>"$tiles/said" || {
        # 1: something was found in so few tiles, but the picture is there
        [ $? = 1 ] || { cat "$tiles/said" >&2 && exit 1; }
    }
}

picture hflip augment.hflip=0.5
picture vflip augment.vflip=0.5
picture rotate augment.rotate=30
picture rotate-nearest augment.rotate=30 augment.interpolation=nearest 'augment.fill=[0.4, 0.43, 0.32]'
picture translate augment.translate=0.2
picture scale 'augment.scale=[0.6, 1.4]'
picture shear augment.shear=25
picture crop augment.crop=64 augment.crop_padding=12
picture crop-edge augment.crop=64 augment.crop_padding=12 augment.padding_mode=edge
picture crop-reflect augment.crop=64 augment.crop_padding=12 augment.padding_mode=reflect
picture crop-symmetric augment.crop=64 augment.crop_padding=12 augment.padding_mode=symmetric
picture resized-crop augment.crop=64 'augment.crop_area=[0.2, 1]'
picture brightness augment.brightness=0.5
picture contrast augment.contrast=0.8
picture saturation augment.saturation=0.9
picture hue augment.hue=0.2
picture grayscale augment.grayscale=0.5
picture erase augment.erase=0.8
picture mixup augment.mixup=1
picture cutmix augment.cutmix=1
for policy in none light standard strong; do
    picture "policy-$policy" augment.policy=$policy
done
ls docs/augmentation
