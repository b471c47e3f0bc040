#!/bin/sh
# Runs every fuzzer in BUILD/fuzz for FUZZ_SECONDS on its corpus. New finds are kept in BUILD/fuzz/found/; an input that
# breaks something is named there and ends this with 1. To keep one for good: copy it to fuzz/corpus/<target>/.
set -u
cd "$(dirname "$0")/.." || exit 66
BUILD=${BUILD:-build/fuzzers}
status=0
for source in fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    corpus=fuzz/corpus/${name#fuzz_} found=$BUILD/fuzz/found/${name#fuzz_}
    mkdir -p "$found"
    set -- -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1
    [ ! -e "$corpus.dict" ] || set -- "$@" -dict="$corpus.dict"
    echo "== $name, ${FUZZ_SECONDS:-60} s"
    "$BUILD/fuzz/$name" "$@" -artifact_prefix="$found/" "$found" "$corpus" >"$found.log" 2>&1 || {
        status=1
        tail -n 40 "$found.log"
    }
    grep -E 'stat::number_of_executed_units|cov:' "$found.log" | tail -n 2
done
exit $status
