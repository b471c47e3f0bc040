#!/bin/sh
# Runs one test for prove: a cmocka executable, or a shell script that prints TAP itself. Gives it an empty $TMPDIR that is
# removed afterwards, and ends it when it takes longer than TEST_TIMEOUT seconds.
# cmocka 1.1.5 prints a skipped test as "not ok N # SKIP name", which readers of TAP count as a failure.
CMOCKA_MESSAGE_OUTPUT=TAP
# Several tests share the CPUs: a thread that waits must not burn one.
OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
# Where the sanitizers are built in: tests of full memory expect NULL from malloc, as without them.
ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1}
UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/evenkeel-test.XXXXXX") || exit 1
trap 'rm -rf "$TMPDIR"' EXIT
# What cairo's fonts are found by keeps some memory to the end.
echo leak:libfontconfig >"$TMPDIR/leaks"
LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$TMPDIR/leaks:print_suppressions=0}
export CMOCKA_MESSAGE_OUTPUT OMP_WAIT_POLICY ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS TMPDIR

case $1 in
*.sh) set -- sh "$@" ;;
# The thread sanitizer of older compilers does not start where addresses are drawn from too large a space.
*/tsan/*) setarch -R true 2>/dev/null && set -- setarch -R "$@" ;;
esac
mkdir "$TMPDIR/work"
# What a test says beside TAP goes past prove, to its 9: prove waits for the next result of whoever writes to stderr, and
# starts no other test meanwhile.
{ true >&9; } 2>/dev/null || exec 9>&2
{
    TMPDIR="$TMPDIR/work" timeout -k 5 "${TEST_TIMEOUT:-300}" "$@" 2>&9 9>&-
    code=$?
    [ $code != 124 ] || echo "# $*: ended after ${TEST_TIMEOUT:-300} s (TEST_TIMEOUT)"
    echo $code >"$TMPDIR/code"
} | sed 's/^not ok \([0-9]*\) # SKIP\(.*\)/ok \1 # SKIP\2/'
exit "$(cat "$TMPDIR/code")"
