#!/bin/sh
# The quickstart reads every picture in pictures/ as the text beside it says, all its answers are fresh, and what is no picture ends in one
# sentence and exit status 1: check_quickstart.sh QUICKSTART MODELS
set -eu
quickstart=$(realpath "$1")
models=$(realpath -m "$2")
model=$models/ocr/ch_PP-OCRv4_rec_infer.onnx
keys=$models/ocr/ppocr_keys_v1.txt
cd "$(dirname "$0")/pictures"
if [ ! -e "$model" ]; then echo "skipped: there is no $model; cmake/fetch_models.sh fetches it"; exit 77; fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for picture in *.png; do
  "$quickstart" "$model" "$keys" "$picture" > "$scratch/out"
  cat "$scratch/out"
  # Readings are indented by two spaces, their confidence by more.
  sed -n 's/^  \([^ ].*\)/\1/p' "$scratch/out" | diff -u "${picture%.png}.txt" -
  grep -q '^every answer belonged to a generation at or after the one current at its call$' "$scratch/out"
done

# refuses NAME: the file $scratch/NAME is turned down politely.
refuses() {
  status=0
  "$quickstart" "$model" "$keys" "$scratch/$1" > "$scratch/out" 2> "$scratch/error" || status=$?
  if [ $status -ne 1 ] || [ "$(wc -l < "$scratch/error")" -ne 1 ] || ! grep -q "$1" "$scratch/error"; then
    echo "$1: exit status $status and:"
    cat "$scratch/error"
    exit 1
  fi
}
first=$(ls ./*.png | head -n 1)
head -c 300 "$first" > "$scratch/truncated.png"
echo "no picture at all" > "$scratch/text.png"
: > "$scratch/empty.png"
mkdir "$scratch/folder.png"
for bad in truncated.png text.png empty.png folder.png missing.png; do refuses "$bad"; done
