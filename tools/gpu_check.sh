#!/bin/bash
# Everything to be run where there is a GPU, in parts that each end within LIMIT seconds and leave RESULTS/PART.json and
# RESULTS/PART.txt. From the source tree `make gpu-check` and `make gpu-bench` build first; in a bundle this is ./gpu-check.
#   PART="ops train" tools/gpu_check.sh        without PART: all, at most as many times LIMIT as there are parts
#   ops            every operation, forward and backward, against the double reference, joined ones too; gather, loss,
#                  update, statistics; recorded vectors
#   memory         the same under compute-sanitizer's memcheck
#   race           small cases under racecheck and synccheck
#   train          50 fp32 steps against the CPU's, a batch by heart in each precision, resuming bit for bit, whole runs
#   fashion        Fashion-MNIST from EVENKEEL_DATA, and its accuracy on the test images
#   bench bench50  whole steps in images/s, what share of them statistics take, host waits; ResNet-50 by itself
#   free           the same steps with algorithms that need not give the same bits again, as PyTorch's are
#   kernels        each kernel beside the device's copy bandwidth and best product
#   torch torch18 torch50 torch50_bf16 torch50_fp16 torch50_fp32
#                  the same networks in PyTorch (PYTHON), if it is there: ResNet-18 and -50 by themselves, and of the
#                  latter what is compiled by precision
# DEVICE: cuda, cuda:1, or cpu, which proves the script alone. BUILD: where the programs are. NETS: of networks these alone.
# TESTS, FASHION, BENCH_TRAIN, BENCH_OPS, BENCH_STEP, BENCH_TORCH: other test programs, config keys, options. Ends with 1
# where something failed, 69 where there is no such device.
# shellcheck disable=SC2317 # parts are called by name
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.." || exit 66
if [ -z "${BUILD:-}" ]; then if [ -x evenkeel ]; then BUILD=.; else BUILD=build; fi; fi
DEVICE=${DEVICE:-cuda}
LIMIT=${LIMIT:-480}
PYTHON=${PYTHON:-python3}
RESULTS=${RESULTS:-bench/results/$DEVICE}

fail() { echo "gpu-check: $1" >&2 && exit "$2"; }

work=$(mktemp -d "${TMPDIR:-/tmp}/evenkeel-gpu-check.XXXXXX") || exit 73
trap 'rm -rf "$work"' EXIT
mkdir -p "$RESULTS" || fail "$RESULTS cannot be made; name a folder that can be written with RESULTS=" 73
[ -x "$BUILD/evenkeel" ] || fail "$BUILD/evenkeel is not built; \`make gpu-check\` builds it" 66

# ---- the device ----

# The line of `evenkeel devices` for the device, "cuda   NVIDIA …".
describe() { "$BUILD/evenkeel" devices 2>/dev/null | grep "^${DEVICE%%:*} " || echo "${DEVICE%%:*} is not built in"; }
# cuBLAS and cuDNN as pip installs them, with PyTorch for one, are where no loader looks.
pip_libraries() {
    "$PYTHON" -c 'import site, sys
for folder in sys.path + site.getsitepackages(): print(folder)' 2>/dev/null | sort -u | while read -r folder; do
        find "$folder/nvidia" -name 'libcudnn.so.*' -o -name 'libcublasLt.so.*' 2>/dev/null
    done | xargs -r -n 1 dirname | sort -u | tr '\n' ':'
}
device_text=$(describe)
case $device_text in *"cannot load"*)
    LD_LIBRARY_PATH=$(pip_libraries)${LD_LIBRARY_PATH:-}
    export LD_LIBRARY_PATH
    device_text=$(describe)
    ;;
esac
case $device_text in
*"not built in"*) fail "$BUILD/evenkeel was built without CUDA; \`make CUDA=1\` says what is missing, or DEVICE=cpu to try the scripts" 69 ;;
*"not usable"*) fail "$device_text (or DEVICE=cpu to try the scripts)" 69 ;;
esac
read -r _ device_text <<<"$device_text"
version=$("$BUILD/evenkeel" --version | head -n 1)

# ---- results ----

