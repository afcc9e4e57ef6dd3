#!/bin/sh
# Builds an instrumented oneTBB for the tsan preset: tsan_tbb.sh PREFIX
#
# ThreadSanitizer cannot see the synchronisation inside Debian's libtbb and reports races that are none; suppressing them
# would hide real ones. So the sanitized build links the same version, compiled from Debian's source package with oneTBB's
# own TBB_SANITIZE switch. The source is fetched through a private apt configuration derived from the machine's: it works
# without root and changes nothing outside PREFIX. Idempotent; PREFIX appears only when it is complete.
set -eu

prefix=$1
version=$(dpkg-query -W -f='${source:Version}' libtbb-dev)
if [ "$(cat "$prefix/version" 2>/dev/null || true)" = "$version" ]; then exit 0; fi

work=$prefix.tmp.$$
trap 'rm -rf "$work"' EXIT
rm -rf "$prefix"
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"

echo "tsan: fetching the source of oneTBB $version" >&2
. /etc/os-release
# Every configured Debian archive again, as a source archive. Other vendors' archives have other suites.
{
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true
} | awk -v codename="$VERSION_CODENAME" '
  /^[ \t]*deb[ \t]/ {
    sub(/^[ \t]*deb/, "deb-src")
    rest = $0; sub(/\[[^]]*\]/, "", rest); split(rest, field, /[ \t]+/)
    if (field[3] ~ "^(" codename "|stable)([-/](updates|security|backports|proposed-updates))?$") print
  }' > "$work/apt/sources.list"
mkdir "$work/apt/parts"
for stanzas in /etc/apt/sources.list.d/*.sources; do
  [ -e "$stanzas" ] || continue
  awk -v codename="$VERSION_CODENAME" '
    BEGIN { RS = ""; ORS = "\n\n" }
    /(^|\n)Suites:/ {
      suites = $0; sub(/^(.*\n)?Suites:[ \t]*/, "", suites); sub(/\n.*/, "", suites); split(suites, suite, /[ \t]+/)
      if (suite[1] !~ "^(" codename "|stable)([-/](updates|security|backports|proposed-updates))?$") next
      if ($0 ~ /(^|\n)Enabled:[ \t]*no/) next
      gsub(/(^|\n)#[^\n]*/, "")
      sub(/Types:[^\n]*/, "Types: deb-src")
      sub(/^\n/, "")
      print
    }' "$stanzas" > "$work/apt/parts/$(basename "$stanzas")"
done

private_apt() {
  apt-get -q -o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts="$work/apt/parts" \
    -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User="" \
    -o APT::Get::Only-Source=true "$@" >&2
}
private_apt update
cd "$work"
private_apt source --download-only "onetbb=$version"
dpkg-source --no-check -x onetbb_*.dsc source >&2

echo "tsan: building oneTBB $version with ThreadSanitizer" >&2
cmake -S source -B build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 \
  -DTBB_SANITIZE=thread -DTBBMALLOC_BUILD=OFF -DTBB_STRICT=OFF -DTBB_TEST=OFF -DCMAKE_INSTALL_LIBDIR=lib \
  -DCMAKE_INSTALL_PREFIX="$prefix" >&2
cmake --build build >&2
DESTDIR="$work/stage" cmake --install build >/dev/null
echo "$version" > "$work/stage$prefix/version"
mkdir -p "$(dirname "$prefix")"
mv "$work/stage$prefix" "$prefix"
