#!/bin/sh
# What tools/check_rules.sh must notice: one breach of each rule planted in a tree that is otherwise clean.
rules=$(cd "$(dirname "$0")/.." && pwd)/tools/check_rules.sh
tree=${TMPDIR:-/tmp}/lint-tree.$$
trap 'rm -rf "$tree"' EXIT
count=0

# plant FILE TEXT...: a file of the clean tree, each TEXT a line
plant() {
    file=$tree/$1
    shift
    mkdir -p "$(dirname "$file")"
    printf '%s\n' "$@" >"$file"
}

clean_tree() {
    rm -rf "$tree"
    plant include/base.h '/* base. Level 0. */' '#include <stdint.h>'
    plant include/op.h '/* op. Level 1. */' '#include "base.h"'
    plant include/plan.h '/* plan. Level 3. */' '#include "op.h"'
    plant host/model/plan.c '/* plan */' '#include "plan.h"' '#include "own.h"' '#include <png.h>'
    plant host/model/own.h '/* own */'
    plant host/observe/run_records.c '/* records */' 'static const char steps_head[] =' '    "step,epoch,"' '    "loss\n";' \
        'static const char results_head[] =' '    "epoch,time\n";'
    plant docs/statistics.md '`step`, `epoch`' '`loss`' '`time`'
    plant kernels/common/philox.h '/* philox */' '#include "base.h"'
    plant kernels/cpu/cpu.h '/* cpu */' '#include <omp.h>'
    plant kernels/cpu/norm.c '/* norm */' '#include "cpu.h"' '#include "op.h"' '#include "kernels/common/philox.h"'
    plant tests/check.h '/* check */'
    plant tests/test_norm.c '/* norm */' '#include "check.h"' '#include "plan.h"' '#include "kernels/common/philox.h"'
    plant bench/norm.c '/* norm */' '#include "check.h"' '#include "plan.h"' '#include <dnnl.h>'
}

result() {
    count=$((count + 1))
    if [ "$1" = yes ]; then echo "ok $count - $2"; else
        echo "not ok $count - $2"
        echo "$output" | sed 's/^/# /'
    fi
}

# caught NAME WORDS FILE TEXT...: with FILE planted so, the check fails and says WORDS about FILE
caught() {
    name=$1 words=$2 at=$3
    shift 2
    clean_tree
    plant "$@"
    if output=$("$rules" "$tree" 2>&1); then verdict=no; else
        case $output in "$at:"*"$words"*) verdict=yes ;; *) verdict=no ;; esac
    fi
    result $verdict "$name"
}

clean_tree
if output=$("$rules" "$tree" 2>&1) && [ -z "$output" ]; then result yes 'a clean tree'; else result no 'a clean tree'; fi

level='only lower levels'
caught 'header of a higher level' "$level" include/op.h '/* Level 1 */' '#include "plan.h"'
caught 'header of the same level' "$level" include/graph.h '/* Level 1 */' '#include "op.h"'
caught 'header without a level' 'states no level' include/graph.h '/* graph */'
caught 'library in a header' 'libc only' include/op.h '/* Level 1 */' '#include <png.h>'
caught 'kernels in a header' 'knows nothing of kernels' include/op.h '/* Level 1 */' '#include "kernels/common/philox.h"'
caught 'oneDNN in a kernel' 'bench/ alone' kernels/cpu/norm.c '/* norm */' '#include <dnnl.h>'
caught 'CUDA header in the host' 'kernels/cuda/ alone' host/model/plan.c '/* plan */' '  #  include <cuda_runtime.h>'
caught 'kernels in the host' 'knows nothing of kernels' host/model/plan.c '/* plan */' '#include "kernels/common/philox.h"'
caught 'folder in an include' 'no folder' host/model/plan.c '/* plan */' '#include "../cpu.h"'
caught 'header of another folder' 'own folder' host/data/read.c '/* read */' '#include "own.h"'
caught 'plan in a kernel' 'may include' kernels/cpu/norm.c '/* norm */' '#include "plan.h"'
caught 'plan in common arithmetic' 'may include' kernels/common/philox.h '/* philox */' '#include "plan.h"'
caught 'the other backend' 'kernels/cuda/ alone' kernels/cpu/norm.c '/* norm */' '#include <cudnn.h>'
caught 'vendor header in a test' 'kernels/cuda/ alone' tests/test_norm.c '/* norm */' '#include <cudnn.h>'
caught 'private header in a test' 'own folder' tests/test_norm.c '/* norm */' '#include "cpu.h"'
caught 'private header in a bench' 'own folder' bench/norm.c '/* norm */' '#include "own.h"'
caught 'source file included' 'never included' tests/test_norm.c '/* norm */' '#include "plan.c"'
caught 'file without a charter' 'says what the file owns' host/model/plan.c '#include "plan.h"'
caught 'column that is not explained' 'column loss' docs/statistics.md '`step`, `epoch`' '`time`, `loss_next`'
caught 'unfinished work' 'finish it' host/model/plan.c '/* plan */' "/* TO""DO: more */"
caught 'blanks at the end' 'blanks' host/model/plan.c '/* plan */' 'int x; '
# shellcheck disable=SC2046 # 501 words
caught 'a file of 501 lines' 'two files' host/model/plan.c '/* plan */' $(seq 500)

echo "1..$count"
