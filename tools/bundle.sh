#!/bin/bash
# Packs programs that are built, and the shared libraries they need, into one folder that runs where nothing is
# installed, and the folder into a .tar.zst beside it. What every machine has (glibc) or every machine with a GPU (the
# driver and CUDA's own libraries) is left out.
#   tools/bundle.sh FOLDER [PROGRAM...]     programs of BUILD, "evenkeel" or "tests/test_ops"; without any, all
# LIMIT_MB: how large the folder may become. It is laid out as the source tree and BUILD in one, so that scripts and
# tests find their files in it.
set -euo pipefail
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
LIMIT_MB=${LIMIT_MB:-1000} # of the folder

fail() { echo "bundle: $1" >&2 && exit "${2:-1}"; }
[ $# -ge 1 ] || { sed -n '5,5s/^# *//p' "$0" >&2 && exit 64; }
folder=$1 programs=("${@:2}")
command -v zstd >/dev/null || fail 'zstd is not installed, and packs the bundle; apt-get install zstd' 69
if [ ${#programs[@]} = 0 ]; then
    mapfile -t programs < <(cd "$BUILD" && find evenkeel tests bench -type f -perm -u+x 2>/dev/null | sort)
fi
[ -n "${programs[*]}" ] || fail "$BUILD holds no program; build first (\`make bundle\` does)" 66

rm -rf "$folder" "$folder.tar.zst"
mkdir -p "$folder/lib"

# The programs, without what only debuggers read.
originals=()
for program in "${programs[@]}"; do
    [ -x "$BUILD/$program" ] || fail "$BUILD/$program is not built" 66
    originals+=("$BUILD/$program")
    install -D -m 755 --strip "$BUILD/$program" "$folder/$program"
done

# Their libraries by the name they are asked for; symbolic links are followed.
needed=$(ldd "${originals[@]}") || fail "ldd failed on the programs in $BUILD; were they built for this machine?"
missing=$(awk '/not found/ { print $1 }' <<<"$needed" | sort -u | tr '\n' ' ')
[ -z "$missing" ] || fail "not found on this machine: ${missing% }; install what provides it, then build again" 69
while read -r name path; do
    case $name in
    ld-linux* | lib[cm].so.* | libmvec.so.* | libpthread.so.* | libdl.so.* | librt.so.* | libresolv.so.* | libutil.so.*) ;;
    libcuda.so.* | libcudart.so.* | libcublas* | libcudnn* | libnvrtc* | libnv*) ;;
    *) install -m 644 --strip "$path" "$folder/lib/$name" ;;
    esac
done < <(awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' <<<"$needed" | sort -u)

# What they read. Only what git knows of: neither objects nor somebody's own files.
read=(configs tests/vectors tests/tap.sh tools/gpu_check.sh bench/torch_part.py bench/torch_step.py bench/torch_nets.py docs README.md LICENSE VERSION)
mapfile -t data < <({ git ls-files -- "${read[@]}" 2>/dev/null || find "${read[@]}" -type f; } | grep -Ev '\.(png|jpg)$')
cp --parents "${data[@]}" "$folder"
ln -s tools/gpu_check.sh "$folder/gpu-check"
tools/version.sh >"$folder/VERSION.built"

# What it still asks of the machine.
glibc=$({ find "$folder" -type f \( -perm -u+x -o -name '*.so*' \) -exec objdump -T {} + 2>/dev/null || true; } |
    grep -o 'GLIBC_2[0-9.]*' | sort -uV | tail -n 1)
vendor=$({ find "$folder" -type f \( -perm -u+x -o -name '*.so*' \) -exec grep -aoh 'lib\(cublasLt\|cudnn\)\.so\.[0-9][0-9]*' {} + || true; } | sort -u | paste -sd ' ')
cat >"$folder/README.bundle" <<EOT
evenkeel $(cat "$folder/VERSION.built"), $(uname -m), packed to run where nothing is installed.

Needs Linux with glibc ${glibc#GLIBC_} or newer and a CPU with: $(sed 's/__//g' "$BUILD/cpu_features" | tr '[:upper:]' '[:lower:]')
For a GPU: ${vendor:-(built without CUDA)}, where the loader finds them or where pip put them, and an NVIDIA driver for that CUDA (docs/gpu.md).

    ./evenkeel devices                                  what it can train on here
    ./evenkeel synth data/tiles                         draws a data set
    ./evenkeel train configs/quickstart.ini             trains on it
    ./gpu-check                                         checks and measures the GPU's code, in parts (docs/gpu.md)
EOT

kilobytes=$(du -sk "$folder" | cut -f1)
[ "$kilobytes" -lt $((LIMIT_MB * 1024)) ] ||
    fail "$folder has $((kilobytes / 1024)) MiB, over $LIMIT_MB; name fewer programs or fewer GPUs (CUDA_ARCH=sm_90)" 73
tar -C "$(dirname "$folder")" -c "$(basename "$folder")" | zstd -q -T0 -12 -f -o "$folder.tar.zst"
echo "$folder.tar.zst: $(($(stat -c %s "$folder.tar.zst") >> 20)) MiB, unpacked $((kilobytes / 1024)) MiB, ${#programs[@]} programs" \
    "with $(find "$folder/lib" -type f | wc -l) libraries; needs glibc ${glibc#GLIBC_}"