# A string of JSON.
quoted() {
    local text=$1
    text=${text//\\/\\\\} text=${text//\"/\\\"} text=${text//$'\n'/\\n} text=${text//$'\t'/ }
    printf '"%s"' "$text"
}
# Each part adds lines to these: JSON objects, and what a person reads.
rows=$work/rows table=$work/table
failed=0 passed=0 skipped=0 started=0

begin() {
    part=$1 failed=0 passed=0 skipped=0 started=$SECONDS
    : >"$rows"
    printf '%s on %s: %s\n%s, %s\n\n' "$part" "$DEVICE" "$device_text" "$version" "$(date -u +%FT%TZ)" | tee "$table"
}
finish() {
    {
        printf '{"part": "%s", "device": %s, "device_text": %s, "version": %s, "date": "%s", "machine": %s, ' "$part" \
            "$(quoted "$DEVICE")" "$(quoted "$device_text")" "$(quoted "$version")" "$(date -u +%FT%TZ)" "$(quoted "$(uname -srm)")"
        printf '"seconds": %d, "passed": %d, "failed": %d, "skipped": %d, "results": [\n' \
            $((SECONDS - started)) "$passed" "$failed" "$skipped"
        sed '$!s/$/,/' "$rows"
        echo ']}'
    } >"$RESULTS/$part.json"
    say "$(printf '\n%s: %d passed, %d failed, %d skipped, in %d s; %s' "$part" "$passed" "$failed" "$skipped" \
        $((SECONDS - started)) "$RESULTS/$part.json")"
    cp "$table" "$RESULTS/$part.txt"
    [ "$failed" = 0 ] || status=1
}
say() { printf '%s\n' "$1" | tee -a "$table"; }
# verdict ok|failed|skipped NAME SECONDS [WORDS]
verdict() {
    case $1 in ok) passed=$((passed + 1)) ;; failed) failed=$((failed + 1)) ;; skipped) skipped=$((skipped + 1)) ;; esac
    printf '{"name": %s, "outcome": "%s", "seconds": %s, "text": %s}\n' "$(quoted "$2")" "$1" "$3" "$(quoted "${4:-}")" >>"$rows"
    say "$(printf '%-8s %-52s %6s s' "$1" "$2" "$3")"
    [ -z "${4:-}" ] || say "    ${4//$'\n'/$'\n    '}"
}
left() { echo $((LIMIT - SECONDS + started)); }

# ---- running ----

