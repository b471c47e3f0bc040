#!/bin/sh
# tools/gpu_check.sh with the CPU as the device: what its parts leave behind, and what it makes of tests that fail, hang or
# crash. Needs no GPU and says nothing of one.
# shellcheck disable=SC2016 # Perl's
build=${BUILD:-build}
top=$(mktemp -d "${TMPDIR:-/tmp}/evenkeel-gpu-check-XXXXXX") || exit 1
trap 'rm -rf "$top"' EXIT

# shellcheck source=tests/check.sh
. "$(dirname "$0")/check.sh"
# ends STATUS [WORDS]: how the last call of run ended and what it said
ends() { [ "$code" -eq "$1" ] && grep -qF -- "${2:-}" "$top/said"; }
# run BUILD NAME=VALUE...
run() {
    of=$1
    shift
    env -u EVENKEEL_DATA BUILD="$of" RESULTS="$top/results" DEVICE=cpu "$@" tools/gpu_check.sh >"$top/said" 2>&1
    code=$?
}
# has FILE PERL: it is JSON, and the Perl expression is true of it as $j
has() { perl -MJSON::PP -0777 -ne "\$j = decode_json(\$_); exit !($2)" "$top/results/$1"; }

run "$build" PART='ops memory race train fashion' TESTS='test_flat test_loss'
check "parts end well" ends 0
for part in ops memory race train; do
    check "$part has a row for each test" has $part.json \
        "\$j->{part} eq '$part' && \$j->{failed} == 0 && \$j->{passed} > 9 && @{\$j->{results}} == \$j->{passed} + \$j->{skipped}"
    check "$part has a table" grep -q '^ok  *test_loss: test_ties ' "$top/results/$part.txt"
done
check "what is not there is skipped, not passed" has fashion.json '$j->{skipped} == 1 && $j->{passed} == 0'
if [ -x "$build/bench/bench_train" ] && [ -x "$build/bench/bench_ops" ] && [ -x "$build/bench/bench_step" ]; then
    run "$build" PART='bench bench50 kernels' NETS=small_cnn BENCH_TRAIN='--dtype fp32 --batch 8 --seconds 0.05' \
        BENCH_OPS='relu' BENCH_STEP=loss
    check "bench measures steps" has bench.json '$j->{failed} == 0 && $j->{results}[0]{images_per_second} > 0 &&
        $j->{results}[0]{net} eq "small_cnn" && $j->{results}[0]{host_waits} == 0 && $j->{results}[0]{host_held} == 0'
    check "and what statistics take of them" has bench.json '$j->{results}[0]{statistics_share} < 1 &&
        $j->{results}[0]{statistics_passes_share} > 0'
    run "$build" PART=free NETS=small_cnn BENCH_TRAIN='--dtype fp32 --batch 8 --seconds 0.05'
    check "and steps with all algorithms" has free.json '$j->{failed} == 0 && @{$j->{results}} == 4 &&
        !$j->{results}[0]{deterministic} && $j->{results}[0]{images_per_second} > 0 && !exists $j->{results}[0]{statistics_share}'
    check "of the networks asked for alone" has bench50.json '@{$j->{results}} == 0'
    check "and each kernel beside a copy" has kernels.json '(grep { $_->{name} eq "operation" } @{$j->{results}}) > 1 &&
        !(grep { $_->{name} eq "operation" && !($_->{share_of_copy} > 0) } @{$j->{results}})'
    check "and what surrounds them" has kernels.json '(grep { $_->{name} eq "loss" } @{$j->{results}}) == 4'
fi
if command -v python3 >/dev/null; then
    # Stands in for bench/torch_step.py: of its compiled variants one hangs with a child, and one fails.
    cat >"$top/step.py" <<'EOT'
import json, os, subprocess, sys, time
dtype, mode = (sys.argv[sys.argv.index(o) + 1] for o in ("--dtypes", "--modes"))
print(dtype, mode, "--rounds 2" in " ".join(sys.argv), "--quiet" in sys.argv, flush=True)
with open(os.environ["BENCH_JSON"], "a") as file:
    file.write(json.dumps({"name": "step", "program": "pytorch " + mode, "net": "mlp", "dtype": dtype, "data": "batch",
                           "batch": 8, "images_per_second": 100 if mode == "eager" else 200}) + "\n")
if (dtype, mode) == ("bf16", "compile"):
    subprocess.Popen(["sleep", "3141"])
    time.sleep(60)
