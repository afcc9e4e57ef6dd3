#!/bin/sh
# examples/compile_server.cpp under wrk: an MLP (64-64-64-1) called over 16 connections, first alone, then while it is replaced with other
# weights 20 times a second, then, if cmake/fetch_models.sh --peer was here, while image models are put, compiled and called beside it. Needs
# wrk, curl and python3: bench/serve_wrk.sh [BUILD_DIR [SECONDS]]
set -eu
cd "$(dirname "$0")/.."
server=$(realpath "${1:-build/release}/bin/examples/compile_server")
seconds=${2:-5}
scratch=$(mktemp -d)
: > "$scratch/said"
"$server" 0 2 > "$scratch/said" &
process=$!
trap 'kill $process; wait $process; rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
until grep -q listening "$scratch/said"; do :; done
url=$(grep -o 'http.*' "$scratch/said")

cat > "$scratch/post.lua" <<'LUA'
wrk.method = "POST"
wrk.body = string.rep("\0", 4 * 64)
wrk.headers["Content-Type"] = "application/octet-stream"
LUA
called() { wrk -t1 -c16 -d"$seconds" --latency -s "$scratch/post.lua" "$url/models/mlp" | grep -E '^ +(50|99)%|Requests/sec|Non-2xx|Socket'; }
call() { curl -sf -o /dev/null --data-binary @"$scratch/picture" -H 'Content-Type: application/octet-stream' "$url/models/$1"; }
head -c 602112 /dev/zero > "$scratch/picture"  # 1x3x224x224 of float32

cat > "$scratch/mlp.py" <<'PY'
import random, sys, time, urllib.request
url, seconds = sys.argv[1] + '/models/mlp', float(sys.argv[2])
random.seed(0)
def constant(*dims):
    size = dims[0] * dims[-1] if len(dims) > 1 else dims[0]
    numbers = ', '.join(f'{random.uniform(-0.2, 0.2):.6f}' for _ in range(size))
    return f'tensor(f32[{", ".join(map(str, dims))}], [{numbers}])'
text = f'''def forward(x: f32[N, 64]):
    a = onnx::Gemm(x, {constant(64, 64)}, {constant(64)})
    b = onnx::Relu(a)
    c = onnx::Gemm(b, {constant(64, 64)}, {constant(64)})
    d = onnx::Relu(c)
    e = onnx::Gemm(d, {constant(64, 1)}, tensor(f32[1], [WEIGHT]))
    y = onnx::Sigmoid(e)
    return y
'''
def put(weight):
    body = text.replace('WEIGHT', f'{weight / 1024}').encode()
    urllib.request.urlopen(urllib.request.Request(url, data=body, method='PUT')).read()
put(0)
end = time.time() + seconds
replaced = 0
while time.time() < end:
    replaced += 1
    put(replaced)
    time.sleep(0.05)
if replaced: print('  replaced', replaced, 'times')
PY
python3 "$scratch/mlp.py" "$url" 0

echo "alone"
called

echo "while it is replaced"
python3 "$scratch/mlp.py" "$url" "$seconds" & other=$!
called
wait $other

cd build/models/exported 2>/dev/null || exit 0
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
