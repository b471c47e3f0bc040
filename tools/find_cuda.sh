#!/bin/bash
# Finds what the CUDA backend is built with: nvcc, the headers of cuBLAS and cuDNN, the CUDA runtime; of a toolkit, of Debian or RPM packages or of pip.
#   tools/find_cuda.sh        prints make variables; where one is missing only CUDA_MISSING, which names it
# CUDA_HOME: the toolkit's folder; CUDNN_HOME: cuDNN's, where it is elsewhere; CUDA_ARCH: only checked for words that nvcc
# does not know. Asked for in this order: the variables, nvcc in PATH, /usr/local/cuda, site-packages.
set -u
shopt -s nullglob

missing() { echo "CUDA_MISSING := $*" && exit 0; }

# site-packages/nvidia of the python in use and of Debian's
pip_roots() {
    local folder
    for folder in ${VIRTUAL_ENV:+"$VIRTUAL_ENV"/lib/python3*/site-packages} ~/.local/lib/python3*/site-packages \
        /usr/local/lib/python3*/{site,dist}-packages /usr/lib/python3/dist-packages; do
        [ ! -d "$folder/nvidia" ] || printf '%s\n' "$folder"/nvidia/*
    done
}

# first NAME FOLDER...: the first folder that has it
first() {
    local name=$1 folder
    for folder in "${@:2}"; do
        for found in "$folder"/$name; do
            [ ! -e "$found" ] || { dirname "$found" && return; }
        done
    done
    return 1
}

nvcc=${NVCC:-${CUDA_HOME:+$CUDA_HOME/bin/nvcc}}
[ -n "$nvcc" ] || nvcc=$(command -v nvcc) || nvcc=/usr/local/cuda/bin/nvcc
mapfile -t roots < <(pip_roots)
if [ ! -x "$nvcc" ] && folder=$(first nvcc "${roots[@]/%//bin}"); then nvcc=$folder/nvcc; fi
[ -x "$nvcc" ] || missing 'nvcc (set CUDA_HOME)'
home=${CUDA_HOME:-$(dirname "$(dirname "$(readlink -f "$nvcc")")")}
known=$("$nvcc" --list-gpu-arch 2>/dev/null) || missing "an nvcc that runs ($nvcc)"

machine=$(uname -m)
parents=(${CUDNN_HOME:+"$CUDNN_HOME"} "$home" "$home"/targets/"$machine"-linux /usr "${roots[@]}")
headers=() libraries=()
for parent in "${parents[@]}"; do
    headers+=("$parent/include" "$parent/include/$machine-linux-gnu")
    libraries+=("$parent/lib64" "$parent/lib" "$parent/lib/$machine-linux-gnu")
done

# The headers' folders, once each; the compiler's own need no flag.
flags='' folders='' links=''
for header in cuda_runtime_api.h cublasLt.h cudnn.h; do
    folder=$(first "$header" "${headers[@]}") || missing "$header"
    case " $flags /usr/include " in *" $folder "*) ;; *) flags="$flags -isystem $folder" ;; esac
done
# The runtime is linked in. cuBLAS and cuDNN are loaded when a GPU is opened: where they lie now, they are looked for then.
folder=$(first libcudart_static.a "${libraries[@]}") || missing libcudart_static.a
links=" -L$folder -lcudart_static"
for library in cublasLt cudnn; do
    folder=$(first "lib$library.so*" "${libraries[@]}") || continue
    case " $folders " in *" $folder "*) ;; *) folders="$folders $folder" ;; esac
done

version=$(awk '/^#define CUDNN_MAJOR/ { print $3 }' "$(first cudnn_version.h "${headers[@]}")/cudnn_version.h" 2>/dev/null)
[ "${version:-0}" -ge 9 ] || missing "cuDNN 9 (found: ${version:-another})"

archs=''
for arch in 80 89 90 100 120; do
    case $known in *compute_$arch*) archs="$archs sm_$arch" ;; esac
done
[ -n "$archs" ] || missing "an nvcc that knows one of sm_80 to sm_120 ($nvcc)"

echo "CUDA_NVCC := $nvcc"
echo "CUDA_CFLAGS :=$flags"
printf 'CUDA_LIBS :='
for folder in $folders; do printf ' -Wl,-rpath,%s' "$folder"; done
echo "$links -lstdc++ -ldl -lrt"
echo "CUDA_ARCH ?=$archs"
# Of the first GPU of this machine.
here=sm_$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sed -n '1s/[^0-9]//gp')
case "$known " in *"compute_${here#sm_}"[[:space:]]*) [ "${here#sm_}" -lt 80 ] || echo "CUDA_HERE := $here" ;; esac
# A fifth of the size, for half as much time again; older ones do not know it.
# shellcheck disable=SC2016 # make's
case $("$nvcc" --help 2>/dev/null) in *--compress-mode*) echo 'CUDA_SMALL := $(if $(SHARED),--compress-mode=size)' ;; esac
