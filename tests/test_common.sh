#!/bin/sh
# The arithmetic shared with CUDA is read as C++ too, each header by itself.
if ! command -v g++ >/dev/null; then
    echo "1..0 # SKIP g++ is not installed"
    exit 0
fi
count=0
for header in kernels/common/*.h; do
    count=$((count + 1))
    if printf '#include "%s"\n' "$header" |
        g++ -x c++ -std=c++17 -Iinclude -I. -Wall -Wextra -Wno-unused-function -Werror -fsyntax-only - 2>"$TMPDIR/errors"; then
        echo "ok $count - $header"
    else
        echo "not ok $count - $header"
        sed 's/^/# /' "$TMPDIR/errors"
    fi
done
echo "1..$count"
