#!/bin/sh
# Sets up, builds and runs every test: test/run.sh [--all] [-- CTEST ARGUMENTS]
#
#   (nothing)   the release preset
#   --all       release, asan, tsan and gcc, and the comparisons with other implementations
#
# Presets are built one after another; then one ctest run covers them all, so that its last lines are the summary of
# everything. A preset that does not build is a failed test of that run. Names: kernels.conv, asan.kernels.conv, ...
set -eu
cd "$(dirname "$0")/.."

presets=release
setup="build models"
fetch=
if [ "${1:-}" = --all ]; then
  presets="release asan tsan gcc"
  setup="build models example sanitize peer"
  fetch=--peer
  export LAZYFX_REQUIRE_MODELS=1  # a comparison without its models is a failure here, not a skip
  shift
fi
case ${1:-} in
  --) shift ;;
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
  '') ;;
  *) echo "run.sh: '$1' is not understood; see test/run.sh --help" >&2; exit 2 ;;
esac

began=$(date +%s)
# stage NAME COMMAND...: runs it and says how long it took; its exit status is the command's.
stage() {
  name=$1
  shift
  echo "== $name"
  from=$(date +%s)
  status=0
  "$@" || status=$?
  now=$(date +%s)
  if [ $status -eq 0 ]; then outcome=done; else outcome="FAILED ($status)"; fi
  echo "== $name: $outcome in $((now - from)) s, $((now - began)) s in all"
  return $status
}

stage "set up" cmake/setup.sh $setup
stage "models" cmake/fetch_models.sh $fetch

jobs=$(nproc)
mkdir -p build/all
tests=build/all/CTestTestfile.cmake
: > $tests.new
for preset in $presets; do
  stage "configure $preset" cmake --preset $preset &&
    stage "build $preset" cmake --build --preset $preset --parallel "$jobs" -- -k 0 || true
  # Building again costs nothing when all is built, and fails when it is not.
  echo "add_test(build.$preset \"cmake\" --build \"$PWD/build/$preset\")" >> $tests.new
  echo "set_tests_properties(build.$preset PROPERTIES RUN_SERIAL ON LABELS build)" >> $tests.new
  if [ -e build/$preset/CTestTestfile.cmake ]; then echo "subdirs(\"$PWD/build/$preset\")" >> $tests.new; fi
done
mv $tests.new $tests

echo "== test $presets, $(($(date +%s) - began)) s in all so far"
exec ctest --test-dir build/all --parallel "$jobs" --output-on-failure --no-tests=error "$@"
