#!/usr/bin/env python3
"""lazyfx beside ONNX Runtime: load, compile, first output and run of every model, on one core.

Usage: bench/compare_ort.py [--build build/release] [--samples 5] [--seconds 1] [--core 0] [--warm] [--json FILE] [MODEL_NAME...]

Each sample is a fresh process of one program and then one of the other, both pinned to the same core, so that both meet the same machine.
First outputs are measured with the model's file out of the system's cache (--warm leaves it there). Figures are medians over the samples;
run is the median over samples of the median run. `x` columns say how many times ONNX Runtime's time ours is: below 1 is faster.
ONNX Runtime's load contains what we call compile.

Needs the release build with its tests, and `cmake/fetch_models.sh --peer`.
"""
import argparse
import json
import pathlib
import statistics
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = {  # name: file below build/models, inputs: of a shape, or one integer where the value decides what is computed
    'mlp64': ('exported/mlp64.onnx', {'x': '1x64'}),
    'squeezenet1_1': ('exported/squeezenet1_1.onnx', {'x': '1x3x224x224'}),
    'mobilenet_v3_small': ('exported/mobilenet_v3_small.onnx', {'x': '1x3x224x224'}),
    'mobilenet_v2': ('exported/mobilenet_v2.onnx', {'x': '1x3x224x224'}),
    'efficientnet_b0': ('exported/efficientnet_b0.onnx', {'x': '1x3x224x224'}),
    'resnet18': ('exported/resnet18.onnx', {'x': '1x3x224x224'}),
    'resnet50': ('exported/resnet50.onnx', {'x': '1x3x224x224'}),
    'pointwise50': ('exported/pointwise50.onnx', {'x': '1024x1024', 'w': '1024x1024'}),
    'ocr_direction': ('ocr/ch_ppocr_mobile_v2.0_cls_infer.onnx', {'x': '1x3x48x192'}),
    'ocr_recognition': ('ocr/ch_PP-OCRv4_rec_infer.onnx', {'x': '1x3x48x320'}),
    'ocr_detection': ('ocr/ch_PP-OCRv4_det_infer.onnx', {'x': '1x3x320x320'}),
    'silero_vad_legacy': ('vad/silero_vad_legacy.onnx', {'input': '1x1536', 'sr': 16000, 'h': '2x1x64', 'c': '2x1x64'}),
    'silero_vad_v6': ('vad/silero_vad_v6.onnx', {'input': '1x576', 'sr': 16000, 'state': '2x1x128'}),
}


def output_of(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f'compare_ort.py: {command[0]} failed: {done.stderr.strip() or done.stdout.strip()}')
    return done.stdout


def write_integer(folder, name, value):
    """A scalar TensorProto: data_type (field 2) int64 (7), raw_data (field 9)."""
    file = pathlib.Path(folder) / f'{name}.pb'
    file.write_bytes(b'\x10\x07\x4a\x08' + struct.pack('<q', value))
    return file


class Bench:
    def __init__(self, options):
        self.options = options
        self.programs = pathlib.Path(options.build) / 'bin'
        self.models = pathlib.Path(options.models)
        self.common = ['--threads', '1', '--seconds', str(options.seconds)] + (['--warm'] if options.warm else [])
        self.pin = ['taskset', '--cpu-list', str(options.core)]

    def ours(self, file, shapes, files):
        with tempfile.NamedTemporaryFile(suffix='.json') as figures:
            given = [f'--shape={name}={dims}' for name, dims in shapes.items()] + [f'--input={name}={path}' for name, path in files.items()]
            output_of([*self.pin, str(self.programs / 'lazyfx'), 'bench', str(file), *self.common, *given, '--json', figures.name])
            return json.loads(pathlib.Path(figures.name).read_text())[0]

    def theirs(self, file, shapes, files):
        library = self.models / 'ort' / 'libonnxruntime.so.1'
        given = [f'{name}={what}' for name, what in (shapes | files).items()]
        return json.loads(output_of([*self.pin, str(self.programs / 'ort_peer'), str(library), str(file), *self.common, *given]))

    def compare(self, name):
        file, inputs = MODELS[name]
        file = self.models / file
        shapes = {name: dims for name, dims in inputs.items() if isinstance(dims, str)}
        with tempfile.TemporaryDirectory() as folder:
            files = {name: write_integer(folder, name, value) for name, value in inputs.items() if isinstance(value, int)}
            samples = [(self.ours(file, shapes, files), self.theirs(file, shapes, files)) for _ in range(self.options.samples)]

        def median(side, figure):
            return statistics.median(sample[side][figure] for sample in samples)
        return {'model': name, 'ours': {f: median(0, f) for f in ('load_ms', 'compile_ms', 'first_output_ms', 'run_ms_median', 'peak_mb')},
                'onnxruntime': {f: median(1, f) for f in ('load_ms', 'first_output_ms', 'run_ms_median', 'peak_mb')}}


HEADING = (f'{"":20}{"load":>9}{"compile":>9}{"ORT load":>10}{"first":>10}{"ORT":>10}{"x":>6}{"run":>10}{"ORT":>10}{"x":>6}'
           f'{"peak MB":>9}{"ORT":>7}')


def row(result):
    a, b = result['ours'], result['onnxruntime']
    return (f'{result["model"]:20}{a["load_ms"]:9.2f}{a["compile_ms"]:9.2f}{b["load_ms"]:10.2f}'
            f'{a["first_output_ms"]:10.2f}{b["first_output_ms"]:10.2f}{a["first_output_ms"] / b["first_output_ms"]:6.2f}'
            f'{a["run_ms_median"]:10.4f}{b["run_ms_median"]:10.4f}{a["run_ms_median"] / b["run_ms_median"]:6.2f}'
            f'{a["peak_mb"]:9.0f}{b["peak_mb"]:7.0f}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default=ROOT / 'build' / 'release', help='build tree with bin/lazyfx and bin/ort_peer')
    parser.add_argument('--models', default=ROOT / 'build' / 'models', help='what cmake/fetch_models.sh --peer filled')
    parser.add_argument('--samples', type=int, default=5, help='processes of each program for each model')
    parser.add_argument('--seconds', type=float, default=1, help='of steady runs in each process')
    parser.add_argument('--core', type=int, default=0, help='the CPU that everything is pinned to')
    parser.add_argument('--warm', action='store_true', help="leave the model's file in the system's cache")
    parser.add_argument('--json', type=pathlib.Path, help='write the figures there too')
    parser.add_argument('names', nargs='*', metavar='MODEL_NAME', help='default: ' + ', '.join(MODELS))
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in MODELS]
    if unknown:
        parser.error(f'no model is called {unknown[0]}')
    names = options.names or list(MODELS)
    needed = ['ort/libonnxruntime.so.1'] + [MODELS[name][0] for name in names]
    missing = [file for file in needed if not (pathlib.Path(options.models) / file).exists()]
    if missing:
        sys.exit(f'compare_ort.py: {options.models} lacks {missing[0]}; cmake/fetch_models.sh --peer gets it')
    bench = Bench(options)
    print('milliseconds; x: our time as a multiple of ONNX Runtime\'s\n' + HEADING, flush=True)
    results = []
    for name in names:
        results.append(bench.compare(name))
        print(row(results[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + '\n')


if __name__ == '__main__':
    main()
