# What tests of scripts and programs share; read by them. Counts in count; they end with "1..$count".
# shellcheck shell=sh
count=0

# check NAME COMMAND...: ok when the command succeeds; else what lies in $top/said, if anything
check() {
    name=$1
    shift
    count=$((count + 1))
    if "$@"; then echo "ok $count - $name"; else
        echo "not ok $count - $name"
        # shellcheck disable=SC2154 # the test's own folder
        [ ! -f "$top/said" ] || sed 's/^/# /' "$top/said"
    fi
}