FOUND=99 log='' # how compute-sanitizer ends where it found something, and where it writes what
# Whether all races that racecheck found are within the libraries' kernels.
foreign_races() {
    local pairs='Race reported between|^=+ +and (Read|Write) access'
    [ -n "$log" ] && grep -q 'Race reported' "$log" && ! grep -E "$pairs" "$log" | grep -qvE 'cudnn|cublas|cutlass'
}
# tap NAME COMMAND...: runs a test program, a verdict for each of its tests; what failed says why.
tap() {
    local name=$1 from=$SECONDS code reason outcome test
    shift
    if [ "$(left)" -le 5 ]; then
        verdict failed "$name" 0 "not run: the part's $LIMIT s are over (LIMIT)"
        return
    fi
    TEST_DEVICE=$DEVICE TEST_TIMEOUT=$(left) "$@" >"$work/out" 2>"$work/err"
    code=$?
    if [ "$code" = "$FOUND" ] && foreign_races; then
        code=0
        say "    the races that $name reports are within kernels of NVIDIA's libraries alone"
    fi
    while IFS=$'\t' read -r outcome test reason; do
        verdict "$outcome" "$name: $test" $((SECONDS - from)) "$reason"
    done < <(awk -v err="$work/err" '
        # The words of the nth test that failed are the nth there.
        BEGIN { while ((getline line <err) > 0) if (line ~ /^ERROR: /) words[++told] = substr(line, 8) }
        /^(not )?ok [0-9]+/ {
            if (name) print outcome "\t" name "\t" reason
            outcome = /# SKIP/ ? "skipped" : /^not/ ? "failed" : "ok"; reason = outcome == "failed" ? words[++wrong] : ""
            name = $0; sub(/^(not )?ok [0-9]+ (- |# SKIP )?/, "", name); next
        }
        /^# / && name && outcome == "failed" && $0 !~ /^# (not )?ok/ { reason = reason " " substr($0, 3) }
        END { if (name) print outcome "\t" name "\t" reason }' "$work/out")
    if [ "$code" != 0 ] && ! grep -q '^not ok' "$work/out"; then
        verdict failed "$name" $((SECONDS - from)) "ended with $code: $(tail -n 5 "$work/out" "$work/err" | tr '\n' ' ')"
    fi
    sed -n 's/^# \(.*of the tolerance.*\|.*: loss [0-9].*\)/    \1/p' "$work/out" | while IFS= read -r line; do say "$line"; done
}
tests() {
    for test in ${TESTS:-$*}; do tap "$test" tests/tap.sh "$BUILD/tests/$test"; done
}

part_ops() { tests test_ops test_joined test_op_vectors test_flat test_gather test_loss test_update test_survey test_sketch test_samples; }

# under TOOL PROGRAM...: test programs under a tool of compute-sanitizer. What it says of one that failed is kept beside the
# results. Calls that CUDA's libraries make to find out what there is may fail; our own are checked by the program.
under() {
    local tool=$1 program before options=(--error-exitcode "$FOUND")
    shift
    [ "$tool" != memcheck ] || options+=(--report-api-errors no)
    for program in ${TESTS:-$*}; do
        before=$failed log=$work/$tool.$program.log
        EVENKEEL_CUDA_TUNE=0 TEST_ROUNDS=1 tap "$tool: $program" tests/tap.sh "$sanitizer" --tool "$tool" "${options[@]}" \
            --log-file "$log" "$BUILD/tests/$program"
        grep -h 'SUMMARY' "$log" 2>/dev/null | sort | uniq -c | while IFS= read -r line; do say "    $line"; done
        if [ "$failed" != "$before" ] && [ -s "$log" ]; then
            cp "$log" "$RESULTS/" && say "    $RESULTS/$tool.$program.log has what was found"
        fi
    done
}
find_sanitizer() {
    sanitizer=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer" 2>/dev/null)
    [ -n "$sanitizer" ] || verdict failed compute-sanitizer 0 'not found; it comes with the CUDA toolkit, put its bin folder into PATH or name it with CUDA_HOME'
    [ -n "$sanitizer" ]
}
kernel_tests=(test_flat test_loss test_update test_gather test_survey test_sketch test_samples test_joined)

part_memory() {
    if [ "${DEVICE%%:*}" = cpu ]; then
        say 'no GPU, so no compute-sanitizer: the tests alone'
        tests "${kernel_tests[@]}" test_ops
    elif find_sanitizer; then
        under memcheck "${kernel_tests[@]}" test_ops
    fi
}

part_race() {
    export TEST_RACES=1
    if [ "${DEVICE%%:*}" = cpu ]; then
        say 'no GPU, so no compute-sanitizer: the selection alone'
        tests "${kernel_tests[@]}" test_ops
    elif find_sanitizer; then
        under racecheck "${kernel_tests[@]}" test_ops
        under synccheck "${kernel_tests[@]}" test_ops
    fi
    unset TEST_RACES
}

part_train() { tests test_agreement test_resume test_train; }

# value FILE.csv COLUMN: of the last row
value() { awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i } END { print $at }' "$1"; }

part_fashion() {
    local data=${EVENKEEL_DATA:-}/fashion-mnist from=$SECONDS run=$work/fashion accuracy rate
    if [ -z "${EVENKEEL_DATA:-}" ] || [ ! -d "$data" ]; then
        verdict skipped fashion 0 'EVENKEEL_DATA names no folder with fashion-mnist in it'
        return
    fi
    # shellcheck disable=SC2086 # a list of words
    if ! timeout "$(left)" "$BUILD/evenkeel" train configs/fashion_mnist.ini data.train="$data" train.device="$DEVICE" \
        run.dir="$work" run.name=fashion ${FASHION:-} >"$work/out" 2>"$work/err"; then
        verdict failed "fashion: train" $((SECONDS - from)) "$(tail -n 5 "$work/err")"
        return
    fi
    verdict ok "fashion: train" $((SECONDS - from))
    rate=$(value "$run/results.csv" images_per_second)
    if ! "$BUILD/evenkeel" eval "$run" --data "$data" >"$work/out" 2>"$work/err"; then
        verdict failed "fashion: eval" $((SECONDS - from)) "$(tail -n 5 "$work/err")"
        return
    fi
    accuracy=$(awk '$1 == "top-1" { print $2 }' "$work/out")
    printf '{"name": "fashion: accuracy", "value": %s, "unit": "%%", "images_per_second": %s}\n' "${accuracy:-null}" "${rate:-null}" >>"$rows"
    say "    top-1 $accuracy % on the test images, $rate images/s in the last epoch"
    # Linear models end at 84 to 85 %, small convolutional networks at 91 to 93; a shortened run is told by neither.
    if [ -n "${FASHION:-}" ]; then verdict skipped "fashion: accuracy" 0 "shortened by FASHION=$FASHION"; elif
        awk -v a="${accuracy:-0}" 'BEGIN { exit !(a >= 90) }'; then verdict ok "fashion: accuracy" 0; else
        verdict failed "fashion: accuracy" 0 "$accuracy %, expected 90 % or more"
    fi
}

# measure NAME COMMAND...: a bench, which writes its rows to the file BENCH_JSON names and prints its table; ends when all but
# spare seconds of the part are over
spare=0
measure() {
    local name=$1 from=$SECONDS code line
    shift
    if [ "$(left)" -le 5 ]; then
        verdict failed "$name" 0 "not run: the part's $LIMIT s are over (LIMIT)"
        return
    fi
    : >"$work/json"
    if BENCH_JSON=$work/json timeout $(($(left) - spare)) "$@" >"$work/out" 2>"$work/err"; then
        code=0
    else
        code=$?
    fi
    # What was cut short keeps what it has: a line that is not whole is no row.
    while IFS= read -r line; do say "$line"; done <"$work/out"
    grep '}$' "$work/json" >>"$rows"
    case $code in
    0) verdict ok "$name" $((SECONDS - from)) ;;
    124) verdict failed "$name" $((SECONDS - from)) "the time was over; the table has what was measured by then" ;;
    *) verdict failed "$name" $((SECONDS - from)) "ended with $code: $(tail -n 5 "$work/err")" ;;
    esac
}

