#!/bin/sh
# Replays fuzz/corpus/<target>/ through each fuzz target of this build.
cd "$(dirname "$0")/.." || exit 1
count=0
for program in "${BUILD:-build}"/fuzz/replay_*; do
    case $program in *.d | *.o | *'*') continue ;; esac
    target=${program##*/replay_}
    count=$((count + 1))
    if output=$("$program" "fuzz/corpus/$target" 2>&1); then
        echo "ok $count - $target, $(echo "$output" | tail -n 1)"
    else
        echo "not ok $count - $target"
        echo "$output" | tail -n 30 | sed 's/^/# /'
    fi
done
echo "1..$count"
