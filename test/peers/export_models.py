"""Writes the models that comparisons and benchmarks name, as ONNX files of opset 16: fixed random weights, the batch left open.

Usage: /usr/bin/python3 export_models.py DIR     (Debian's python3-torch, python3-torchvision and python3-onnx)
"""
import pathlib
import sys
import warnings

import torch
import torchvision.models

IMAGE_MODELS = ['resnet18', 'resnet50', 'mobilenet_v2', 'mobilenet_v3_small', 'squeezenet1_1', 'efficientnet_b0']


class SmallMlp(torch.nn.Sequential):
    """Three dense layers of a few thousand weights: what a call costs beyond its arithmetic."""

    def __init__(self, width=64):
        super().__init__(torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, width), torch.nn.ReLU(),
                         torch.nn.Linear(width, 1), torch.nn.Sigmoid())


class PointwiseBlocks(torch.nn.Module):
    """Ten blocks of elementwise operators on large operands: what fusion is worth."""

    def forward(self, x, w):
        for _ in range(10):
            x = torch.tanh(x * w + 0.5) * torch.sigmoid(x - w) + 0.9 * x
        return x


def models():
    """Name, model, example inputs by name, and whether the first dimension stays open."""
    for name in IMAGE_MODELS:
        yield name, getattr(torchvision.models, name)(weights=None), {'x': torch.randn(1, 3, 224, 224)}, True
    yield 'mlp64', SmallMlp(), {'x': torch.randn(1, 64)}, True
    yield 'pointwise50', PointwiseBlocks(), {'x': torch.randn(1024, 1024), 'w': torch.randn(1024, 1024)}, False


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter('ignore')
    torch.manual_seed(0)
    for name, model, inputs, open_batch in models():
        axes = {value: {0: 'N'} for value in (*inputs, 'y')} if open_batch else None
        torch.onnx.export(model.eval(), tuple(inputs.values()), str(folder / f'{name}.onnx'), opset_version=16,
                          input_names=list(inputs), output_names=['y'], dynamic_axes=axes)
        print(name, flush=True)


if __name__ == '__main__':
    main()
