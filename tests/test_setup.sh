#!/bin/sh
# tools/setup.sh against stand-ins for the package manager: what it installs, when it only says so, how it ends.
setup=$(cd "$(dirname "$0")/.." && pwd)/tools/setup.sh
top=${TMPDIR:-/tmp}/setup.$$
trap 'rm -rf "$top"' EXIT
count=0

# stand_in NAME LINE...: a command of that name; what it is called with goes to the file "calls"
stand_in() {
    name=$1
    shift
    { echo '#!/bin/sh' && echo "echo \"$name \$*\" >>\"$top/calls\"" && printf '%s\n' "$@"; } >"$top/bin/$name"
    chmod +x "$top/bin/$name"
}

# A machine where all packages of "build" but $1 are installed, and the user is $2 (0: root).
machine() {
    rm -rf "$top" && mkdir -p "$top/bin" && : >"$top/calls"
    for tool in sh awk find head sed mktemp rm cat env grep; do ln -s "$(command -v $tool)" "$top/bin/$tool"; done
    stand_in id "echo $2"
    stand_in sudo 'exit 1'
    stand_in dpkg-query "[ -e $top/installed ] && gone= || gone='$1'" 'case $3 in' '*Version*) echo 2.6.3-1 ;;' \
        '*) shift 3; for p; do [ "$p" = "$gone" ] || echo "$p installed"; done ;;' 'esac'
    stand_in apt-get "case \$* in *install*) : >$top/installed ;; esac"
}

# ends CODE NAME [WORDS]: setup ends with CODE and prints WORDS
ends() {
    count=$((count + 1))
    said=$(PATH=$top/bin CC=cc "$setup" build 2>&1)
    code=$?
    case $said in *"${3:-}"*) found=yes ;; *) found=no ;; esac
    if [ $code = "$1" ] && [ $found = yes ]; then echo "ok $count - $2"; else
        echo "not ok $count - $2"
        printf '%s\n' "ended with $code and said:" "$said" | sed 's/^/# /'
    fi
}

# called NAME PATTERN [not]: a command was called so
called() {
    count=$((count + 1))
    if grep -qE "$2" "$top/calls"; then is=''; else is=not; fi
    if [ "$is" = "${3:-}" ]; then echo "ok $count - $1"; else
        echo "not ok $count - $1"
        sed 's/^/# called: /' "$top/calls"
    fi
}

machine none 0
ends 0 'nothing is missing'
called 'the package manager stays alone' '^apt-get' not

machine libinih-dev 0
ends 0 'root' 'installing libinih-dev'
called 'only what is missing is installed' '^apt-get install .*-y --no-install-recommends .* libinih-dev$'

machine libinih-dev 1000
ends 69 'neither root nor sudo' 'sudo apt-get install --no-install-recommends libinih-dev'
called 'nothing is installed then' '^apt-get' not

machine libinih-dev 1000
rm "$top/bin/sudo"
ends 69 'no sudo at all' "su -c 'apt-get update && apt-get install --no-install-recommends libinih-dev'"

machine libinih-dev 1000
stand_in sudo 'shift' 'exec "$@"'
stand_in true
ends 0 'sudo without a password' 'installing libinih-dev'
called 'through sudo' '^sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install'

machine libinih-dev 0
stand_in apt-get "case \$* in update*) : >$top/updated ;; *) [ -e $top/updated ] && : >$top/installed ;; esac"
ends 0 'package lists too old to be of use'
called 'are fetched' '^apt-get update'

machine libinih-dev 0
stand_in apt-get 'echo "E: Unable to locate package"; exit 100'
ends 69 'the package manager fails, in its own words' 'E: Unable to locate package'

machine none 0
rm "$top/bin/dpkg-query" "$top/bin/apt-get"
stand_in pkg-config
ends 0 'no Debian, but the libraries are there'
stand_in pkg-config 'exit 1'
ends 69 'no Debian, and a library is missing' 'inih'

echo "1..$count"
