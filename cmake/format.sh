#!/bin/sh
# Formats the C++ files of the repository, or with --check names those that are not formatted: format.sh [--check] [FILE...]
set -eu
mode=-i
if [ "${1:-}" = --check ]; then mode='--dry-run --Werror'; shift; fi
if [ $# -eq 0 ]; then
  cd "$(dirname "$0")/.."
  set -- $(find include src test examples bench -name '*.hpp' -o -name '*.cpp')
fi
exec clang-format-19 $mode "$@"
