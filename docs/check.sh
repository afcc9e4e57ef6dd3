#!/bin/sh
# Every test that these pages name exists, every relative link leads somewhere, and so does every file named in backquotes.
set -eu
cd "$(dirname "$0")/.."
status=0
for page in README.md docs/*.md docs/decisions/*.md; do
  folder=$(dirname "$page")
  # Tests stand as *(room.concept, room.concept ...)*.
  for test in $(grep -o '\*([^*]*)\*' "$page" | grep -oE '\b(tensor|graph|ops|interop|kernels|compile|module|cli|examples)\.[a-z0-9_]+' | sort -u); do
    if [ ! -e "test/${test%%.*}/${test#*.}_test.cpp" ]; then echo "$page: there is no test $test"; status=1; fi
  done
  for link in $(grep -oE '[^[]\]\([^)# ]+' "$page" | sed 's/^..(//; s/^.*](//' | grep -v '^http' | sort -u); do
    if [ ! -e "$folder/$link" ]; then echo "$page: the link to $link leads nowhere"; status=1; fi
  done
  for file in $(grep -oE '`(examples|src|bench|cmake|test|docs)/[A-Za-z0-9_./-]+' "$page" | cut -c2- | sort -u); do
    if [ ! -e "$file" ]; then echo "$page: there is no $file"; status=1; fi
  done
done
exit $status
