#!/bin/sh
# The coroutine check finds every line of its sample that says BAD, and no other.
set -eu
cd "$(dirname "$0")"
found=$(../../cmake/check_coroutines.sh coroutines.sample && true) || true
expected=$(grep -n '// BAD$' coroutines.sample | cut -d: -f1)
actual=$(echo "$found" | cut -d: -f2)
if [ "$expected" != "$actual" ]; then
  printf 'expected lines:\n%s\nreported:\n%s\n' "$expected" "$found"
  exit 1
fi
