#!/bin/sh
# Finds the Debian packages that a purpose needs and are missing, and installs them when it may.
#   tools/setup.sh [build] [test] [browser] [lint] [clang] [slurm] [bench] [-n]        -n: only name them
# As root or with a sudo that asks no password it installs. Otherwise it prints the command and ends with 69.
set -u

packages_build='gcc libc6-dev pkg-config libinih-dev libpng-dev zlib1g-dev libjansson-dev libjpeg62-turbo-dev libarchive-dev libcairo2-dev'
packages_test='libcmocka-dev perl g++ zstd libxml2-utils'
packages_browser='chromium fonts-dejavu-core' # for tests/test_report.sh
packages_clang='clang libomp-dev'
packages_bench='libdnnl-dev' # oneDNN, which bench_ops compares our kernels with where it is there
packages_slurm='slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge' # for tests/test_slurm.sh, on loopback
packages_lint="clang-format-14 cppcheck shellcheck $packages_clang"
libraries='inih libpng zlib jansson' # what pkg-config calls those of packages_build

wanted='' dry=no
for word in "${@:-build}"; do
    case $word in
    build) wanted="$wanted $packages_build" ;;
    test) wanted="$wanted $packages_test" ;;
    lint) wanted="$wanted $packages_lint" ;;
    clang) wanted="$wanted $packages_clang" ;;
    slurm) wanted="$wanted $packages_slurm" ;;
    browser) wanted="$wanted $packages_browser" ;;
    bench) wanted="$wanted $packages_bench" ;;
    '') ;;
    -n) dry=yes ;;
    *) sed -n '2,4s/^# //p' "$0" >&2 && exit 64 ;;
    esac
done

say() { echo "setup: $*" >&2; }

# Without Debian's package manager: go on where the libraries are there anyway.
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    # shellcheck disable=SC2086 # a list of words
    if pkg-config --exists $libraries 2>/dev/null; then
        exit 0
    fi
    say "this is not Debian, and not all libraries were found. Needed: C11 and C++17 compilers, make, pkg-config and the"
    say "development files of inih, libpng, zlib, jansson; for the tests cmocka and perl's prove"
    exit 69
fi

# shellcheck disable=SC2086
missing_packages() {
    dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
        awk -v wanted="$wanted" '$2 == "installed" { there[$1] = 1 }
            END { n = split(wanted, name); for (i = 1; i <= n; i++) if (!there[name[i]]++) printf " %s", name[i] }'
}

missing=$(missing_packages)
if [ -n "$missing" ]; then
    if [ "$dry" = yes ]; then
        echo "${missing# }"
        exit 0
    fi
    if [ "$(id -u)" = 0 ]; then
        as_root=''
    elif sudo -n true 2>/dev/null; then
        as_root='sudo -n'
    else
        say "packages are missing. Install them with:"
        if command -v sudo >/dev/null; then
            say "    sudo apt-get update && sudo apt-get install --no-install-recommends$missing"
        else
            say "    su -c 'apt-get update && apt-get install --no-install-recommends$missing'"
        fi
        say "then run this again (SETUP=true after make goes on without this check)"
        exit 69
    fi
    say "installing$missing"
    # Package lists of a fresh system are absent or too old to be of use.
    updated=no
    if [ -z "$(find /var/lib/apt/lists -name '*Packages*' -mtime -1 2>/dev/null | head -n 1)" ]; then
        updated=yes
        $as_root apt-get update -qq || say "apt-get update failed; going on with the lists that are there"
    fi
    # shellcheck disable=SC2086
    install() {
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
            -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 $missing >"$log" 2>&1
    }
    log=$(mktemp) || exit 73
    trap 'rm -f "$log"' EXIT
    if ! install; then
        if [ $updated = yes ] || ! $as_root apt-get update -qq || ! install; then
            cat "$log" >&2
            say "installing failed; apt-get's own words are above"
            exit 69
        fi
    fi
fi