# least|most FIELD PATTERN: over the part's rows that PATTERN matches, a field's number; nothing where there is none
extreme() {
    awk -v pick="$1" -v field="\"$2\": " -v pattern="$3" '
        $0 ~ pattern && match($0, field "[-+.e0-9]+") {
            value = substr($0, RSTART + length(field), RLENGTH - length(field)) + 0
            if (!found++ || (pick == "least" ? value < best : value > best)) best = value
        }
        END { if (found) print best }' "$rows"
}
# target WORDS least|most GOAL FIELD PATTERN: how far a goal of speed is reached, by the worst of these rows. Missing one is no
# failure: the code is right.
target() {
    local worst met
    worst=$(extreme "$2" "$4" "$5")
    [ -n "$worst" ] || return 0
    met=$(awk -v value="$worst" -v goal="$3" -v bound="$2" 'BEGIN { print (bound == "least" ? value >= goal : value <= goal) ? "true" : "false" }')
    printf '{"name": "target", "target": %s, "value": %s, "at_%s": %s, "met": %s}\n' "$(quoted "$1")" "$worst" "$2" "$3" "$met" >>"$rows"
    say "$(printf 'target   %-52s %s, at %s %s: %s' "$1" "$worst" "$2" "$3" "$([ "$met" = true ] && echo met || echo missed)")"
}

