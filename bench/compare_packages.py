#!/usr/bin/env python3
"""Packages beside ONNX Runtime and torch.package: from the file to a module or session, to the first answer, and into memory, on one core.

Usage: bench/compare_packages.py [--build build/release] [--samples 5] [--core 0] [--torch-python /usr/bin/python3] [--json FILE] [MODEL_NAME...]

Each sample is a fresh process of one program and then of the next, all pinned to the same core, so that all meet the same machine; files
are in the system's cache. Figures are medians over the samples. `x` columns say how many times ONNX Runtime's time ours is: ours is the
import of the package that `lazyfx pack` made of the model, theirs the creation of the session; then both with the first run.
torch.package loads, without running anything, a dictionary of the weights, which it was given byte for byte as they are in our package.
Memory is megabytes resident before the import, after it and after the first answer; then what two processes that have both answered hold
of the mapped package, each (Rss) and divided by those that share it (Pss).

Needs the release build with its tests and bench/, and `cmake/fetch_models.sh --peer`; torch only where that python has it.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

from compare_ort import MODELS, ROOT, output_of

TORCH_SAVES = '''
import sys, zipfile, torch
from torch.package import PackageExporter
weights = {}
with zipfile.ZipFile(sys.argv[1]) as package:
    for name in package.namelist():
        if name.startswith('tensors/'):
            weights[name] = torch.frombuffer(bytearray(package.read(name)), dtype=torch.uint8)
with PackageExporter(sys.argv[2]) as out:
    out.save_pickle('weights', 'weights.pkl', weights)
'''
TORCH_LOADS = '''
import sys, time, torch
from torch.package import PackageImporter
torch.set_num_threads(1)
start = time.perf_counter()
weights = PackageImporter(sys.argv[1]).load_pickle('weights', 'weights.pkl')
print((time.perf_counter() - start) * 1e3)
'''


def has_torch(python):
    try:
        return subprocess.run([python, '-c', 'import torch.package'], stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = pathlib.Path(folder)
        self.programs = pathlib.Path(options.build) / 'bin'
        self.models = pathlib.Path(options.models)
        self.pin = ['taskset', '--cpu-list', str(options.core)]
        self.has_torch = has_torch(options.torch_python)

    def pack(self, name):
        package = self.folder / f'{name}.lfx'
        output_of([str(self.programs / 'lazyfx'), 'pack', str(self.models / MODELS[name][0]), str(package)])
        if not self.has_torch:
            return package, None
        other = self.folder / f'{name}.torch'
        output_of([self.options.torch_python, '-c', TORCH_SAVES, str(package), str(other)])
        return package, other

    def ours(self, package, *more):
        return json.loads(output_of([*self.pin, str(self.programs / 'bench' / 'package_bench'), str(package), '1', '--json', *more]))

    def theirs(self, name):
        file, shapes = MODELS[name]
        given = [f'{port}={dims}' for port, dims in shapes.items()]
        library = self.models / 'ort' / 'libonnxruntime.so.1'
        return json.loads(output_of([*self.pin, str(self.programs / 'ort_peer'), str(library), str(self.models / file), '--threads', '1',
                                     '--seconds', '0', '--warm', *given]))

    def torch(self, package):
        return float(output_of([*self.pin, self.options.torch_python, '-c', TORCH_LOADS, str(package)]))

    def compare(self, name):
        package, other = self.pack(name)
        ours, theirs, torch = [], [], []
        for _ in range(self.options.samples):
            ours.append(self.ours(package))
            theirs.append(self.theirs(name))
            if other:
                torch.append(self.torch(other))

        def median(samples):
            return {figure: statistics.median(sample[figure] for sample in samples) for figure in samples[0]}
        return {'model': name, 'package_mb': package.stat().st_size / 2**20, 'ours': median(ours), 'onnxruntime': median(theirs),
                'torch_package_ms': statistics.median(torch) if torch else None, 'shared': self.ours(package, '--two')}


HEADING = f'{"":20}{"import":>9}{"ORT load":>10}{"x":>8}{"first":>10}{"ORT":>10}{"x":>7}{"torch.package":>15}'
MEMORY_HEADING = f'{"":20}{"package":>9}{"before":>9}{"imported":>10}{"answered":>10}{"mapped Rss":>14}{"Pss":>9}'


def row(result):
    a, b, torch = result['ours'], result['onnxruntime'], result['torch_package_ms']
    beside = 'no torch' if torch is None else f'{torch:.2f}'
    return (f'{result["model"]:20}{a["import_ms"]:9.3f}{b["load_ms"]:10.2f}{a["import_ms"] / b["load_ms"]:8.3f}'
            f'{a["first_ms"]:10.3f}{b["first_output_ms"]:10.2f}{a["first_ms"] / b["first_output_ms"]:7.2f}{beside:>15}')


def memory_row(result):
    a, shared = result['ours'], result['shared']
    return (f'{result["model"]:20}{result["package_mb"]:9.1f}{a["before_mb"]:9.1f}{a["imported_mb"]:10.1f}{a["answered_mb"]:10.1f}'
            f'{shared["mapped_rss_mb"]:14.1f}{shared["mapped_pss_mb"]:9.1f}')


def main():
    names = ['resnet50', 'mlp64']
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--build', default=ROOT / 'build' / 'release', help='build tree with bin/lazyfx, bin/ort_peer and bin/bench')
    parser.add_argument('--models', default=ROOT / 'build' / 'models', help='what cmake/fetch_models.sh --peer filled')
    parser.add_argument('--samples', type=int, default=5, help='processes of each program for each model')
    parser.add_argument('--core', type=int, default=0, help='the CPU that everything is pinned to')
    parser.add_argument('--torch-python', default='/usr/bin/python3', help='a python that can import torch, as Debian\'s with python3-torch')
    parser.add_argument('--json', type=pathlib.Path, help='write the figures there too')
    parser.add_argument('names', nargs='*', metavar='MODEL_NAME', help='default: ' + ', '.join(names))
    options = parser.parse_args()
    names = options.names or names
    unknown = [name for name in names if name not in MODELS]
    if unknown:
        parser.error(f'no model is called {unknown[0]}')
    missing = [file for file in ['ort/libonnxruntime.so.1'] + [MODELS[name][0] for name in names]
               if not (pathlib.Path(options.models) / file).exists()]
    if missing:
        sys.exit(f'compare_packages.py: {options.models} lacks {missing[0]}; cmake/fetch_models.sh --peer gets it')
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, folder)
        results = [bench.compare(name) for name in names]
    print('milliseconds; x: our time as a multiple of ONNX Runtime\'s\n' + '\n'.join([HEADING, *map(row, results)]))
    print('\nmegabytes\n' + '\n'.join([MEMORY_HEADING, *map(memory_row, results)]))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + '\n')


if __name__ == '__main__':
    main()
