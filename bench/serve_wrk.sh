#!/bin/sh
# examples/compile_server.cpp under wrk: an MLP called over 16 connections, first alone, then while it is replaced with other weights 20
# times a second, then while image models are put, compiled and called beside it. Needs wrk, curl, python3, and the models of
# cmake/fetch_models.sh: bench/serve_wrk.sh [BUILD_DIR [SECONDS]]
set -eu
cd "$(dirname "$0")/.."
server=$(realpath "${1:-build/release}/bin/examples/compile_server")
seconds=${2:-5}
scratch=$(mktemp -d)
"$server" 0 2 > "$scratch/said" &
process=$!
trap 'kill $process; wait $process; rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
until grep -q listening "$scratch/said"; do :; done
url=$(grep -o 'http.*' "$scratch/said")
cd build/models/exported

cat > "$scratch/post.lua" <<'LUA'
wrk.method = "POST"
wrk.body = string.rep("\0", 4 * 64)
wrk.headers["Content-Type"] = "application/octet-stream"
LUA
called() { wrk -t1 -c16 -d"$seconds" --latency -s "$scratch/post.lua" "$url/models/mlp" | grep -E '^ +(50|99)%|Requests/sec|Non-2xx|Socket'; }
call() { curl -sf -o /dev/null --data-binary @"$scratch/picture" -H 'Content-Type: application/octet-stream' "$url/models/$1"; }
head -c 602112 /dev/zero > "$scratch/picture"  # 1x3x224x224 of float32
curl -sf -o /dev/null -T mlp64.onnx "$url/models/mlp"

echo "alone"
called

cat > "$scratch/replace.py" <<'PY'
import sys, time, urllib.request
url, seconds = sys.argv[1] + '/models/mlp', float(sys.argv[2])
model = bytearray(open('mlp64.onnx', 'rb').read())
end = time.time() + seconds
replaced = 0
while time.time() < end:
    replaced += 1
    model[9000:9002] = replaced.to_bytes(2, 'little')  # the low bits of a weight
    urllib.request.urlopen(urllib.request.Request(url, data=bytes(model), method='PUT')).read()
    time.sleep(0.05)
print('  replaced', replaced, 'times')
PY
echo "while it is replaced"
python3 "$scratch/replace.py" "$url" "$seconds" & other=$!
called
wait $other

echo "while image models are put, compiled and called"
: > "$scratch/busy"
(
  for model in resnet18 mobilenet_v2 efficientnet_b0 resnet50; do
    curl -sf -o /dev/null -T $model.onnx "$url/models/$model"
    call $model
  done
  calls=0
  while [ -e "$scratch/busy" ]; do call resnet50; calls=$((calls + 1)); done
  echo "  4 models compiled, then $calls calls of resnet50"
) & other=$!
called
rm "$scratch/busy"
wait $other
