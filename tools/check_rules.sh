#!/bin/sh
# The rules of the code's map that a script can see: who may include whom, levels of headers, sizes, words.
#   tools/check_rules.sh [DIR]        prints "file:line: rule" for each breach; ends with 1 when there is one
# The map itself, with reasons, is docs/ARCHITECTURE.md.
set -u
cd "${1:-$(dirname "$0")/..}" || exit 66

c_files() { find host kernels include tests bench fuzz -name '*.[ch]' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' 2>/dev/null | sort; }

# Knows every include/*.h with its level first, then judges every #include line by the folder it stands in.
includes() {
    # shellcheck disable=SC2046 # names without blanks
    awk '
        function breach(rule) { print FILENAME ":" FNR ": " rule; found = 1 }
        function one_of(word, words) { return index(" " words " ", " " word " ") > 0 }
        BEGIN {
            libc = "assert.h complex.h ctype.h errno.h fcntl.h float.h inttypes.h limits.h math.h signal.h stdarg.h stdbool.h " \
                "stddef.h stdint.h stdio.h stdlib.h string.h sys/stat.h sys/types.h time.h unistd.h"
            shared = "base.h op.h augment.h random.h backend.h"
            disk = "file.h log.h" # the cache of plans
            vendor = "^(cuda|cudnn|cublas|nccl|curand|nvml|nvrtc|nvtx)"
        }
        FNR == 1 { folder = FILENAME; sub("/[^/]*$", "", folder); name = substr(FILENAME, length(folder) + 2) }
        pass == 1 && folder == "include" && !(name in level) && match($0, /Level [0-9]+/) {
            level[name] = substr($0, RSTART + 6, RLENGTH - 6) + 0
        }
        pass == 1 { there[FILENAME] = 1; next }
        !/^[ \t]*#[ \t]*include/ { next }
        {
            target = $0
            if (!match(target, /"[^"]*"|<[^>]*>/)) next
            target = substr(target, RSTART + 1, RLENGTH - 2)
            system_header = index($0, "<" target ">") > 0
        }
        system_header && folder == "include" && !one_of(target, libc) { breach("a header in include/ includes libc only, not <" target ">") }
        system_header && target ~ /^(dnnl|oneapi)/ && folder != "bench" { breach("<" target "> is for bench/ alone, to compare with") }
        system_header && target ~ vendor && folder != "kernels/cuda" { breach("<" target "> is for kernels/cuda/ alone") }
        system_header { next }

        target ~ /\.(c|cpp|cu)$/ { breach("a source file is never included: " target); next }
        target ~ /\// && target !~ /^kernels\/common\/[^\/]*\.h$/ { breach("no folder in an include: " target); next }
        target ~ /^kernels\/common\// {
            if (folder ~ /^(host|include)/) breach(folder "/ knows nothing of kernels/: " target)
            next
        }
        folder == "include" {
            if (!(target in level)) breach("not a header in include/, or without a level: " target)
            else if (level[target] >= level[name])
                breach("level " level[name] " includes " target " of level " level[target] "; only lower levels may be")
            next
        }
        ((folder "/" target) in there) { next }
        folder == "bench" && (("tests/" target) in there) { next }
        folder == "kernels/cuda" && target == "cuda_emu.h" { next }
        folder == "tests/emu" && (("tests/" target) in there || ("kernels/cuda/" target) in there) { next }
        !(("include/" target) in there) { breach("neither in include/ nor of its own folder: " target); next }
        folder == "kernels/cuda" && one_of(target, disk) { next }
        folder ~ /^kernels\// && !one_of(target, shared) { breach(folder "/ may include " shared " of include/, not " target) }
        END { exit found }
    ' pass=1 $(c_files) pass=2 $(c_files)
}

levels() {
    for header in include/*.h; do
        grep -q 'Level [0-9]' "$header" || { echo "$header:1: the opening comment states no level"; bad=1; }
    done
    return ${bad:-0}
}

charters() {
    for file in $(c_files); do
        head -n 1 "$file" | grep -q '^/[*/]' || { echo "$file:1: opens without a comment that says what the file owns"; bad=1; }
    done
    return ${bad:-0}
}

# A column of the tables that a run writes is one of the rows of docs/statistics.md.
columns() {
    awk -F'"' '/^static const char (steps|results)_head/, /;$/ { sub(/\\n/, "", $2); gsub(/,/, "\n", $2); print $2 }' \
        host/observe/run_records.c | grep . | while read -r column; do
        grep -qF "\`$column\`" docs/statistics.md || echo "docs/statistics.md:1: says nothing of the column $column"
    done | grep . && return 1
    return 0
}

sizes() {
    c_files | xargs wc -l | awk '$2 != "total" && $1 > 500 { print $2 ":1: " $1 " lines; over 500 it is really two files"; n++ } END { exit n > 0 }'
}

# no PATTERN: prints the lines of our own text that match; fails when there is one
no() {
    lines=$(find host kernels include tests bench fuzz tools configs completions Makefile -type f ! -path 'tests/vectors/*' \
        ! -path 'fuzz/corpus/*' -exec grep -nIHE "$1" {} + 2>/dev/null)
    [ -z "$lines" ] || { echo "$lines" | sed "s/\$/   <- $2/"; return 1; }
}
# Whole words, so that a template for mktemp is none; written so that this line is not its own breach.
words() { no '\<(TO[D]O|FIX[M]E|X[X]X)\>' 'finish it, or file it'; }
spaces() { no '[[:space:]]+$' 'blanks at the end'; }

status=0
for check in includes levels charters columns sizes words spaces; do
    $check || status=1
done
exit $status
