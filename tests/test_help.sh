#!/bin/sh
# What is written about the commands against what the program has: the man page, README.md and docs/ name every command
# and option that --help names, and none that it does not. (Completion asks the program: test_completion.sh.) Causes and
# rules of the doctor, and links between the pages.
cd "$(dirname "$0")/.." || exit 1
program=${BUILD:-build}/evenkeel
page=docs/evenkeel.1
work=$(mktemp -d "${TMPDIR:-/tmp}/help.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
count=0
# same NAME EXPECTED FOUND: two files of sorted lines.
same() {
    count=$((count + 1))
    if cmp -s "$2" "$3"; then echo "ok $count - $1"; else
        echo "not ok $count - $1"
        diff "$2" "$3" | sed -n 's/^</# missing: /p; s/^>/# too much: /p'
    fi
}
sorted() { LC_ALL=C sort -u >"$work/$1"; }

"$program" --help | awk '/^usage/ { listed = 1 } /COMMAND --help/ { listed = 0 } listed && /^  [a-z]/ { print $1 }' | sorted commands
commands=$(cat "$work/commands")
[ -n "$commands" ] || { echo "Bail out! $program --help names no commands"; exit 1; }
for command in $commands; do
    "$program" "$command" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p' | grep -vx help | sorted "options.$command"
done

# The page's list of commands, the lines of each.
awk '/^\.Sh DESCRIPTION/ { inside = 1 } /^\.Sh FILES/ { inside = 0 } inside' "$page" >"$work/page"
sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/s/^\.Cm \([a-z-]*\).*/\1/p' "$page" | sorted synopsis
same "every command is in the man page's synopsis" "$work/commands" "$work/synopsis"
sed -n 's/^\.It Cm \([a-z-]*\).*/\1/p' "$work/page" | sorted listed
same "and in its description" "$work/commands" "$work/listed"
for command in $commands; do
    awk -v name="$command" '/^\.It Cm / { inside = $3 == name } inside' "$work/page" | sed -n 's/^\.It Fl Fl \([a-z-]*\).*/\1/p' |
        sorted "page.$command"
    same "the man page has the options of $command" "$work/options.$command" "$work/page.$command"
done

sed -n '/^## Commands/,/^## /s/^    evenkeel \([a-z-]*\).*/\1/p' README.md | sorted readme
same "README.md lists every command" "$work/commands" "$work/readme"

# Each "evenkeel COMMAND … --option" of the guides: up to the end of the line or of the code.
for file in README.md docs/*.md configs/*.ini; do
    grep -oE 'evenkeel [a-z-]+[^`|#;$(]*' "$file" | while read -r _ command rest; do
        [ -e "$work/options.$command" ] || continue
        for word in $rest; do
            case $word in
                evenkeel | */evenkeel) break ;;
                --[a-z]*) option=$(expr "$word" : '--\([a-z-]*\)') ;;
                *) continue ;;
            esac
            grep -qx -- "$option" "$work/options.$command" || echo "$file: $command --$option"
        done
    done
done | sorted mentioned
: | sorted none
same "README.md and docs/ name no option that a command has not" "$work/none" "$work/mentioned"

# The doctor's guide has a section for each cause, and names each rule.
guide=docs/doctor-causes.md
sed -n 's/^    \[CAUSE_\([A-Z_]*\)\] =.*/\1/p' host/doctor/causes.c | tr '[:upper:]' '[:lower:]' | sorted causes
sed -n 's/^### //p' "$guide" | sorted sections
same "$guide has a section for each cause" "$work/causes" "$work/sections"
grep -oE 'doctor-causes.md#[a-z_]+' docs/doctor.md | sed 's/.*#//' | sorted table
same "docs/doctor.md has a row for each" "$work/causes" "$work/table"
sed -n 's/^    {"\([a-z_]*\)", CAUSE_.*/\1/p' host/doctor/rules.c | sorted rules
while read -r rule; do grep -qF "\`$rule\`" "$guide" && echo "$rule"; done <"$work/rules" | sorted explained
same "and explains each rule" "$work/rules" "$work/explained"

# Links from one page to another, and to its headings, as GitHub names them.
for file in README.md docs/*.md bench/*.md; do
    folder=$(dirname "$file")
    grep -oE '\]\([^)]+\)' "$file" | sed 's/^](//; s/)$//' | grep -v '^http' | while read -r link; do
        target=${link%%#*}
        [ -z "$target" ] && target=$file || target=$folder/$target
        if [ ! -e "$target" ]; then
            echo "$file: $link"
        elif [ "$link" != "${link#*#}" ]; then
            sed -n 's/^##* //p' "$target" | tr '[:upper:]' '[:lower:]' | sed 's/[^a-z0-9 _-]//g; s/ /-/g' |
                grep -qx -- "${link#*#}" || echo "$file: $link"
        fi
    done
done | sorted broken
same "no link leads nowhere" "$work/none" "$work/broken"
echo "1..$count"
