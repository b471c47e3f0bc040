#!/bin/sh
# Runs every fuzzer in BUILD/fuzz for FUZZ_SECONDS on its corpus, JOBS at a time. New finds are kept in BUILD/fuzz/found/;
# an input that breaks something is named there and ends this with 1. To keep one for good: copy it to
# fuzz/corpus/<target>/.
set -u
cd "$(dirname "$0")/.." || exit 66
export BUILD="${BUILD:-build/fuzzers}" FUZZ_SECONDS="${FUZZ_SECONDS:-60}"

# run_one SOURCE: one fuzzer; its last lines in one piece, as others run beside it
run_one() {
    name=$(basename "$1" .c)
    corpus=fuzz/corpus/${name#fuzz_} found=$BUILD/fuzz/found/${name#fuzz_}
    mkdir -p "$found"
    set -- -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1
    [ ! -e "$corpus.dict" ] || set -- "$@" -dict="$corpus.dict"
    if "$BUILD/fuzz/$name" "$@" -artifact_prefix="$found/" "$found" "$corpus" >"$found.log" 2>&1; then
        units=$(sed -n 's/^stat::number_of_executed_units: *//p' "$found.log")
        printf '%-14s %s s, %s executions, clean\n' "$name" "$FUZZ_SECONDS" "$units"
    else
        printf '%-14s FAILED\n%s\n' "$name" "$(tail -n 40 "$found.log")"
        return 1
    fi
}

if [ $# -gt 0 ]; then
    run_one "$1"
else
    # Each by this script again: a shell's own jobs cannot be limited in number.
    printf '%s\n' fuzz/fuzz_*.c | xargs -n 1 -P "${JOBS:-1}" "$0" || exit 1
fi
