#!/bin/sh
# Prints the version: the number in the file VERSION, "+", and the commit it was built from, if that can be known: from
# git in a checkout, else from the file's second line, which `git archive` fills in.
cd "$(dirname "$0")/.." || exit 1
{ read -r number; read -r commit; } <VERSION
case $commit in *Format*) commit= ;; esac
[ -e .git ] && found=$(git describe --always --exclude='*' --dirty 2>/dev/null) && commit=$found
echo "$number${commit:++$commit}"
