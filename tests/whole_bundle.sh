#!/bin/sh
# The bundle as `make bundle` packs it, in a folder of its own and nobody's environment: it is small, brings no library of
# CUDA's and wants none but the C library's from the machine, holds the GPUs' code, and its ./gpu-check runs, with the CPU
# as the device. Not part of `make test`, as all is compiled anew for it: `make bundle-check` runs it.
#   tests/whole_bundle.sh ARCHIVE ARCHITECTURE...     sm_90 …: of the GPUs it was built for; none without CUDA
# CUOBJDUMP: the toolkit's program of that name.
archive=$(readlink -f "$1") || exit 66
shift
CUOBJDUMP=${CUOBJDUMP:-cuobjdump}
top=$(mktemp -d "${TMPDIR:-/tmp}/evenkeel-whole-bundle-XXXXXX") || exit 1
trap 'rm -rf "$top"' EXIT

# shellcheck source=tests/check.sh
. "$(dirname "$0")/check.sh"
mkdir "$top/home" "$top/tmp"
bare() { (cd "$top/evenkeel-bundle" && env -i PATH=/usr/bin:/bin HOME="$top/home" TMPDIR="$top/tmp" "$@") >"$top/said" 2>&1; }
small() { [ "$(du -sm "$top/evenkeel-bundle" | cut -f 1)" -lt 50 ]; }
# What is there of it is said.
none() { find "$top/evenkeel-bundle" -name "$1" -print | tee "$top/said" | awk 'END { exit NR > 0 }'; }
# Programs find everything in the bundle, but for the C library and the loader; libraries are found as theirs are.
complete() {
    find "$top/evenkeel-bundle" -type f -perm -u+x -exec sh -c '
        for file; do ! head -c 4 "$file" | grep -q ELF || env -i ldd "$file"; done' sh {} + |
        grep -Ev "=> $top/evenkeel-bundle/|linux-vdso|/ld-linux[^ ]* |=> /[^ ]*/lib(c|m|mvec|dl|rt|pthread)\.so\.[0-9]+ " |
        sort -u | tee "$top/said" | awk 'END { exit NR > 0 }'
}
# ends STATUS TEXT COMMAND...
ends() {
    status=$1 text=$2
    shift 2
    bare "$@"
    [ $? -eq "$status" ] && grep -qF -- "$text" "$top/said"
}
has() { perl -MJSON::PP -0777 -e '$j = decode_json(<STDIN>); exit !('"$2"')' <"$top/results/$1"; }

check "unpacks" sh -c "zstd -dcq '$archive' | tar -xf - -C '$top'"
check "is smaller than 50 MB" small
for pattern in 'libcu*' 'libnv*' 'libcudnn*'; do check "brings no $pattern" none "$pattern"; done
check "wants nothing of the machine but the C library" complete
# How much code there is; for which GPUs the toolkit's own program can say, as it is compressed.
code_bytes() { readelf -SW "$top/evenkeel-bundle/lib/libevenkeel.so" | awk '/nv_fatbin/ { for (i = 1; i < NF; i++) if ($i == "PROGBITS") print $(i + 3) }'; }
if [ $# -gt 0 ]; then
    check "holds the GPUs' code" test "$((0x0$(code_bytes)))" -gt 100000
    ! command -v "$CUOBJDUMP" >/dev/null || for arch; do
        check "for $arch" sh -c "$CUOBJDUMP --list-elf '$top/evenkeel-bundle/lib/libevenkeel.so' | grep -q '\.$arch\.cubin'"
    done
    case $(env -i "$top/evenkeel-bundle/evenkeel" devices 2>/dev/null | grep '^cuda ') in
    *"no NVIDIA driver"*) check "without a driver ./gpu-check says so" ends 69 "no NVIDIA driver" ./gpu-check ;;
    esac
fi
# shellcheck disable=SC2016 # perl's
check "./gpu-check runs in it" bare env DEVICE=cpu RESULTS="$top/results" PART='ops memory race train bench kernels' \
    TESTS='test_flat test_loss test_op_vectors' NETS=mlp BENCH_TRAIN='--dtype fp32 --batch 8 --seconds 0.05' \
    BENCH_OPS=relu BENCH_STEP=loss ./gpu-check
for part in ops memory race train bench kernels; do
    # shellcheck disable=SC2016 # perl's
    check "$part passes" has "$part.json" '$j->{passed} > 0 && $j->{failed} == 0'
done
check "and trains" bare sh -c './evenkeel synth data/tiles --per-class 20 --size 32 &&
    ./evenkeel train configs/quickstart.ini train.device=cpu train.max_steps=3'
echo "1..$count"