sys.exit(dtype == "fp16" and mode == "compile")
EOT
    variants() {
        BENCH_JSON=$top/rows python3 bench/torch_part.py --step "$top/step.py" --nets mlp --dtypes fp32 bf16 fp16 \
            --seconds "$1" --rounds 2 >"$top/said" 2>&1
    }
    says() { grep -qE -- "$1" "$top/said"; }
    gone() { ! grep -qzxs '[3]141' /proc/[0-9]*/cmdline; }
    check "each PyTorch variant runs by itself" variants 13
    check "with the options passed on, and one heading" says '^fp32 eager True False$'
    check "and the others without" says '^bf16 eager True True$'
    check "one that takes too long is left out, and said so" says '^# mlp bf16 compile: left out: not done in its share'
    check "with what it started" gone
    check "the one after it runs, and fails by itself" says '^# mlp fp16 compile: left out: it ended with 1$'
    check "it is on record" grep -q '"name": "left out", "program": "pytorch compile", "net": "mlp", "dtype": "bf16"' "$top/rows"
    check "and what it measured is kept" grep -q '"pytorch compile".*"bf16".*"images_per_second": 200' "$top/rows"
    check "without time nothing is begun" sh -c "! BENCH_JSON=$top/none python3 bench/torch_part.py --step $top/step.py --nets mlp --seconds 1 >'$top/said' 2>&1"
    check "and that is said" says 'is too short'
    mine() {
        printf '{"name": "step", "program": "evenkeel", "net": "mlp", "dtype": "bf16", "data": "batch", "batch": 8, "images_per_second": %s, "deterministic": %s}\n' "$1" "$2"
    }
    { mine 300 true && mine 500 false; } >>"$top/rows"
    check "ratios are formed" sh -c "BENCH_JSON=$top/ratios python3 bench/torch_part.py --compare '$top/rows' >'$top/said'"
    check "with all algorithms on both sides" grep -q '"precision": "best", "deterministic": false, "ratio": 2.5}' "$top/ratios"
    check "and of ours deterministic" grep -q '"precision": "best", "deterministic": true, "ratio": 1.5}' "$top/ratios"
fi
run "$build" PART=nothing
check "an unknown part" ends 64 "there is no part 'nothing'"
run "$build" DEVICE=cuda:63 PART=ops TESTS=test_flat
check "a device that is not there" ends 69
run "$top/nowhere"
check "nothing built" ends 66 "is not built"

# Stand-ins: what tests may do.
mkdir -p "$top/build/tests" "$top/build/bench"
ln -s "$PWD/$build/evenkeel" "$top/build/evenkeel"
stand_in() { printf '#!/bin/sh\n%s\n' "$2" >"$top/build/$1" && chmod +x "$top/build/$1"; }
stand_in tests/wrong 'echo "1..2"; echo "ok 1 - sum"; echo "not ok 2 - \"product\""; echo "# it is 3"; exit 1'
stand_in tests/crash 'echo "1..1"; kill -SEGV $$'
stand_in tests/hang 'echo "1..1"; sleep 60'
run "$top/build" PART=ops TESTS=wrong
check "a test that fails" ends 1 "it is 3"
check "is on record with its reason" has ops.json '$j->{failed} == 1 && $j->{passed} == 1 &&
    $j->{results}[1]{name} eq "wrong: \"product\"" && $j->{results}[1]{outcome} eq "failed" && $j->{results}[1]{text} =~ /it is 3/'
run "$top/build" PART=ops TESTS=crash
check "a test that crashes" ends 1 "ended with 139"
run "$top/build" PART=ops TESTS='hang wrong' LIMIT=7
check "a test that hangs" ends 1 "ended with 124"
check "and the one after it has no time left" has ops.json '$j->{failed} == 2 && $j->{results}[1]{text} =~ /not run/'
stand_in bench/bench_step 'echo "loss  12 us"; echo "{\"name\": \"loss\", \"seconds\": 12}" >>$BENCH_JSON
printf "{\"name\": \"upda" >>$BENCH_JSON; exec sleep 60'
run "$top/build" PART=kernels LIMIT=7
check "a bench that the clock ends" ends 1 "the time was over"
check "keeps the rows that it has" has kernels.json '$j->{results}[0]{seconds} == 12 && $j->{failed} == 2'
check "and its table" grep -q '^loss  12 us' "$top/results/kernels.txt"
echo "1..$count"
