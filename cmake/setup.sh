#!/bin/sh
# Installs what this project needs from Debian 12, and only what is missing: setup.sh [GROUP...]
#
#   build     compilers and libraries (the default)
#   models    npm, which fetches the models
#   example   what examples/quickstart.sh adds: models, a picture drawer and its font
#   sanitize  the sanitizers' runtimes, what names addresses, and what unpacks Debian source packages
#   peer      Debian's PyTorch, which exports the models that outputs are compared on
#   lint      clang-format and clang-tidy
#   all       everything
#
# Runs unattended, uses sudo when it is not root, and returns at once when nothing is missing.
set -eu

build="ca-certificates git cmake ninja-build ccache pkg-config g++ clang-19 lld-19 libboost1.81-dev libboost-serialization1.81-dev
  libboost-test1.81-dev libboost-program-options1.81-dev libtbb-dev libdnnl-dev libhwy-dev libprotobuf-dev protobuf-compiler
  libonnx-dev nlohmann-json3-dev libpng-dev libxxhash-dev libssl-dev libminizip-dev zlib1g-dev libbenchmark-dev python3"
models="ca-certificates npm"
example="imagemagick fonts-dejavu-core"
sanitize="libclang-rt-19-dev llvm-19 dpkg-dev"
peer="python3-torch python3-torchvision python3-onnx libonnx-testdata"
lint="clang-format-19 clang-tidy-19"

wanted=
for group in "${@:-build}"; do
  case $group in
    build) wanted="$wanted $build" ;;
    models) wanted="$wanted $models" ;;
    example) wanted="$wanted $build $models $example" ;;
    sanitize) wanted="$wanted $sanitize" ;;
    peer) wanted="$wanted $peer" ;;
    lint) wanted="$wanted $lint" ;;
    all) wanted="$wanted $build $models $example $sanitize $peer $lint" ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) echo "setup.sh: there is no group '$group'; see setup.sh --help" >&2; exit 2 ;;
  esac
done

installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p' || true)
# Other distributors' Node packages bring npm without the package of that name.
if command -v npm >/dev/null; then installed="$installed npm"; fi
missing=$(
  for package in $wanted; do
    case " $(echo $installed) " in *" $package "*) ;; *) echo "$package" ;; esac
  done | sort -u
)
if [ -z "$missing" ]; then exit 0; fi

echo "setup: installing" $missing
as_root=
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup.sh: not root and no sudo; as root, run: apt-get install --no-install-recommends" $missing >&2
    exit 1
  fi
  as_root=sudo
fi
apt() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@"
}
apt update
apt install --no-install-recommends $missing
