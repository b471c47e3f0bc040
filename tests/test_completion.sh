#!/bin/sh
# bash completion, driven as bash drives it, with a stand-in for the program that has few keys.
cd "$(dirname "$0")/.." || exit 1
top=$PWD
folder=${TMPDIR:-/tmp}/completion.$$
mkdir -p "$folder/mine"
trap 'rm -rf "$folder"' EXIT
cat >"$folder/evenkeel" <<'EOT'
#!/bin/sh
case $* in
'config --keys') printf '%s\n' optim.name optim.name=sgd optim.name=adam optim.lr train.epochs data.train ;;
'train --help') printf '%s\n' 'evenkeel train' '  --resume RUN   go on' '  --quiet   say less' ;;
esac
EOT
chmod +x "$folder/evenkeel"
count=0

# offers LINE EXPECTED: the words offered at the end of LINE, sorted, blanks between
offers() {
    count=$((count + 1))
    found=$(cd "$folder" && PATH=$folder:$PATH LINE=$1 bash -c '
        source "$0"
        COMP_LINE=$LINE COMP_POINT=${#LINE}
        # As readline splits: at blanks, and around every "=".
        read -ra COMP_WORDS <<<"${LINE//=/ = }"
        [[ $LINE == *" " || $LINE == *= ]] && COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _evenkeel 2>/dev/null
        printf "%s\n" "${COMPREPLY[@]}" | LC_ALL=C sort | xargs' "$top/completions/evenkeel")
    if [ "$found" = "$2" ]; then echo "ok $count - $1"; else
        echo "not ok $count - $1"
        echo "# expected: $2"
        echo "# found:    $found"
    fi
}
offers 'evenkeel tr' 'train'
# All that the program itself has.
program=$top/${BUILD:-build}/evenkeel
case ${BUILD:-build} in /*) program=$BUILD/evenkeel ;; esac
commands=$("$program" --help | awk '/^usage/ { listed = 1 } /COMMAND --help/ { listed = 0 } listed && /^  [a-z]/ { print $1 }')
offers 'evenkeel ' "$(printf '%s\n' "$commands" --help --version | LC_ALL=C sort | xargs)"
offers 'evenkeel train c.ini op' 'optim.lr= optim.name='
offers 'evenkeel train c.ini optim.name=' 'adam sgd'
offers 'evenkeel train c.ini optim.name=a' 'adam'
offers 'evenkeel train --re' '--resume'
offers 'evenkeel train c.ini data.train=mi' 'mine'
offers 'evenkeel eval mi' 'mine'
offers 'evenkeel eval mine data.tr' 'data.train='
offers 'evenkeel train ' 'evenkeel mine'
offers 'evenkeel train c.ini nothing.such' ''

echo "1..$count"
