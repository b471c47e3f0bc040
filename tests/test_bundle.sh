#!/bin/sh
# tools/bundle.sh: what it packs trains the quickstart's network where there is nothing but the C library: no other
# library, no shell, nobody's environment.
build=${BUILD:-build}
[ -z "$SAN" ] || { echo "1..0 # SKIP the sanitizers' libraries are not packed" && exit 0; }
command -v zstd >/dev/null || { echo "1..0 # SKIP zstd is not installed (tools/setup.sh test)" && exit 0; }
top=$(mktemp -d "${TMPDIR:-/tmp}/evenkeel-bundle-XXXXXX") || exit 1
trap 'rm -rf "$top"' EXIT
root=$top/root
mkdir -p "$root/tmp"
limit=1000

# shellcheck source=tests/check.sh
. "$(dirname "$0")/check.sh"
pack() { BUILD=$build LIMIT_MB=$limit tools/bundle.sh "$top/packed" "$@" >"$top/said" 2>&1; }
# refuses STATUS TEXT ARGUMENT...: packing ends with the status and says the text
refuses() {
    status=$1 text=$2
    shift 2
    pack "$@"
    [ $? -eq "$status" ] && grep -qF -- "$text" "$top/said"
}

# A root with the C library alone, at the paths that this system has it.
c_library() {
    ldd "$build/evenkeel" | grep -oE '/[^ ]*/(ld-linux[^ ]*|lib[cm]\.so\.[0-9]+|lib(dl|rt|pthread)\.so\.[0-9]+)' |
        while read -r path; do
            mkdir -p "$root$(dirname "$path")"
            cp -L "$path" "$root$path"
        done
}
# Without the right to make a root of one's own the paths are this system's, and only the environment is bare.
mkdir "$root/proc"
# shellcheck disable=SC2016 # the inner shell's
enter() { env -i unshare -rm sh -c 'mount --rbind /proc "$0/proc" && exec /usr/sbin/chroot "$0" "$@"' "$root" "$@"; }
c_library
if enter "$(ldd "$build/evenkeel" | grep -o '/[^ ]*/ld-linux[^ ]*')" --version >/dev/null 2>&1; then
    bare() { enter "$@" >"$top/said" 2>&1; }
    place=''
else
    echo "# no chroot here: this system's libraries can be found too"
    bare() { env -i "$@" >"$top/said" 2>&1; }
    place=$root
fi
# The same, from inside the unpacked folder.
train() {
    bare "$place/bundle/evenkeel" train "$place/bundle/configs/quickstart.ini" epochs=2 train.device=cpu \
        data.train="$place/tmp/tiles/train" data.val="$place/tmp/tiles/val" run.dir="$place/tmp/runs"
}
learns() { awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i } END { exit !(NR == 3 && $at["val/acc"] > 0.3) }' "$1"; }

check "an unknown program is refused" refuses 66 "tests/test_nothing is not built" tests/test_nothing
limit=1
check "make bundle refuses more than 50 MB" grep -q 'LIMIT_MB=50 tools/bundle.sh' Makefile
check "too large a bundle is refused" refuses 73 "over 1;" evenkeel
limit=1000
check "packs the program" pack evenkeel
mkdir "$top/elsewhere" "$root/bundle"
check "the archive unpacks" sh -c "zstd -dcq '$top/packed.tar.zst' | tar -xf - -C '$top/elsewhere'"
rm -rf "$top/packed"
mv "$top/elsewhere/packed"/* "$root/bundle"
check "says its version where nothing is installed" bare "$place/bundle/evenkeel" --version
check "draws images there" bare "$place/bundle/evenkeel" synth "$place/tmp/tiles" --per-class 50 --size 32
check "trains there" train
check "learns something" learns "$root/tmp/runs/quickstart/results.csv"
mv "$root/bundle/lib" "$root/bundle/lost"
fails() { ! "$@"; }
[ -n "$place" ] || check "needs its libraries for that" fails bare /bundle/evenkeel --version
echo "1..$count"