# steps OPTIONS NET...: whole steps of each network, of those that NETS names
steps() {
    local net extra=$1
    shift
    for net; do
        case " ${NETS:-$net} " in *" $net "*) ;; *) continue ;; esac
        # shellcheck disable=SC2086 # lists of words
        measure "steps $net" "$BUILD/bench/bench_train" --device "$DEVICE" --case "$net" $extra ${BENCH_TRAIN:-}
    done
    target 'host waits in a step' most 0 host_waits '"name": "step"'
    target 'share of a step that statistics take, within it' most 0.01 statistics_share '"name": "step"'
    target 'and in passes of their own' most 0.01 statistics_passes_share '"name": "step"'
}
part_bench() { steps '' mlp small_cnn resnet18; }
part_bench50() { steps '' resnet50; }
part_free() { steps '--times --deterministic false' mlp small_cnn resnet18 resnet50; }

part_kernels() {
    # shellcheck disable=SC2086 # lists of words
    {
        measure pieces "$BUILD/bench/bench_step" --device "$DEVICE" ${BENCH_STEP:-}
        measure operations "$BUILD/bench/bench_ops" --device "$DEVICE" ${BENCH_OPS:-}
    }
    target 'batch normalisation, of a copy as large' least 0.85 share_of_copy '"layer": "norm .*"dtype": "(bf16|fp16)"'
    target 'optimizer, of a copy as large' least 0.85 share_of_copy '"name": "update"'
}

# pytorch NETS OPTION...: networks in PyTorch, of those that NETS names, and how many times as fast ours are by then: by
# the rows of all parts so far
pytorch() {
    local net goal nets='' files=() file ratio
    for net in $1; do
        case " ${NETS:-$net} " in *" $net "*) nets="$nets $net" ;; esac
    done
    shift
    if ! "$PYTHON" -c 'import torch' 2>/dev/null; then
        verdict skipped torch 0 "$PYTHON has no torch; name one that has with PYTHON="
        return
    fi
    [ -n "$nets" ] || return 0
    # Each variant has its share of the time, and is left out alone where that is too short. The ratios take a moment, too.
    spare=$(($(left) / 16))
    # shellcheck disable=SC2086 # lists of words
    measure "PyTorch$nets" "$PYTHON" bench/torch_part.py --device "$DEVICE" --nets $nets --seconds $(($(left) - 2 * spare)) "$@" ${BENCH_TORCH:-}
    spare=0
    for file in "$RESULTS"/bench*.json "$RESULTS"/free.json "$RESULTS"/torch*.json; do
        [ ! -f "$file" ] || [ "$file" = "$RESULTS/$part.json" ] || files+=("$file")
    done
    cp "$rows" "$work/by-now"
    measure ratios "$PYTHON" bench/torch_part.py --compare "${files[@]}" "$work/by-now"
    # Like with like: ours with all algorithms, as PyTorch's; deterministic where that has not been timed.
    while read -r net goal; do
        ratio="\"net\": \"$net\".*\"precision\": \"best\", \"deterministic\": "
        grep -q "${ratio}false" "$rows" && ratio+=false
        case "$nets " in *" $net "*) target "$net: images/s over PyTorch's best" least "$goal" ratio "$ratio" ;; esac
    done <<<$'small_cnn 4\nresnet18 1.3\nresnet50 1.2'
}
# What compiles for minutes has a part of its own.
part_torch() { pytorch 'mlp small_cnn' --dtypes "${DTYPES[@]}"; }
part_torch18() { pytorch resnet18 --dtypes "${DTYPES[@]}"; }
part_torch50() { pytorch resnet50 --modes eager --dtypes "${DTYPES[@]}"; }
part_torch50_bf16() { pytorch resnet50 --modes compile --dtypes bf16; }
part_torch50_fp16() { pytorch resnet50 --modes compile --dtypes fp16; }
part_torch50_fp32() { pytorch resnet50 --modes compile --dtypes fp32; }
DTYPES=(bf16 fp16 fp32)
[ "${DEVICE%%:*}" != cpu ] || DTYPES=(bf16 fp32)

status=0
PART=${PART:-ops memory race train fashion bench bench50 free kernels torch torch18 torch50 torch50_bf16 torch50_fp16 torch50_fp32}
for name in $PART; do
    declare -F "part_$name" >/dev/null || fail "there is no part '$name'; see the list in $0" 64
done
for name in $PART; do
    begin "$name"
    "part_$name"
    finish
done
exit $status
