#!/bin/sh
# Prints what the changelog says about a version: notes.sh VERSION. Ends with 1 if it says nothing.
set -eu
[ $# -eq 1 ] || { echo "usage: notes.sh VERSION" >&2; exit 2; }
cd "$(dirname "$0")/../.."
notes=$(awk -v head="## [$1]" 'index($0, head) == 1 { found = 1; next } /^## / { found = 0 } found' CHANGELOG.md)
[ -n "$notes" ] || { echo "Cannot print the notes: CHANGELOG.md has no version $1." >&2; exit 1; }
printf '%s\n' "$notes"
