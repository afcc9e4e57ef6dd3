#!/bin/sh
# The first program in README.md is hello.cpp, and the text after it is what that program prints: check_readme.sh HELLO
set -eu
hello=$(realpath "$1")
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# block LANGUAGE: the first fenced block of that language in README.md.
block() { awk -v fence="\`\`\`$1" '$0 == fence && !seen { inside = seen = 1; next } /^```/ { inside = 0 } inside' ../README.md; }

block cpp > "$scratch/readme.cpp"
awk '$0 == "// [readme]" { inside = !inside; next } inside' hello.cpp > "$scratch/hello.cpp"
diff -u "$scratch/hello.cpp" "$scratch/readme.cpp"
test -s "$scratch/hello.cpp"

block text > "$scratch/readme.txt"
"$hello" > "$scratch/hello.txt"
diff -u "$scratch/hello.txt" "$scratch/readme.txt"
